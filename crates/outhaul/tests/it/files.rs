//! Commands that need no server: files in, files out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::program::run_in;

const ORDERS: &str = "id,customer,total\n1,Müller,10.50\n2,\"Smith, Jones\",7\n3,,200.25\n";

fn orders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("in")).expect("it is made");
    fs::write(folder.path().join("in/orders.csv"), ORDERS).expect("it is written");
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it can be listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_query_over_files_goes_to_standard_output() {
    let folder = orders();
    let sql = "select count(*) as n, sum(total) as total from orders where total > 8";
    let run = ["run", "--source", "in", "--sql", sql, "--output", "-"];
    assert_eq!(run_in(folder.path(), &run).good(), "n,total\n2,210.750000\n");
    let run =
        ["run", "--source", "in/orders.csv", "--object", "orders", "--quiet", "--output", "-"];
    let more = ["--fields", "id,customer", "--where", "id > 1", "--order-by", "-id", "--null", "-"];
    let out = run_in(folder.path(), &[&run[..], &more].concat()).good();
    assert_eq!(out, "id,customer\n3,-\n2,\"Smith, Jones\"\n");
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let folder = orders();
    let run = ["run", "--source", "in", "--object", "orders", "--output", "out.csv.gz"];
    run_in(folder.path(), &[&run[..], &["--pack", "gzip"]].concat()).good();
    assert_eq!(names(folder.path()), ["in", "out.csv.gz"]);
    // A value that cannot be computed, far behind rows that are written by then.
    let late = format!("id,customer,total\n{}9,b,2\n", "1,a,2\n".repeat(50_000));
    fs::write(folder.path().join("in/orders.csv"), late).expect("it is written");
    fs::remove_file(folder.path().join("out.csv.gz")).expect("it goes");
    let sql = "select 1 / (id - 9) as late from orders";
    let run = ["run", "--source", "in", "--sql", sql, "--output", "out.csv"];
    let words = run_in(folder.path(), &run).ended(1);
    assert!(!words.is_empty());
    assert_eq!(names(folder.path()), ["in"], "nothing is left of a failure");
}

/// The file in an archive is named by the rule that names those of a server, whatever the output is
/// called; and a warning says of which column it is.
#[test]
fn any_output_name_will_do_and_warnings_name_their_column() {
    let folder = orders();
    let run = ["run", "--source", "in", "--object", "orders", "--output"];
    for output in ["q1: report.csv", "con.csv", "..csv"] {
        run_in(folder.path(), &[&run[..], &[output]].concat()).good();
        assert!(fs::read_to_string(folder.path().join(output)).is_ok_and(|text| text.len() > 20));
    }
    let packed = ["q1: report.zip", "--pack", "zip"];
    run_in(folder.path(), &[&run[..], &packed].concat()).good();
    let archive = fs::read(folder.path().join("q1: report.zip")).expect("it is there");
    assert_eq!(&archive[30..44], b"q1__report.csv");

    let sql = "select 12345678901234567 as \"big one\" from orders";
    let run = ["run", "--source", "in", "--sql", sql, "--format", "xlsx", "--output", "x.xlsx"];
    let ran = run_in(folder.path(), &run);
    let warning = "warning: column big one: numbers of more than 15 digits";
    assert!(ran.err.contains(warning) && ran.err.contains("(3 times)"), "{}", ran.err);
    let more = ["--option", "rows_per_sheet=2"];
    let ran = run_in(folder.path(), &[&run[..], &more].concat());
    assert!(ran.err.contains("warning: rows went on in further sheets"), "{}", ran.err);
    ran.good();
}

#[test]
fn mistakes_have_their_own_exit_codes() {
    let folder = orders();
    let run =
        |more: &[&str]| run_in(folder.path(), &[&["run", "--output", "-"][..], more].concat());
    let words = run(&["--source", "in", "--object", "order"]).ended(1);
    assert!(words.contains("did you mean orders?"), "{words}");
    let words = run(&["--source", "in", "--sql", "drop table orders"]).ended(1);
    assert!(words.contains("SELECT"), "{words}");
    let words = run(&["--source", "in", "--object", "orders", "--format", "xls"]).ended(1);
    assert!(words.contains("csv, html, xlsx"), "{words}");
    run(&["--source", "nowhere", "--object", "orders"]).ended(1);
    run(&["--source", "in"]).ended(2);
    run(&["--source", "in", "--object", "orders", "--option", "x"]).ended(2);
    let words = run_in(folder.path(), &["config", "check"]).ended(3);
    assert!(words.contains("there is no file outhaul.toml"), "{words}");
}

