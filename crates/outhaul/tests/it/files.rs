//! Commands that need no server: files in, files out.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::program::{program, run_in};

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

/// What stands in the place of the output and is no file is written to; a link stays a link, and a
/// file keeps its mode.
#[test]
fn only_a_file_is_replaced_by_the_output() {
    let folder = orders();
    let at = |name: &str| folder.path().join(name);
    let run = ["run", "--source", "in", "--object", "orders", "--quiet", "--output"];
    let run = |output: &str| run_in(folder.path(), &[&run[..], &[output]].concat());
    fs::write(at("private.csv"), "old").expect("it is written");
    fs::set_permissions(at("private.csv"), fs::Permissions::from_mode(0o600)).expect("it is set");
    symlink("private.csv", at("link.csv")).expect("it is made");
    run("link.csv").good();
    assert!(at("link.csv").is_symlink());
    assert!(fs::read_to_string(at("private.csv")).is_ok_and(|text| text.starts_with("id,")));
    let mode = fs::metadata(at("private.csv")).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o600);

    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
    assert!(made.expect("mkfifo starts").success());
    let reader = std::thread::spawn({
        let pipe = at("pipe");
        move || fs::read_to_string(pipe)
    });
    run("pipe").good();
    assert!(reader.join().expect("it ends").is_ok_and(|text| text.starts_with("id,")));
    assert!(fs::metadata(at("pipe")).expect("it is there").file_type().is_fifo());
    assert_eq!(names(folder.path()), ["in", "link.csv", "pipe", "private.csv"]);
    let words = run("new/").ended(2);
    assert!(words.contains("new/ is a folder"), "{words}");
    // As /dev/stdout is one, and nothing of the system is at risk here.
    symlink("/proc/self/fd/1", at("stdout")).expect("it is made");
    let out = run("stdout").good();
    assert!(at("stdout").is_symlink());
    assert!(out.starts_with("id,"), "{out}");
}

/// SIGTERM leaves no more than Ctrl-C.
#[test]
fn a_run_that_is_told_to_end_leaves_nothing() {
    let folder = orders();
    let long = format!("id,customer,total\n{}", "1,a,2\n".repeat(400_000));
    fs::write(folder.path().join("in/orders.csv"), long).expect("it is written");
    let sql = "select count(*) from orders a, orders b, orders c where a.total < b.total + c.id";
    let spill = folder.path().join("spill");
    let mut child = program()
        .current_dir(folder.path())
        .args(["run", "--source", "in", "--sql", sql, "--output", "out.csv", "--spill-dir"])
        .arg(&spill)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let part = format!("out.csv.{}.part", child.id());
    while !folder.path().join(&part).exists() {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it ended too early");
        // The file is the only signal that there is.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let told = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(told.expect("kill starts").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert_eq!(names(folder.path()), ["in", "spill"]);
    assert_eq!(names(&spill), [""; 0]);
}

/// `| head` is no failure worth a word.
#[test]
fn a_reader_that_leaves_is_not_worth_a_word() {
    let folder = orders();
    for command in [
        &["config", "schema"][..],
        &["run", "--source", "in", "--sql", "select a.id from orders a, orders b", "--output", "-"],
        &["catalog", "init", "in"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = program().current_dir(folder.path()).args(command).stdout(writer).output();
        let ended = ended.expect("it starts");
        let words = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), &*words), (Some(141), ""), "{command:?}");
    }
}

