//! From what DataFusion and the sources say to what a customer may read.
//!
//! Texts of the query engine may hold cells of data, paths and plans, so none of them is passed on
//! once rows are read: a running query fails with one of a fixed list of sentences. Before that,
//! while a query is planned, there are no cells yet, and the planner's own words about the
//! customer's own names are passed on, cut to one line.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use outhaul_exports::catalog::hint;
use outhaul_exports::{Error, ErrorKind};

/// What goes wrong below or beside DataFusion, and travels through it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The files of an object could not be read.
    #[error("reading object {object}")]
    Source {
        object: String,
        #[source]
        cause: Box<DataFusionError>,
    },
    /// A value cannot be what the catalog says it is. Never says which value.
    #[error("object {object}: a value of field {field} is not a {wanted}")]
    Value { object: String, field: String, wanted: &'static str },
    /// A result that its type cannot hold.
    #[error("the result of {operation} is too large for its type")]
    Overflow { operation: &'static str },
    /// A finished sentence about the query.
    #[error("{0}")]
    Said(Error),
}

impl Fault {
    /// As DataFusion carries it.
    pub(crate) fn carried(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

/// An error of ours on its way through DataFusion.
pub(crate) fn said(error: Error) -> DataFusionError {
    Fault::Said(error).carried()
}

/// What a pinned store says when a file is no longer what it was.
#[derive(Debug, thiserror::Error)]
#[error("the file changed")]
pub(crate) struct Changed;

/// What became of a query while it was planned.
pub(crate) fn planning(error: DataFusionError) -> Error {
    map(error, true)
}

/// What became of a query while it ran.
pub(crate) fn running(error: DataFusionError) -> Error {
    map(error, false)
}

fn map(error: DataFusionError, planning: bool) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            map(*inner, planning)
        }
        DataFusionError::Collection(list) if !list.is_empty() => {
            // Cannot fail because the list was just found not to be empty.
            list.into_iter().next().map_or_else(generic, |first| map(first, planning))
        }
        DataFusionError::External(cause) => external(cause, planning),
        DataFusionError::ArrowError(cause, _) => match *cause {
            ArrowError::ExternalError(cause) => external(cause, planning),
            cause => arrow(cause),
        },
        DataFusionError::ResourcesExhausted(text) => exhausted(&text),
        DataFusionError::SchemaError(cause, _) if planning => schema(*cause),
        DataFusionError::SQL(cause, _) if planning => Error::invalid(
            "query",
            format!("the SQL text cannot be read: {}", line(&cause.to_string())),
        ),
        DataFusionError::Plan(text) if planning => Error::invalid("query", line(&text)),
        DataFusionError::NotImplemented(text) if planning => {
            Error::unsupported("the query uses a part of SQL that is not offered")
                .with_internal(text)
        }
        DataFusionError::Shared(cause) => shared(&cause),
        other => by_chain(other),
    }
}

fn external(cause: Box<dyn std::error::Error + Send + Sync>, planning: bool) -> Error {
    let cause = match cause.downcast::<Fault>() {
        Ok(fault) => return self::fault(*fault),
        Err(cause) => cause,
    };
    let cause = match cause.downcast::<DataFusionError>() {
        Ok(inner) => return map(*inner, planning),
        Err(cause) => cause,
    };
    match cause.downcast::<ArrowError>() {
        Ok(inner) => map(DataFusionError::ArrowError(inner, None), planning),
        Err(cause) => Error::internal("the query failed").with_source(cause),
    }
}

fn fault(fault: Fault) -> Error {
    match fault {
        Fault::Source { object, cause } => match *cause {
            // The source has said it already.
            DataFusionError::External(inner) if inner.is::<Fault>() => external(inner, false),
            cause => source(&object, cause),
        },
        Fault::Value { object, field, wanted } => Error::unavailable(format!(
            "source_data: object {object}: field {field} holds a value that is not a {wanted}; \
             correct the data, or the field's type in the catalog"
        )),
        Fault::Overflow { operation } => overflow(operation),
        Fault::Said(error) => error,
    }
}

