//! `outhaul catalog`: write one from a source's own schema, show it, check it against the sources.

mod compare;
mod unlisted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;
pub use compare::compare;
use outhaul_engine::sources::{Discovered, DiscoveredTable, survey};
use outhaul_exports::catalog::{Catalog, Object, hint};
use outhaul_exports::{Clock as _, SystemClock};

use crate::catalog_file::{guess, render};
use crate::cli::{ConfigFile, Output};
use crate::config::check::load_checked;
use crate::exit::{Code, Exit};
use crate::output::{count, outln};
use crate::sources;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a catalog by reading a source's own schema. What is guessed is marked `# review`.
    #[command(
        after_help = "A database's password is taken from PGPASSWORD, MYSQL_PWD.\n\nExamples:\n  outhaul catalog init data/ --output catalog.toml\n  outhaul catalog init postgres://reader@db.example/billing --output catalog.toml\n  outhaul catalog init s3://bucket/billing/ --name billing --tenant-column org_id"
    )]
    Init {
        /// A folder of files, one file, or the address of an object store or a database.
        source: String,
        /// The name by which the catalog refers to the source.
        #[arg(long, default_value = "main")]
        name: String,
        /// The column that says whose a row is, in every table.
        #[arg(long)]
        tenant_column: Option<String>,
        /// Where to write; standard output when absent.
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// Replace the file if it is there.
        #[arg(long)]
        force: bool,
    },
    /// Show the objects, or the fields and relations of one.
    Show {
        /// One object.
        object: Option<String>,
        /// Which configuration.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compare the catalog with what the sources really hold.
    Check {
        /// Which configuration.
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// Runs it.
///
/// # Errors
/// When a source cannot be read, or the catalog is wrong.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init { source, name, tenant_column, output, force } => {
            init(&source, &name, tenant_column.as_deref(), output.as_deref(), force).await
        }
        Command::Show { object, file, output } => {
            let (_, checked) = load_checked(&file.config, SystemClock.now())?;
            show(&checked.catalog, object.as_deref(), output)
        }
        Command::Check { file } => {
            let (loaded, checked) = load_checked(&file.config, SystemClock.now())?;
            let sources = sources::of(&loaded);
            let problems = compare(&checked, &sources).await?;
            for note in unlisted::unlisted(&checked.catalog, &sources).await {
                outln!("note: {note}");
            }
            if problems.is_empty() {
                match checked.catalog.objects().count() {
                    1 => outln!("the one object is as the catalog says"),
                    count => outln!("all {count} objects are as the catalog says"),
                }
                return Ok(());
            }
            for problem in &problems {
                outln!("{problem}");
            }
            let text = count(problems.len(), "mistake", "mistakes") + " in the catalog";
            Err(Exit::new(Code::Config, text).into())
        }
    }
}

async fn init(
    source: &str,
    name: &str,
    tenant_column: Option<&str>,
    output: Option<&Path>,
    force: bool,
) -> anyhow::Result<()> {
    let config = sources::at(name, source)?;
    let unread = || format!("cannot read {source}");
    let Discovered { tables, left_out } = survey(&config).await.with_context(unread)?;
    let holds_some = !left_out.is_empty();
    sources::warn(left_out);
    match (tables.is_empty(), holds_some) {
        (true, true) => bail!("{source} holds no table that can be read"),
        (true, false) => bail!("{source} holds no {}", config.contents()),
        (false, _) => {}
    }
    if let Some(column) = tenant_column {
        known(column, &tables)?;
    }
    let drafts = guess(name, &tables, tenant_column);
    let text = render(&drafts);
    let Some(path) = output else {
        outln!("{}", text.trim_end());
        return Ok(());
    };
    if path.exists() && !force {
        bail!("{} is there already: give another --output, or --force", path.display());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let reviews: usize = drafts.iter().map(|draft| draft.reviews.len()).sum();
    outln!(
        "{}: {}, {} to review",
        path.display(),
        count(drafts.len(), "object", "objects"),
        count(reviews, "line", "lines")
    );
    outln!(
        "name it in outhaul.toml:\n\n[[sources]]\nkind = \"{}\"\nname = \"{name}\"\nurl = \"{source}\"\n\n[catalog]\nfile = \"{}\"",
        config.kind(),
        path.display()
    );
    Ok(())
}

/// Refuses a tenant column that no table has; those that lack it get a mark in the catalog.
fn known(column: &str, tables: &[DiscoveredTable]) -> anyhow::Result<()> {
    let columns = tables.iter().flat_map(|table| &table.columns);
    let all: BTreeSet<&str> = columns.map(|column| column.name.as_str()).collect();
    if all.contains(column) {
        return Ok(());
    }
    let hint = hint(column, all.into_iter());
    let text = format!("no table has a column {column}{hint}: give another --tenant-column");
    Err(Exit::new(Code::Usage, text).into())
}

fn show(catalog: &Catalog, object: Option<&str>, output: Output) -> anyhow::Result<()> {
    if let Some(name) = object {
        let object = catalog.require(name)?;
        if output.json {
            outln!("{:#}", described(object));
        } else {
            print_object(object);
        }
        return Ok(());
    }
    if output.json {
        let list: Vec<_> = catalog.objects().map(|object| described(object)).collect();
        outln!("{:#}", serde_json::Value::Array(list));
        return Ok(());
    }
    outln!("{:<28} {:>6} {:>9}  TABLE", "OBJECT", "FIELDS", "RELATIONS");
    for object in catalog.objects() {
        outln!(
            "{:<28} {:>6} {:>9}  {}:{}",
            object.name,
            object.fields.len(),
            object.relations.len(),
            object.table.source,
            object.table.table
        );
    }
    Ok(())
}

fn print_object(object: &Object) {
    outln!("{} ({}), key {}", object.name, object.label, object.key.join(", "));
    outln!(
        "  rows from {}:{}, tenant column {}",
        object.table.source,
        object.table.table,
        object.tenant_column
    );
    for field in &object.fields {
        let notes = [
            (!field.nullable, "never missing"),
            (field.optional, "only when named"),
            (field.sensitive, "sensitive"),
            (field.currency_field.is_some(), "money"),
        ];
        let notes: Vec<_> = notes.iter().filter(|(on, _)| *on).map(|(_, note)| *note).collect();
        let kind = format!("{:?}", field.field_type).to_lowercase();
        outln!("  {:<32} {kind:<10} {}", field.name, notes.join(", "));
    }
    for relation in &object.relations {
        outln!("  {:<32} -> {}", relation.name, relation.target);
    }
}

fn described(object: &Object) -> serde_json::Value {
    let fields: Vec<_> = object
        .fields
        .iter()
        .map(|field| {
            serde_json::json!({
                "name": field.name, "label": field.label, "type": field.field_type,
                "nullable": field.nullable, "optional": field.optional,
                "sensitive": field.sensitive, "currency_field": field.currency_field,
                "values": field.values,
            })
        })
        .collect();
    let relations: Vec<_> = object
        .relations
        .iter()
        .map(|relation| {
            serde_json::json!({
                "name": relation.name, "target": relation.target,
                "cardinality": relation.cardinality,
            })
        })
        .collect();
    serde_json::json!({
        "name": object.name, "plural": object.plural, "label": object.label, "key": object.key,
        "source": object.table.source, "table": object.table.table, "fields": fields,
        "relations": relations,
    })
}