#[test]
fn a_named_file_must_be_in_the_manifest() {
    let folder = orders();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let manifest = format!(
        "{{\"artifacts\":[{{\"file_name\":\"a.csv\",\"bytes\":3,\"sha256\":\"{sha256}\",\"rows\":1}}]}}"
    );
    fs::write(folder.path().join("m.json"), manifest).expect("it is written");
    fs::write(folder.path().join("renamed.csv"), "abc").expect("it is written");
    let verify = |more: &[&str]| {
        run_in(folder.path(), &[&["verify", "renamed.csv", "m.json"][..], more].concat())
    };
    verify(&[]).good();
    verify(&["--name", "a.csv"]).good();
    let words = verify(&["--name", "nope.csv"]).ended(1);
    assert!(words.contains("lists a.csv, not nope.csv"), "{words}");
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

/// A table that cannot be read is told of, in one line, and does not disturb the others.
#[test]
fn tables_that_are_left_out_are_told_of() {
    let folder = orders();
    fs::write(folder.path().join("in/bad.parquet"), "SECRET").expect("it is written");
    fs::write(folder.path().join("in/semi.csv"), "id;name\n1;\"a,b\"\n").expect("it is written");
    let run = ["run", "--source", "in", "--output", "-", "--object"];
    let run = |more: &[&str]| run_in(folder.path(), &[&run[..], more].concat());
    let init = || run_in(folder.path(), &["catalog", "init", "in"]);
    for ran in [run(&["orders"]), init()] {
        for table in ["bad.parquet", "semi.csv"] {
            let lines = ran.err.lines().filter(|line| {
                line.starts_with(&format!("warning: {table} is left out: "))
                    && line.contains("a file of its source is damaged")
                    && line.ends_with("or take it away")
            });
            assert_eq!(lines.count(), 1, "{table}: {}", ran.err);
        }
        ran.good();
    }
    assert_eq!(run(&["orders", "--quiet"]).err, "");
    let words = run(&["bad"]).ended(1);
    assert!(!words.contains("warning") && words.contains("object bad.parquet"), "{words}");
    let config = "[[sources]]\nkind = \"files\"\nname = \"main\"\nurl = \"in\"\n\n[[catalog.objects]]\nname = \"Bad\"\nsource = \"main\"\ntable = \"bad\"\nkey = [\"id\"]\ntenant_column = \"org\"\nfields = [{ name = \"id\", type = \"integer\" }]\n";
    fs::write(folder.path().join("outhaul.toml"), config).expect("it is written");
    let checked = run_in(folder.path(), &["catalog", "check"]);
    assert!(checked.out.contains("object Bad: a file of its source is damaged"), "{}", checked.out);
    checked.ended(3);
    fs::remove_file(folder.path().join("in/orders.csv")).expect("it goes");
    let words = init().ended(1);
    assert!(words.contains("in holds no table that can be read"), "{words}");
    for n in 0..30 {
        fs::write(folder.path().join(format!("in/empty{n}.csv")), "").expect("it is written");
    }
    let words = init().ended(1);
    assert_eq!(words.matches("is left out: ").count(), 20, "{words}");
    assert!(words.contains("\nwarning: 12 more tables are left out, too\n"), "{words}");
}

#[test]
fn csv_files_are_separated_as_the_source_option_says() {
    let folder = orders();
    fs::write(folder.path().join("in/semi.csv"), "id;name\n1;\"a,b\"\n").expect("it is written");
    fs::write(folder.path().join("in/tabs.tsv"), "id\tname\n1\ta,b\n").expect("it is written");
    let run = |file: &str, more: &[&str]| {
        let given = format!("in/{file}");
        let sql = format!("select * from {}", &file[..4]);
        let run = ["run", "--source", &given, "--sql", &sql, "--output", "-", "--source-option"];
        run_in(folder.path(), &[&run[..], more].concat())
    };
    for (file, more) in [
        ("semi.csv", &["delimiter=;"][..]),
        ("tabs.tsv", &["format=csv", "--source-option", "delimiter=\t"]),
        ("tabs.tsv", &["format=csv", "--source-option", r#"delimiter="\t""#]),
    ] {
        assert_eq!(run(file, more).good(), "id,name\n1,\"a,b\"\n", "{more:?}");
    }
    let words = run("semi.csv", &[r"delimiter=\t"]).ended(2);
    assert!(words.contains("is no delimiter: write one ASCII character"), "{words}");
}

#[test]
fn mistakes_have_their_own_exit_codes() {
    let folder = orders();
    let run =
        |more: &[&str]| run_in(folder.path(), &[&["run", "--output", "-"][..], more].concat());
    let words = run(&["--source", "in", "--object", "order"]).ended(1);
    assert!(words.contains("did you mean orders?"), "{words}");
    assert!(words.contains("there are orders;") && words.contains("catalog init in"), "{words}");
    let words = run(&["--source", "in", "--object", "orders", "--fields", "sum"]).ended(1);
    assert!(words.contains("there are id, customer, total;"), "{words}");
    let words = run(&["--source", "in", "--sql", "select 1 from nope"]).ended(1);
    assert!(words.contains("there are orders;"), "{words}");
    let words = run(&["--source", "in", "--sql", "drop table orders"]).ended(1);
    assert!(words.contains("SELECT"), "{words}");
    let orders = ["--source", "in", "--object", "orders"];
    let words = run(&[&orders[..], &["--format", "xls"]].concat()).ended(2);
    assert!(words.contains("csv, html, xlsx"), "{words}");
    run(&[&orders[..], &["--option", "colour=1"]].concat()).ended(2);
    run(&[&orders[..], &["--source-option", "colour=1"]].concat()).ended(2);
    run(&[&orders[..], &["--source-option", "decimal_digits=2"]].concat()).good();
    let sql = ["--source", "in", "--sql", "select 1 from orders"];
    for flag in [["--where", "a"], ["--limit", "3"], ["--fields", "a"], ["--order-by", "a"]] {
        run(&[&sql[..], &flag].concat()).ended(2);
    }
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
    assert!(words.contains("catalog.toml: 1 object, "), "{words}");
    let words = run_in(folder.path(), &init).ended(1);
    assert!(words.contains("is there already"), "{words}");
    let nope = ["catalog", "init", "in", "--tenant-column", "tenant"];
    let words = run_in(folder.path(), &nope).ended(2);
    assert!(words.contains("no table has a column tenant"), "{words}");
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
    assert_eq!(check(&sound).good(), "the one object is as the catalog says\n");

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
fn a_port_that_is_taken_names_what_to_change() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("in")).expect("it is made");
    let config = "[[sources]]\nkind = \"files\"\nname = \"main\"\nurl = \"in\"\n";
    fs::write(folder.path().join("outhaul.toml"), config).expect("it is written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let words = run_in(folder.path(), &["serve", "--listen", &address]).ended(1);
    let remedy = "choose another with server.listen (outhaul serve --listen)";
    assert!(words.contains(&format!("cannot listen on {address}; {remedy}")), "{words}");
}

/// An older store is its server's to bring up to date: who only looks leaves it as it is.
#[test]
fn doctor_leaves_an_older_store_alone() {
    let folder = orders();
    let config = "[[sources]]\nkind = \"files\"\nname = \"main\"\nurl = \"in\"\n";
    fs::write(folder.path().join("outhaul.toml"), config).expect("it is written");
    let store = folder.path().join("outhaul.db");
    // The oldest of all: a server that was killed before it made any table.
    fs::write(&store, "").expect("it is written");
    let said = run_in(folder.path(), &["doctor"]).good();
    let line = said.lines().find(|line| line.contains("outhaul.db has form 0, and this version"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(line.starts_with("look ") && line.contains("`outhaul serve` brings it up"), "{line}");
    assert_eq!(fs::metadata(&store).expect("it is there").len(), 0);
    assert_eq!(names(folder.path()), ["in", "outhaul.db", "outhaul.toml"]);
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
