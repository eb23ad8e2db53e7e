//! `outhaul run`: one export straight from a source to a file or standard output, in this process,
//! by the same engine, encoders and packing as in a server.
//!
//! It reads for the owner of the data, so there are no tenants; a server cannot be made to do so.

mod known;
mod sink;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow, bail};
use clap::{ArgGroup, Args};
use futures::StreamExt as _;
use indicatif::ProgressBar;
use outhaul_engine::OwnSource;
use outhaul_engine::sources::SourceConfig;
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::flow::RowStream;
use outhaul_exports::ports::{Engine as _, RunLimits};
use outhaul_exports::query::{Column, Expr, OrderBy, Protection, Query, Select};
use outhaul_exports::spec::FormatChoice;
use outhaul_exports::{Clock as _, SystemClock};
use outhaul_formats::openpgp::PublicKey;
use outhaul_formats::pack::EntryName;
use outhaul_formats::pipeline::check_password;
use outhaul_formats::seal::KEY_BYTES_MAX;
use outhaul_formats::{Entry, Packing, Password, Pipeline, PipelineOptions, Report};
use outhaul_worker::formats::chosen;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::Pack;
use crate::config::size::{Size, human};
use crate::exit::{Code, Exit};
use crate::output::{count, errln, outln};
use crate::{exit, password_file, progress, sources};
use sink::Output;

/// Batches between the engine and the encoders.
const BATCHES_WAITING: usize = 4;
/// What the source is called where one needs a name.
const SOURCE: &str = "given";

/// Its options.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["object", "sql"]),
    after_help = "Tables are named by their file's name without its ending.\n\nExamples:\n  outhaul run --source lineitem.parquet --object lineitem --format csv --pack gzip --output lineitem.csv.gz\n  outhaul run --source data/ --sql 'select \"Currency\", count(*) from \"Invoice\" group by 1' --output -\n  outhaul run --source orders.csv --object orders --fields id,total --where 'total > 100' --format xlsx --output orders.xlsx\n  outhaul run --source orders.csv --object orders --pack gzip --encrypt-to key.asc --output orders.csv.gz.pgp\n  outhaul run --source orders.csv --object orders --format json --pack zip --password-file password.txt --output orders.zip"
)]
pub struct Options {
    /// A folder of files, one file, or the address of an object store or a database.
    #[arg(long, value_name = "URL")]
    source: String,
    /// A key of a source, as in the configuration's [[sources]], such as `format=csv`,
    /// `delimiter=;` or `options.region=eu-west-1`; a value is JSON, or else a text.
    #[arg(long = "source-option", value_name = "KEY=VALUE")]
    source_options: Vec<String>,
    /// The table whose rows are exported.
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// Fields, in order; all when absent.
    #[arg(long, value_delimiter = ',', conflicts_with = "sql")]
    fields: Vec<String>,
    /// Which rows, as an SQL expression.
    #[arg(long = "where", value_name = "TEXT", conflicts_with = "sql")]
    filter: Option<String>,
    /// In which order: fields, each with `-` before it for the greatest first.
    #[arg(long, value_delimiter = ',', conflicts_with = "sql", allow_hyphen_values = true)]
    order_by: Vec<String>,
    /// The most rows.
    #[arg(long, conflicts_with = "sql")]
    limit: Option<u64>,
    /// One SELECT statement over the tables.
    #[arg(long, value_name = "TEXT")]
    sql: Option<String>,
    /// The format: csv, html, xlsx, pdf, json, ndjson, xml, avro, parquet.
    #[arg(long, default_value = "csv")]
    format: String,
    /// An option of the format, such as `delimiter=";"`; a value is JSON, or else a text.
    #[arg(long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// What stands for a missing value.
    #[arg(long, default_value = "")]
    null: String,
    /// How the file is packed.
    #[arg(long, default_value = "none")]
    pack: Pack,
    /// Encrypt the packed file whole to the OpenPGP public key in this file (`gpg --armor --export
    /// KEY`).
    #[arg(long, value_name = "KEYFILE")]
    encrypt_to: Option<PathBuf>,
    /// Encrypt with the password that is the first line of this file: the entries of `--pack zip`
    /// (AES-256), or the file itself where its format can do that.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print how the query would be run, and what the source would be asked for; read no rows.
    #[arg(long)]
    explain: bool,
    /// The file; it appears when it is whole. `-` is standard output; a pipe or a device is written
    /// directly.
    #[arg(
        long,
        short,
        value_name = "FILE",
        required_unless_present = "explain",
        conflicts_with = "explain"
    )]
    output: Option<String>,
    /// Memory of the query's operators; past it they spill to disk.
    #[arg(long, default_value = "128 MiB")]
    memory: Size,
    /// Folder for spill files.
    #[arg(long, value_name = "DIR")]
    spill_dir: Option<PathBuf>,
    /// Threads that work; the machine's processors when absent.
    #[arg(long)]
    threads: Option<usize>,
    /// No progress bar, no last words.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs it.