/// A file could not be read: either it changed, or its store is away, or its bytes are wrong.
pub(crate) fn source(object: &str, cause: DataFusionError) -> Error {
    if let DataFusionError::ResourcesExhausted(text) = cause.find_root() {
        return exhausted(text);
    }
    let trouble = Trouble::of(&cause);
    let error = match trouble {
        Trouble::Changed => Error::unavailable(format!(
            "source_changed: the files of object {object} changed while they were read; \
             the export can be tried again"
        )),
        Trouble::Away => Error::unavailable(format!(
            "the files of object {object} cannot be reached at the moment"
        )),
        Trouble::Malformed => Error::unavailable(format!(
            "source_data: object {object}: a file of its source is damaged or not in its format"
        )),
    };
    error.with_internal(format!("reading object {object}")).with_source(cause)
}

enum Trouble {
    Changed,
    Away,
    Malformed,
}

impl Trouble {
    fn of(cause: &DataFusionError) -> Self {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause);
        let mut away = false;
        while let Some(error) = next {
            if error.is::<Changed>() {
                return Self::Changed;
            }
            away |= error.is::<object_store::Error>() || error.is::<std::io::Error>();
            if let Some(ParquetError::External(inner)) = error.downcast_ref::<ParquetError>() {
                next = Some(inner.as_ref());
                continue;
            }
            if let Some(ArrowError::ExternalError(inner)) = error.downcast_ref::<ArrowError>() {
                next = Some(inner.as_ref());
                continue;
            }
            if let Some(object_store::Error::NotFound { .. }) = error.downcast_ref() {
                // It was there when the run began.
                return Self::Changed;
            }
            next = error.source();
        }
        if away { Self::Away } else { Self::Malformed }
    }
}

fn arrow(cause: ArrowError) -> Error {
    let sentence = match &cause {
        ArrowError::DivideByZero => "division by zero",
        ArrowError::ArithmeticOverflow(_) => return overflow("a calculation").with_source(cause),
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            "a value cannot be converted to the type that the query asks for"
        }
        ArrowError::InvalidArgumentError(_) | ArrowError::ComputeError(_) => {
            "a value is outside of what an operation of the query can take"
        }
        ArrowError::MemoryError(text) => return exhausted(text),
        ArrowError::IoError(_, io) if is_full(io) => {
            return exhausted("the disk of the spill files is full").with_source(cause);
        }
        _ => return Error::internal("the query failed").with_source(cause),
    };
    Error::invalid("query", sentence).with_source(cause)
}

fn overflow(operation: &str) -> Error {
    Error::invalid("query", format!("arithmetic overflow: the result of {operation} is too large"))
}

fn exhausted(text: &str) -> Error {
    let disk = text.contains("disk") || text.contains("spill") || text.contains("temp");
    let sentence = if disk {
        "storage_full: the query needs more room for its spill files than it may use; \
         select fewer rows or columns, or sort and group less"
    } else {
        "memory_limit: the query needs more memory than it may use; \
         select fewer rows or columns, or sort and group less"
    };
    Error::new(ErrorKind::TooLarge, sentence).with_internal(text)
}

fn schema(cause: SchemaError) -> Error {
    match cause {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known = valid_fields.iter().map(|column| column.name.as_str());
            let hint = hint(&field.name, known.filter(|name| !name.starts_with('#')));
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => field.name.clone(),
            };
            Error::new(
                ErrorKind::UnknownField { name: name.clone() },
                format!("there is no field named {name}{hint}"),
            )
        }
        SchemaError::AmbiguousReference { field } => Error::invalid(
            "query",
            format!("{} could be a field of more than one table; say which", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::invalid("query", format!("{name} is selected twice; give one of them an alias"))
        }
    }
}

/// An error that several operators share; it cannot be taken apart, only looked at.
fn shared(cause: &DataFusionError) -> Error {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = next {
        if let Some(fault) = error.downcast_ref::<Fault>() {
            return copy(fault);
        }
        if let Some(DataFusionError::ResourcesExhausted(text)) = error.downcast_ref() {
            return exhausted(text);
        }
        if let Some(DataFusionError::ArrowError(cause, _)) = error.downcast_ref()
            && let Some(error) = look(cause)
        {
            return error;
        }
        next = inside(error);
    }
    Error::internal("the query failed").with_internal(cause.to_string())
}

