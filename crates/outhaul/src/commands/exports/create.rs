//! `outhaul exports create`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgGroup, Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::{pull, watch};
use crate::cli::{Output, Pack};
use crate::client::{Client, completed, text};
use crate::exit::{Code, Exit};
use crate::output::{errln, outln};
use crate::password_file;

/// Its options.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["object", "sql", "request"]),
    after_help = "Examples:\n  outhaul exports create --object Invoice --fields Id,Amount,Account.Name --where \"Balance > 0\" --format csv\n  outhaul exports create --sql 'select \"Status\", count(*) from \"Invoice\" group by 1' --format xlsx --output status.xlsx\n  outhaul exports create --object InvoiceItem --format csv --pack gzip --wait --output items.csv.gz\n  outhaul exports create --request request.json"
)]
pub struct Options {
    /// The object whose rows are exported.
    #[arg(long)]
    object: Option<String>,
    /// Fields, in order; `Account.Name` follows a relation. All that are not optional when absent.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["sql", "request"])]
    fields: Vec<String>,
    /// Which rows, as an SQL expression over the object's own fields.
    #[arg(long = "where", conflicts_with_all = ["sql", "request"])]
    filter: Option<String>,
    /// In which order: fields, each with `-` before it for the greatest first.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["sql", "request"], allow_hyphen_values = true)]
    order_by: Vec<String>,
    /// The most rows.
    #[arg(long, conflicts_with_all = ["sql", "request"])]
    limit: Option<u64>,
    /// What becomes of rows that are marked as deleted: exclude, include, only, or mark: they come
    /// too, and a last column says which they are.
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["sql", "request"])]
    deleted: Option<String>,
    /// A SELECT statement over the catalog's objects; several make several files.
    #[arg(long)]
    sql: Vec<String>,
    /// The session that it is in: it has what changed since the session's last acknowledged export.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sql", "request"])]
    session: Option<String>,
    /// The earlier export of the session that is repeated from where it began.
    #[arg(long, value_name = "EXPORT", requires = "session")]
    replay: Option<String>,
    /// A file with the whole request as JSON, as POST /api/v1/exports takes it (`-`: standard
    /// input).
    #[arg(long, value_name = "FILE")]
    request: Option<String>,
    /// The format: csv, html, xlsx, pdf, json, ndjson, xml, avro, parquet.
    #[arg(long, default_value = "csv", conflicts_with = "request")]
    format: String,
    /// How files are packed.
    #[arg(long, default_value = "none", conflicts_with = "request")]
    pack: Pack,
    /// Encrypt sensitive values to the tenant's public key instead of masking them.
    #[arg(long, conflicts_with = "request")]
    encrypted: bool,
    /// Encrypt each file whole, after packing, to the tenant's OpenPGP key.
    #[arg(long, value_name = "HOW", default_value = "none", conflicts_with = "request")]
    file_encryption: FileEncryption,
    /// Encrypt the files with the password that is the first line of this file: the entries of
    /// `--pack zip` (AES-256), or the files themselves where their format can do that.
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    password_file: Option<PathBuf>,
    /// A name for it.
    #[arg(long, conflicts_with = "request")]
    label: Option<String>,
    /// A longer text about it.
    #[arg(long, conflicts_with = "request")]
    description: Option<String>,
    /// The same key makes a repeated request answer the first one's export.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for its end.
    #[arg(long)]
    wait: bool,
    /// Wait, and download: to this file, or into this folder (one that is there, that ends with `/`,
    /// or for several queries); `-` is standard output.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    print: Output,
}

/// How whole files are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileEncryption {
    /// Not at all.
    None,
    /// One OpenPGP message each; their names end in `.pgp`.
    Openpgp,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses, or the export fails.
pub async fn run(client: &Client, options: Options) -> anyhow::Result<()> {
    pull::one_result(options.output.as_deref(), options.print)?;
    let to_stdout = options.output.as_deref() == Some(Path::new("-"));
    if to_stdout && options.sql.len() > 1 {
        let text =
            "several queries make several files, and standard output takes one: give a folder";
        return Err(Exit::new(Code::Usage, text).into());
    }
    let mut request = client.request(Method::POST, "/exports").json(&body(&options)?);
    if let Some(key) = &options.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let export = client.json(request).await?;
    let id = text(&export, "id")?.to_owned();
    if !options.wait && options.output.is_none() {
        match options.print.json {
            true => outln!("{export:#}"),
            false => outln!("{id}"),
        }
        return Ok(());
    }
    if !options.print.json {
        errln!("export {id}");
    }
    let ended = watch(client, &id).await?;
    match (options.print.json, to_stdout) {
        (true, _) => outln!("{ended:#}"),
        (false, false) => super::print_ended(&ended),
        // Standard output is for the file alone.
        (false, true) => {}
    }
    let ended = completed(ended)?;
    match &options.output {
        Some(output) => pull::fetch(client, &ended, Some(output), None, options.print).await,
        None => Ok(()),
    }
}

fn body(options: &Options) -> anyhow::Result<Value> {
    if let Some(file) = &options.request {
        let text = match file.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()),
            file => std::fs::read_to_string(file),
        };
        let text = text.with_context(|| format!("cannot read {file}"))?;
        return serde_json::from_str(&text).map_err(|error| {
            Exit::new(Code::Usage, format!("{file} is not JSON: {error}")).into()
        });
    }
    let mut body = json!({
        "queries": queries(options),
        "format": options.format,
        "packing": options.pack.name(),
    });
    let texts = [("label", &options.label), ("description", &options.description)];
    for (key, value) in texts {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    if let Some(name) = &options.session {
        body["session"] = json!({ "name": name, "replay": options.replay });
    }
    if options.encrypted {
        body["encrypted"] = json!(true);
    }
    if options.file_encryption == FileEncryption::Openpgp {
        body["file_encryption"] = json!("openpgp");
    }
    if let Some(file) = &options.password_file {
        body["password"] = json!(password_file::read(file)?.reveal());
    }
    Ok(body)
}

fn queries(options: &Options) -> Vec<Value> {
    let Some(object) = &options.object else {
        return options.sql.iter().map(|sql| json!({ "sql": sql })).collect();
    };
    let mut query = json!({ "object": object });
    if !options.fields.is_empty() {
        query["fields"] = json!(options.fields);
    }
    if let Some(filter) = &options.filter {
        query["where"] = json!(filter);
    }
    if !options.order_by.is_empty() {
        let keys = options.order_by.iter().map(|key| match key.strip_prefix('-') {
            Some(field) => json!({ "field": field, "descending": true }),
            None => json!({ "field": key }),
        });
        query["order_by"] = keys.collect();
    }
    if let Some(deleted) = &options.deleted {
        query["deleted"] = json!(deleted);
    }
    if let Some(limit) = options.limit {
        query["limit"] = json!(limit);
    }
    vec![query]
}