///
/// # Errors
/// When the source cannot be read, the query is wrong, or the output cannot be written.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // What was begun is put away when the work is dropped.
    tokio::select! {
        done = work(&options) => done,
        asked = exit::asked_to_end() => Err(asked.into()),
    }
}

async fn work(options: &Options) -> anyhow::Result<()> {
    // Absent only where a plan is asked for.
    let output = options.output.as_deref().map(Output::open).transpose()?;
    let mut pipeline = pipeline_options(options)?;
    let spill = Spill::new(options.spill_dir.as_deref())?;
    pipeline.options.spill_dir = Some(spill.0.clone());
    let limits = RunLimits {
        memory_bytes: options.memory.0,
        spill_bytes: u64::MAX,
        spill_dir: spill.0.clone(),
        threads: pipeline.threads,
    };
    let config = source(options)?;
    let own = OwnSource::open(&config)
        .await
        .with_context(|| format!("cannot read {}", options.source))?;
    let known =
        |error| known::with_names(error, &own.catalog, options.object.as_deref(), &options.source);
    let query = query(options, &own.catalog).map_err(known)?;
    let Some(output) = output else {
        let plan = own.engine.explain(&own.scope, &limits, &query).await;
        outln!("{}", plan.map_err(anyhow::Error::from).map_err(known)?.trim_end());
        return Ok(());
    };
    let moment = own.engine.begin(&own.scope, &limits).await?;
    let rows = moment.open(&query).await.map_err(anyhow::Error::from).map_err(known)?;
    if !options.quiet {
        // Whoever names one of them was just told why it cannot be read.
        sources::warn(own.left_out);
    }

    let bar = match options.quiet {
        true => ProgressBar::hidden(),
        false => progress::rows(rows.estimated_rows),
    };
    let entry = Entry {
        name: entry_name(options, pipeline.format.extension()),
        schema: rows.schema.clone(),
        sealing: None,
    };
    let stop = Stop(pipeline.cancel.clone());
    let done = export(rows, pipeline, entry, &output, &bar).await;
    drop(stop);
    bar.finish_and_clear();
    let report = done?;
    output.finish()?;
    if !options.quiet {
        say(&report, bar.elapsed());
    }
    Ok(())
}

/// Ends the encoders when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The source that the command line describes.
fn source(options: &Options) -> anyhow::Result<SourceConfig> {
    let mut more = serde_json::Map::new();
    for option in &options.source_options {
        let (key, value) = pair("--source-option", option)?;
        match key.split_once('.') {
            Some(("options", key)) => {
                // The settings of object stores are texts.
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                more.entry("options").or_insert_with(|| json!({}))[key] = json!(value);
            }
            _ => {
                more.insert(key.to_owned(), value);
            }
        }
    }
    sources::at_with(SOURCE, &options.source, more)
        .map_err(|error| Exit::new(Code::Usage, format!("--source-option: {error}")).into())
}

