//! zacc, the command line client for AQuA, as its users call it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context;
use outhaul_e2e::python::zacc;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use outhaul_e2e::{Source, on_every_source};
use serde_json::json;

use super::changes::{Change, apply};

on_every_source!(zacc_describes_and_queries);

const CONTACTS: &str = "select Id, LastName, City, Account.Name from Contact";
const PRODUCTS: &str = "select Id, Name, SKU from Product";
const INVOICES: &str =
    "select InvoiceNumber, Amount, Account.AccountNumber from Invoice where Amount > 100";

async fn zacc_describes_and_queries(source: Source) -> anyhow::Result<()> {
    let Some(program) = zacc() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(2_000).on(source)).await?;
    let client = Zuora::sign_in(&server, "acme").await?;
    let zacc = Zacc::of(program, folder.path(), &server)?;

    let described = zacc.said(&["describe", "Contact"])?;
    let told: BTreeSet<&str> = described.lines().map(str::trim).collect();
    for line in ["Contact", "LastName - Last Name", "Account<Account> - Account"] {
        assert!(told.contains(line), "no {line:?} in {described}");
    }

    // The same rows as by the Export API, value for value.
    let by_export = async |query: &str| {
        Ok::<_, anyhow::Error>(String::from_utf8(client.export(query, "csv", false).await?)?)
    };
    let (contacts, products, invoices) =
        (by_export(CONTACTS).await?, by_export(PRODUCTS).await?, by_export(INVOICES).await?);
    assert_eq!(lines(&zacc.query(&[CONTACTS])?), lines(&contacts));
    assert!(lines(&contacts).len() > 20 && lines(&invoices).len() > 20);

    let queries = folder.path().join("queries.zoql");
    std::fs::write(&queries, [CONTACTS, PRODUCTS, INVOICES].join("\n\n"))?;
    let several = zacc.query(&[&queries.display().to_string()])?;
    let joined = [contacts.as_str(), &products, &invoices].join("\n");
    assert_eq!(lines(&several), lines(&joined));
    // In the order of the queries: each heading stands before its rows.
    let headings = several.lines().filter(|line| joined_headings(&joined).contains(line));
    assert!(headings.eq(joined_headings(&joined)), "{several}");

    let stateful = ["--partner", "salesforce", "--project", "nightly"];
    let full = zacc.stateful(&stateful, CONTACTS)?;
    assert_eq!(lines(&full), lines(&contacts));
    let heading = full.lines().next().unwrap_or_default();
    let nothing = zacc.stateful(&stateful, CONTACTS)?;
    assert_eq!(nothing.trim_end(), heading, "everything was taken");
    let row = contacts.lines().nth(1).and_then(|line| line.split(',').next());
    let row = row.context("no contacts")?;
    let set = json!({"LastName": "Nightly", "UpdatedDate": "now"});
    apply(&mut server, "Contact", &[Change::of(row, set)])?;
    let changed = zacc.stateful(&stateful, CONTACTS)?;
    let rows: Vec<_> = changed.lines().skip(1).collect();
    assert!(rows.len() == 1 && rows[0].starts_with(&format!("{row},Nightly,")), "{changed}");

    let wrong = zacc.run(&["query", "select Nothing from Contact"])?;
    let told = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(
        !wrong.status.success() && told.contains("90005") && told.contains("Nothing"),
        "{told}"
    );
    println!(
        "zacc: {} contacts, {} lines of three queries, then {} changed",
        lines(&contacts).len() - 1,
        lines(&several).len(),
        rows.len()
    );
    Ok(())
}

/// The lines, in any order, without empty ones.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines
}

/// Headings of files that are joined by empty lines.
fn joined_headings(text: &str) -> Vec<&str> {
    text.split("\n\n").filter_map(|file| file.lines().next()).collect()
}

/// The program with its configuration.
struct Zacc {
    program: PathBuf,
    config: PathBuf,
    output: PathBuf,
    base_url: String,
}

impl Zacc {
    fn of(program: PathBuf, folder: &Path, server: &Server) -> anyhow::Result<Self> {
        let secret = |name: &str| server.secret(&format!("tenants.acme.zuora.{name}"));
        let config = folder.join("zacc.ini");
        let (id, key) = (secret("client_id"), secret("client_secret"));
        let text = format!(
            "[zacc]\ndefault_environment = acme\n\n[acme]\nclient_id = {id}\nclient_secret = {key}\n"
        );
        std::fs::write(&config, text)?;
        let output = folder.join("zacc.csv");
        Ok(Self { program, config, output, base_url: server.base_url.clone() })
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/zuora_hosts");
        let mut command = Command::new(&self.program);
        // It polls once a second, and for ever unless it is told how often.
        command.env("PYTHONPATH", hosts).env("ZUORA_BASE", &self.base_url);
        command.arg("-c").arg(&self.config).args(["-m", "30"]).args(arguments);
        command.output().context("zacc cannot be started")
    }

    fn said(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "zacc {arguments:?}: {told}{err}");
        Ok(told)
    }

    /// Runs a query, or the queries of a file, and answers what it wrote.
    fn query(&self, query: &[&str]) -> anyhow::Result<String> {
        let output = self.output.display().to_string();
        self.said(&[&["query"], query, &["--output", &output]].concat())?;
        Ok(std::fs::read_to_string(&self.output)?)
    }

    fn stateful(&self, session: &[&str], query: &str) -> anyhow::Result<String> {
        let output = self.output.display().to_string();
        self.said(&[session, &["query", query, "--output", &output]].concat())?;
        Ok(std::fs::read_to_string(&self.output)?)
    }
}