/// The cause of an error, also of those that hold one without saying so.
fn inside<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
        Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
        Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
        Some(DataFusionError::ArrowError(inner, _)) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => Some(inner.as_ref()),
            ArrowError::IoError(_, inner) => Some(inner),
            _ => None,
        },
        _ => error.source(),
    }
}

fn look(cause: &ArrowError) -> Option<Error> {
    match cause {
        ArrowError::DivideByZero => Some(arrow(ArrowError::DivideByZero)),
        ArrowError::ArithmeticOverflow(_) => Some(overflow("a calculation")),
        ArrowError::IoError(_, io) if is_full(io) => {
            Some(exhausted("the disk of the spill files is full"))
        }
        ArrowError::CastError(text) => Some(arrow(ArrowError::CastError(text.clone()))),
        ArrowError::ParseError(text) => Some(arrow(ArrowError::ParseError(text.clone()))),
        ArrowError::ComputeError(text) => Some(arrow(ArrowError::ComputeError(text.clone()))),
        ArrowError::InvalidArgumentError(text) => {
            Some(arrow(ArrowError::InvalidArgumentError(text.clone())))
        }
        _ => None,
    }
}

fn copy(fault: &Fault) -> Error {
    match fault {
        Fault::Source { object, cause } => {
            let text = cause.to_string();
            let bare = match Trouble::of(cause) {
                Trouble::Changed => DataFusionError::External(Box::new(Changed)),
                Trouble::Away => DataFusionError::IoError(std::io::Error::other(text)),
                Trouble::Malformed => DataFusionError::Execution(text),
            };
            source(object, bare)
        }
        Fault::Value { object, field, wanted } => {
            self::fault(Fault::Value { object: object.clone(), field: field.clone(), wanted })
        }
        Fault::Overflow { operation } => overflow(operation),
        Fault::Said(error) => Error::new(error.kind().clone(), error.public()),
    }
}

fn by_chain(error: DataFusionError) -> Error {
    if error.to_string().contains("Regular expression did not compile") {
        let text = "a regular expression of the query is wrong or too large";
        return Error::invalid("query", text).with_source(error);
    }
    if let DataFusionError::Execution(text) = &error {
        // Texts of functions; some of them quote their arguments, so none is passed on.
        let sentence = if text.contains("verflow") {
            return overflow("a calculation").with_source(error);
        } else {
            "an operation of the query failed on a value"
        };
        return Error::invalid("query", sentence).with_source(error);
    }
    if let DataFusionError::IoError(cause) = &error
        && is_full(cause)
    {
        return exhausted("the disk of the spill files is full").with_source(error);
    }
    Error::internal("the query failed").with_source(error)
}

/// Whether a disk is full, however deep that is wrapped: a source may hold one error inside another
/// without saying so.
pub(crate) fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    // The second is DataFusion's own limit of spill files, of which only the text is left here.
    let full = |io: &std::io::Error| {
        io.kind() == std::io::ErrorKind::StorageFull
            || io.to_string().contains("during the spilling process")
    };
    if io.is_some_and(full) {
        return true;
    }
    let held =
        io.and_then(|io| io.get_ref()).map(|held| held as &(dyn std::error::Error + 'static));
    held.or_else(|| inside(error)).is_some_and(is_full)
}

fn generic() -> Error {
    Error::internal("the query failed without a cause")
}

/// The first line of a planner's text, at most 300 characters.
fn line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.contains('#') {
        // A name of ours that no customer ever wrote.
        return "the query cannot be planned".to_owned();
    }
    first.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Error as Io, ErrorKind as Kind};

    use super::*;

    #[test]
    fn a_full_disk_is_found_however_deep() {
        let full = || Io::from(Kind::StorageFull);
        let arrow = |io: Io| DataFusionError::from(ArrowError::IoError("x".into(), io));
        let deep = [
            DataFusionError::IoError(full()),
            arrow(full()),
            arrow(Io::other(DataFusionError::IoError(full()))),
            arrow(Io::other(arrow(full()))),
        ];
        for error in deep {
            let text = running(error).public().to_owned();
            assert!(text.starts_with("storage_full: "), "{text}");
        }
        assert_eq!(*running(arrow(Io::other("else"))).kind(), ErrorKind::Internal);
    }
}