/// `KEY=VALUE`, with a value that is JSON, or else a text.
fn pair<'a>(option: &str, text: &'a str) -> anyhow::Result<(&'a str, Value)> {
    let wrong = || Exit::new(Code::Usage, format!("{option} {text}: write KEY=VALUE"));
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((key, serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

/// Reads, encodes and writes at the same time.
async fn export(
    mut rows: RowStream,
    pipeline: PipelineOptions,
    entry: Entry,
    output: &Output,
    bar: &ProgressBar,
) -> anyhow::Result<Report> {
    let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING);
    let sink = output.sink().await?;
    let mut pipeline = Pipeline::new(pipeline, sink)?;
    let progress = pipeline.progress();
    let encoding = tokio::task::spawn_blocking(move || {
        pipeline.begin(entry)?;
        while let Some(batch) = receiver.blocking_recv() {
            match batch {
                Some(batch) => pipeline.push(batch)?,
                None => return pipeline.finish(),
            }
        }
        // The reader failed, and says why itself.
        Err(outhaul_formats::Error::Cancelled)
    });
    let mut read = 0;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        read += batch.num_rows() as u64;
        bar.set_position(read);
        bar.set_message(human(progress.bytes()));
        if sender.send(Some(batch)).await.is_err() {
            break;
        }
    }
    // When the encoder is gone already, its own error says why.
    sender.send(None).await.ok();
    let report = encoding.await.context("encoding broke down")??;
    if report.rows != read {
        bail!("{read} rows were read and {} encoded; nothing was written", report.rows);
    }
    Ok(report)
}

fn say(report: &Report, took: std::time::Duration) {
    for entry in &report.entries {
        for warning in &entry.warnings {
            let column = match warning.column.as_str() {
                "" => String::new(),
                column => format!("column {column}: "),
            };
            let sentence = warning.kind.sentence();
            let times = count(warning.count, "time", "times");
            errln!("warning: {column}{sentence} ({times})");
        }
    }
    let seconds = took.as_secs_f64();
    errln!(
        "{}, {} in {seconds:.1} s ({:.0} rows a second)",
        count(report.rows, "row", "rows"),
        human(report.bytes_written),
        report.rows as f64 / seconds.max(0.001),
    );
}

fn pipeline_options(options: &Options) -> anyhow::Result<PipelineOptions> {
    let mut choice = FormatChoice::plain(options.format.clone());
    choice.values.null.clone_from(&options.null);
    for option in &options.options {
        let (key, value) = pair("--option", option)?;
        choice.options.insert(key.to_owned(), value);
    }
    let (format, format_options) = chosen(&choice).map_err(exit::usage)?;
    let default = PipelineOptions::new(format);
    let packing = match options.pack {
        Pack::None => Packing::None,
        Pack::Gzip => Packing::Gzip,
        Pack::Zip => Packing::Zip,
    };
    let password = options.password_file.as_deref().map(password).transpose()?;
    if password.is_some() {
        check_password(format, packing).map_err(|error| {
            Exit::new(Code::Usage, format!("--password-file: {error}; see --pack"))
        })?;
    }
    Ok(PipelineOptions {
        options: format_options,
        packing,
        password,
        encryption: options.encrypt_to.as_deref().map(encryption_key).transpose()?,
        threads: options.threads.unwrap_or(default.threads).max(1),
        cancel: Arc::new(AtomicBool::new(false)),
        ..default
    })
}

/// The password of a file.
fn password(file: &Path) -> anyhow::Result<Password> {
    let checked = password_file::read(file)?;
    Ok(Password::new(checked.reveal().unwrap_or_default())?)
}

/// The key of a file.
fn encryption_key(file: &Path) -> anyhow::Result<PublicKey> {
    let mut text = Vec::new();
    // One byte more than a key may have, by which it is seen to be too long.
    let most = KEY_BYTES_MAX as u64 + 1;
    let read = File::open(file).and_then(|opened| opened.take(most).read_to_end(&mut text));
    read.with_context(|| format!("cannot read {}", file.display()))?;
    let key = PublicKey::parse(&String::from_utf8_lossy(&text), SystemClock.now());
    key.map_err(|error| {
        Exit::new(Code::Usage, format!("--encrypt-to {}: {error}", file.display())).into()
    })
}

fn query(options: &Options, catalog: &Catalog) -> anyhow::Result<Query> {
    if let Some(sql) = &options.sql {
        return Ok(Query::Sql { text: sql.clone() });
    }
    let name = options.object.as_deref().ok_or_else(|| anyhow!("say --object or --sql"))?;
    let object = catalog.require(name)?;
    let names: Vec<&str> = match options.fields.is_empty() {
        true => object.fields.iter().map(|field| field.name.as_str()).collect(),
        false => options.fields.iter().map(|field| field.trim()).collect(),
    };
    let mut select = Select::of(object.name.clone());
    for name in names {
        let field = object.require_field(name)?;
        select.columns.push(Column {
            label: field.name.clone(),
            expr: Expr::own(field.name.clone()),
            protection: Protection::Plain,
        });
    }
    for key in &options.order_by {
        let (name, descending) = match key.strip_prefix('-') {
            Some(name) => (name, true),
            None => (key.as_str(), false),
        };
        let field = object.require_field(name)?;
        if matches!(field.field_type, FieldType::Json | FieldType::Binary) {
            bail!("{name} cannot be ordered by");
        }
        select.order_by.push(OrderBy { expr: Expr::own(field.name.clone()), descending });
    }
    select.where_sql.clone_from(&options.filter);
    select.limit = options.limit;
    Ok(Query::Select(Box::new(select)))
}

/// The file's name inside an archive: made of the output's without its endings, by the rule that
/// makes names of labels.
fn entry_name(options: &Options, extension: &str) -> EntryName {
    let file = options.output.as_deref().filter(|output| *output != "-").map(Path::new);
    let named = file.and_then(Path::file_name).map(|name| name.to_string_lossy());
    let stem = named.as_deref().map_or("export", |name| name.split('.').next().unwrap_or(name));
    EntryName::from_label(stem, extension)
}

/// A folder for spill files, for this run alone. It goes when this is dropped.
pub struct Spill(pub PathBuf);

impl Spill {
    /// A new folder below `folder`, or below the system's own for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: Option<&Path>) -> anyhow::Result<Self> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let own = folder.join(format!("outhaul-run-{}", outhaul_exports::id::secret(8)));
        std::fs::create_dir_all(&own)
            .with_context(|| format!("cannot make the folder {}", own.display()))?;
        Ok(Self(own))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
