//! The type matrix: every type with its edge values, in every format and every compression, read
//! back value for value by readers that we did not write.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::program;

/// A kind of file: what is exported, as what, and how the check calls it.
pub struct Form {
    pub object: &'static str,
    pub format: &'static str,
    pub check: &'static str,
    /// The option with each of its values; nothing for the default alone.
    pub option: Option<(&'static str, &'static [&'static str])>,
    pub packings: &'static [&'static str],
    /// Fields that the reader cannot read.
    pub without: &'static [&'static str],
}

const PACKINGS: &[&str] = &["none", "gzip", "zip"];
pub const BARE: &[&str] = &["none"];

impl Form {
    pub const fn of(format: &'static str) -> Self {
        Self {
            object: "types",
            format,
            check: format,
            option: None,
            packings: PACKINGS,
            without: &[],
        }
    }

    /// Calls it with the option, each of its values, and each packing.
    pub fn every_way(
        &self,
        mut call: impl FnMut(&str, &str, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (key, values) = self.option.unwrap_or(("", &[""]));
        for value in values {
            for packing in self.packings {
                call(key, value, packing)?;
            }
        }
        Ok(())
    }

    /// The program that writes such a file.
    pub fn run(
        &self,
        source: &OsStr,
        key: &str,
        value: &str,
        packing: &str,
        file: &Path,
    ) -> Command {
        let mut run = Command::new(program());
        run.args(["run", "--object", self.object, "--format", self.format, "--pack", packing]);
        run.arg("--source").arg(source).arg("--output").arg(file);
        if !key.is_empty() {
            run.arg("--option").arg(format!("{key}={value}"));
        }
        run
    }
}

const FORMS: &[Form] = &[
    Form::of("csv"),
    Form { option: Some(("quoting", &["all"])), packings: BARE, ..Form::of("csv") },
    Form::of("html"),
    Form::of("xlsx"),
    Form::of("ndjson"),
    Form {
        check: "ndjson-text",
        option: Some(("numbers", &["text"])),
        packings: BARE,
        ..Form::of("ndjson")
    },
    Form::of("json"),
    Form {
        check: "json-text",
        option: Some(("numbers", &["text"])),
        packings: BARE,
        ..Form::of("json")
    },
    Form {
        check: "json-strings",
        option: Some(("strings", &["true"])),
        packings: BARE,
        ..Form::of("json")
    },
    Form {
        check: "json-arrays",
        option: Some(("row", &["array"])),
        packings: BARE,
        ..Form::of("json")
    },
    Form::of("xml"),
    Form {
        check: "xml-named",
        option: Some(("columns", &["named"])),
        packings: BARE,
        ..Form::of("xml")
    },
    Form { option: Some(("codec", &["deflate", "snappy", "zstd", "none"])), ..Form::of("avro") },
    // Polars has neither Avro's maps nor its zstd.
    Form {
        check: "avro-polars",
        option: Some(("codec", &["deflate", "snappy", "none"])),
        packings: BARE,
        without: &["map"],
        ..Form::of("avro")
    },
    Form {
        option: Some(("compression", &["zstd", "snappy", "gzip", "none"])),
        ..Form::of("parquet")
    },
    Form { object: "documents", check: "documents", packings: BARE, ..Form::of("ndjson") },
    Form { object: "documents", check: "documents-json", packings: BARE, ..Form::of("json") },
    Form { object: "documents", check: "documents-csv", packings: BARE, ..Form::of("csv") },
];

#[test]
fn every_type_reads_back_from_every_format_and_compression() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source");
    std::fs::create_dir(&source)?;
    let made = output(script(&python, "matrix.py").arg("make").arg(&source))?;
    println!("{}", made.trim());
    for form in FORMS {
        form.every_way(|key, value, packing| {
            let file = folder.path().join("export");
            let mut run = form.run(source.as_os_str(), key, value, packing, &file);
            if !form.without.is_empty() {
                run.arg("--fields").arg(fields_without(form.without, &source)?);
            }
            output(&mut run)?;
            let said = check(&python, &source, &file, form.check, packing)?;
            println!("{} {} {key}={value} {packing}: {said}", form.format, form.object);
            Ok(())
        })?;
    }
    Ok(())
}

/// What the readers of a form found, compared with the source's own folder.
pub fn check(
    python: &Path,
    source: &Path,
    file: &Path,
    form: &str,
    packing: &str,
) -> anyhow::Result<String> {
    let mut check = script(python, "matrix.py");
    check.arg("check").args([source, file]).args([form, packing]);
    Ok(output(&mut check)?.trim().to_owned())
}

/// The fields of the source but those, as `--fields` takes them.
fn fields_without(without: &[&str], source: &Path) -> anyhow::Result<String> {
    let mut run = Command::new(program());
    run.args(["run", "--object", "types", "--limit", "0", "--output", "-", "--source"]);
    let header = output(run.arg(source))?;
    let fields: Vec<_> = header.trim().split(',').filter(|name| !without.contains(name)).collect();
    Ok(fields.join(","))
}