#[test]
fn a_catalog_is_written_from_files_and_checks() {
    let folder = orders();
    fs::write(folder.path().join("in/orders.csv"), "id,tenant_id,total\n1,acme,2.5\n").expect("ok");
    let init = ["catalog", "init", "in", "--output", "catalog.toml"];
    let words = run_in(folder.path(), &init).good();
    assert!(words.contains("1 objects"), "{words}");
    let words = run_in(folder.path(), &init).ended(1);
    assert!(words.contains("is there already"), "{words}");
    let config = "[[sources]]\nkind = \"files\"\nname = \"main\"\nurl = \"in\"\n\n[catalog]\nfile = \"catalog.toml\"\n\n[[tenants]]\nid = \"acme\"\n";
    fs::write(folder.path().join("outhaul.toml"), config).expect("it is written");
    run_in(folder.path(), &["config", "check"]).good();
    run_in(folder.path(), &["catalog", "check"]).good();
    let written = fs::read_to_string(folder.path().join("catalog.toml")).expect("it is there");
    let total = written.lines().find(|line| line.contains("\"total\"")).expect("a line");
    assert!(total.contains("# review: its type was guessed"), "{written}");
    let shown = run_in(folder.path(), &["catalog", "show", "order"]).good();
    assert!(shown.contains("total") && !shown.contains("tenant_id  "), "{shown}");
    let wrong = config.replace("kind", "knd").replace("zone", "zon");
    fs::write(folder.path().join("outhaul.toml"), wrong).expect("it is written");
    let words = run_in(folder.path(), &["config", "check"]).ended(3);
    assert!(words.contains("outhaul.toml:2: sources[0].knd: unknown key"), "{words}");
}

fn floats(path: &Path) {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(vec![1]))),
        ("org", Arc::new(StringArray::from(vec!["acme"]))),
        ("amount", Arc::new(Float64Array::from(vec![0.1]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let file = fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is whole");
}

/// The check says what an export would: a table is found where the engine finds it, a type that
/// cannot be read is named, and so is a relation without its columns.
#[test]
fn a_catalog_is_checked_by_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("in/sub/inv2")).expect("they are made");
    floats(&folder.path().join("in/sub/inv2/part.parquet"));
    let config = "[[sources]]\nkind = \"files\"\nname = \"main\"\nurl = \"in\"\n\n[catalog]\nfile = \"catalog.toml\"\n\n[[tenants]]\nid = \"acme\"\n";
    fs::write(folder.path().join("outhaul.toml"), config).expect("it is written");
    let object = |name: &str, table: &str, amount: &str, more: &str| {
        format!(
            "[[objects]]\nname = \"{name}\"\nsource = \"main\"\ntable = \"{table}\"\nkey = [\"id\"]\ntenant_column = \"org\"\nfields = [\n{{ name = \"id\", type = \"integer\" }},\n{{ name = \"amount\", type = \"{amount}\" }},\n]\n{more}\n"
        )
    };
    let check = |catalog: &str| {
        fs::write(folder.path().join("catalog.toml"), catalog).expect("it is written");
        run_in(folder.path(), &["catalog", "check"])
    };
    let sound = object("Invoice", "sub/inv2", "float", "");
    assert_eq!(check(&sound).good(), "all 1 objects are as the catalog says\n");

    let related = "relations = [{ name = \"Other\", target = \"Invoice\", columns = { other_id = \"id\" } }]\n";
    let catalog = [
        sound,
        object("Wrong", "sub/inv2", "decimal", related),
        object("Gone", "sub/inv3", "float", related),
        object("Strange", "sub/inv2", "float", "deleted_column = \"gone_at\"\n"),
        object("Far", "sub/inv2", "float", "entity_column = \"entity\"\n"),
    ];
    let checked = check(&catalog.concat());
    let lines: Vec<_> = checked.out.lines().collect();
    let said = |words: &[&str]| {
        lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    assert_eq!(said(&["object Wrong", "float", "(column amount)"]), 1, "{}", checked.out);
    assert_eq!(said(&["object Wrong", "column other_id"]), 1, "{}", checked.out);
    assert_eq!(said(&["object Gone", "sub/inv3"]), 1, "{}", checked.out);
    assert_eq!(said(&["object Strange", "gone_at"]), 1, "{}", checked.out);
    assert_eq!(said(&["object Far", "column entity"]), 1, "{}", checked.out);
    assert_eq!(lines.len(), 5, "{}", checked.out);
    checked.ended(3);
}

#[test]
fn the_example_is_sound() {
    let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    let output = crate::program::program()
        .current_dir(examples)
        .env("BILLING_S3_SECRET", "x")
        .args(["config", "check"])
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_shows_every_command_and_the_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run_in(folder.path(), &["--help"]).good();
    for command in [
        "demo", "serve", "worker", "run", "exports", "verify", "keys", "catalog", "config",
        "doctor",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert!(help.contains("Exit codes:") && !help.contains("slot "), "{help}");
}
