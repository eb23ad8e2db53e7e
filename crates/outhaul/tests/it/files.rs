//! Commands that need no server: files in, files out.

use std::fs;
use std::path::Path;

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
    // The type of a column is told from its first rows; one far behind them does not keep to it.
    let late = format!("id,customer,total\n{}9,b,x\n", "1,a,2\n".repeat(50_000));
    fs::write(folder.path().join("in/orders.csv"), late).expect("it is written");
    fs::remove_file(folder.path().join("out.csv.gz")).expect("it goes");
    let words = run_in(folder.path(), &run).ended(1);
    assert!(!words.is_empty());
    assert_eq!(names(folder.path()), ["in"], "nothing is left of a failure");
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
    let shown = run_in(folder.path(), &["catalog", "show", "order"]).good();
    assert!(shown.contains("total") && !shown.contains("tenant_id  "), "{shown}");
    let wrong = config.replace("kind", "knd").replace("zone", "zon");
    fs::write(folder.path().join("outhaul.toml"), wrong).expect("it is written");
    let words = run_in(folder.path(), &["config", "check"]).ended(3);
    assert!(words.contains("outhaul.toml:2: sources[0].knd: unknown key"), "{words}");
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
