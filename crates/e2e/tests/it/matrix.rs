//! The type matrix: every type with its edge values, in every format and every compression, read
//! back value for value by readers that we did not write.

use std::path::Path;
use std::process::Command;

use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::program;

/// A kind of file: what is exported, as what, and how the check calls it.
struct Form {
    object: &'static str,
    format: &'static str,
    check: &'static str,
    /// The option with each of its values; nothing for the default alone.
    option: Option<(&'static str, &'static [&'static str])>,
    packings: &'static [&'static str],
    /// Fields that the reader cannot read.
    without: &'static [&'static str],
}

const PACKINGS: &[&str] = &["none", "gzip", "zip"];
const BARE: &[&str] = &["none"];

impl Form {
    const fn of(format: &'static str) -> Self {
        Self {
            object: "types",
            format,
            check: format,
            option: None,
            packings: PACKINGS,
            without: &[],
        }
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
        let (key, values) = form.option.unwrap_or(("", &[""]));
        for value in values {
            for packing in form.packings {
                let file = folder.path().join("export");
                export(form, key, value, packing, &source, &file)?;
                let mut check = script(&python, "matrix.py");
                check.arg("check").args([&source, &file]).args([form.check, packing]);
                let said = output(&mut check)?;
                println!(
                    "{} {} {key}={value} {packing}: {}",
                    form.format,
                    form.object,
                    said.trim()
                );
            }
        }
    }
    Ok(())
}

fn export(
    form: &Form,
    key: &str,
    value: &str,
    packing: &str,
    source: &Path,
    file: &Path,
) -> anyhow::Result<()> {
    let mut run = Command::new(program());
    run.args(["run", "--object", form.object, "--format", form.format, "--pack", packing]);
    run.arg("--source").arg(source).arg("--output").arg(file);
    if !key.is_empty() {
        run.arg("--option").arg(format!("{key}={value}"));
    }
    if !form.without.is_empty() {
        run.arg("--fields").arg(fields_without(form.without, source)?);
    }
    output(&mut run).map(drop)
}

/// The fields of the source but those, as `--fields` takes them.
fn fields_without(without: &[&str], source: &Path) -> anyhow::Result<String> {
    let mut run = Command::new(program());
    run.args(["run", "--object", "types", "--limit", "0", "--output", "-", "--source"]);
    let header = output(run.arg(source))?;
    let fields: Vec<_> = header.trim().split(',').filter(|name| !without.contains(name)).collect();
    Ok(fields.join(","))
}
