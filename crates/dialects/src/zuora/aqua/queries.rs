//! The queries of a job: from their texts to the neutral queries of an export.
//!
//! Both languages are checked when the job is submitted, so that a wrong query is an answer and not
//! a job that fails. What a job adds to its queries is done here as well: headings, converted
//! amounts, and the column that tells deleted rows. (Zuora documentation, "Submit an aggregate query
//! job", "Extract deleted data".)

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::principal::Tenant;
use outhaul_exports::query::{Column, DeletedRows, Expr, Path, Protection, Select};

use super::error::{Code, JobError};
use super::request::{Batch, Deleted, DeletedFormat, Job, Language};
use crate::zuora::money::{RateTable, convert};
use crate::zuora::zoql::export::{self, Zones};
use crate::zuora::zoql::{ZoqlError, ZoqlErrorKind, plain};

/// Characters of a query that the text of an error repeats.
const SHOWN_CHARS_MAX: usize = 500;

/// What queries are understood against.
pub struct Context<'a> {
    /// What may be exported.
    pub catalog: &'a Catalog,
    /// Whose request it is.
    pub tenant: &'a Tenant,
    /// The present moment, from which relative dates are counted.
    pub now: DateTime<Utc>,
    /// Rates of exchange.
    pub rates: Option<&'a RateTable>,
    /// Whether the text of 90005 goes on with the reason.
    pub error_detail: bool,
    /// Whether objects that do not tell of deleted rows may be asked for them.
    pub deleted_on_every_object: bool,
}

/// The neutral form of every query of a job.
///
/// # Errors
/// What is wrong with the first one that is wrong, by its code.
pub fn compiled(job: &Job, stateful: bool, context: &Context<'_>) -> Result<Vec<Select>, JobError> {
    job.batches.iter().map(|batch| one(job, batch, stateful, context)).collect()
}

fn one(
    job: &Job,
    batch: &Batch,
    stateful: bool,
    context: &Context<'_>,
) -> Result<Select, JobError> {
    let refused = |error: ZoqlError| refuse(context, batch, &error);
    let strict = batch.is_strict();
    let literals = if strict { context.tenant.zone } else { Tz::America__Los_Angeles };
    let zones = Zones { literals, calendar: context.tenant.zone };
    let mut select = match batch.language {
        Language::Zoql => plain::compile(&batch.query, context.catalog, context.now, zones, strict),
        Language::ZoqlExport => export::compile(&batch.query, context.catalog, context.now, zones),
    }
    .map_err(refused)?;
    let object = context.catalog.require(&select.object);
    let object = object.map_err(|error| JobError::of(Code::Query, error.public()))?;
    if !job.use_query_labels {
        for column in &mut select.columns {
            label(column, object, context.catalog);
        }
    }
    // After the headings, which those of converted amounts are made of.
    if let Some(list) = &batch.convert_to_currencies {
        converted(&mut select, list, context)?;
    }
    if let Some(deleted) = &batch.deleted {
        with_deleted(&mut select, deleted, object, (stateful, job.use_query_labels), context)?;
    }
    Ok(select)
}

/// The answer to a query that is wrong.
fn refuse(context: &Context<'_>, batch: &Batch, error: &ZoqlError) -> JobError {
    let code = match error.kind {
        ZoqlErrorKind::DistinctWithoutCount => Code::Distinct,
        _ => Code::Query,
    };
    if !context.error_detail {
        return JobError::plain(code);
    }
    let query: String = batch.query.chars().take(SHOWN_CHARS_MAX).collect();
    JobError::of(code, format!("Error = {error}, Query = {query}"))
}

fn converted(select: &mut Select, list: &str, context: &Context<'_>) -> Result<(), JobError> {
    // The code's own text names the field, as the Object Export API does before each reason.
    let refused = |why: String| {
        let why = why.strip_prefix("ConvertToCurrencies: ").unwrap_or(&why);
        JobError::of(Code::Currency, why)
    };
    let Some(rates) = context.rates else {
        let why =
            "currency conversion is not enabled, because this server has no rates of exchange";
        return Err(refused(why.into()));
    };
    let codes = rates.codes(list).map_err(|refusal| refused(refusal.message))?;
    convert(select, context.catalog, rates, &codes).map_err(|refusal| refused(refusal.message))
}

/// Heads a field's column by labels, `Account: Account Number`; an alias and a function stay.
fn label(column: &mut Column, base: &Object, catalog: &Catalog) {
    let Expr::Field(path) = &column.expr else { return };
    let Some((object, field)) = labels(path, base, catalog) else { return };
    let api_name = match path.relations.last() {
        Some(relation) => format!("{relation}.{}", path.field),
        None => format!("{}.{}", base.name, path.field),
    };
    if column.label == api_name {
        column.label = format!("{object}: {field}");
    } else if let [relation] = path.relations.as_slice()
        && column.label == format!("{}.{relation}{}", base.name, path.field)
    {
        // A foreign key, such as AccountId of an invoice.
        column.label = format!("{}: {object} {field}", base.label);
    }
}

/// The label of what a field belongs to (its object, or the relation that leads to it), and its own.
fn labels<'a>(path: &Path, base: &'a Object, catalog: &'a Catalog) -> Option<(&'a str, &'a str)> {
    let (mut object, mut label) = (base, base.label.as_str());
    for name in &path.relations {
        let relation = object.relation(name)?;
        label = relation.label.as_str();
        object = catalog.object(&relation.target)?;
    }
    Some((label, object.field(&path.field)?.label.as_str()))
}

/// Puts the column that tells deleted rows before the others, and has them come: in a session with
/// what changed, else only by force.
fn with_deleted(
    select: &mut Select,
    deleted: &Deleted,
    object: &Object,
    (stateful, use_query_labels): (bool, bool),
    context: &Context<'_>,
) -> Result<(), JobError> {
    if !stateful && !deleted.force_export {
        return Err(JobError::plain(Code::DeletedStateless));
    }
    let tells = object.deleted_column.is_some() || object.tombstones.is_some();
    if !tells && !context.deleted_on_every_object {
        return Err(JobError::plain(Code::DeletedNotAllowed));
    }
    if select.is_aggregate() || select.having.is_some() {
        let why = "groups are made of many rows, which are not deleted one by one: remove the \
                   Deleted section";
        return Err(JobError::of(Code::Query, why));
    }
    select.deleted = match deleted.force_export {
        true => DeletedRows::Include,
        false => DeletedRows::InIncrements,
    };
    let label = match use_query_labels {
        true => format!("{}.{}", object.name, deleted.column),
        false => format!("{}: {}", object.label, deleted.column),
    };
    let expr = match deleted.format {
        DeletedFormat::Boolean => Expr::IsDeleted,
        DeletedFormat::Numeric => Expr::AsNumber(Box::new(Expr::IsDeleted)),
    };
    select.columns.insert(0, Column { label, expr, protection: Protection::Plain });
    Ok(())
}
