//! What can go wrong between a batch and its bytes, sorted by what the caller can do about it.
//! Texts name options, columns and types; they never carry a cell's value, because they travel
//! into status reasons and logs.

use std::io;

/// An error of this room. The variants tell the caller what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No format has this id.
    #[error("unknown format \"{id}\": use one of {known}")]
    UnknownFormat {
        /// What was asked for.
        id: String,
        /// The ids that exist, for the message.
        known: String,
    },
    /// No packing has this id.
    #[error("unknown packing \"{id}\": use one of {known}")]
    UnknownPacking {
        /// What was asked for.
        id: String,
        /// The ids that exist, for the message.
        known: String,
    },
    /// An option has a value that the format cannot honour.
    #[error("option {option}: {problem}")]
    Option {
        /// The option's name as a customer writes it.
        option: &'static str,
        /// What is wrong and what to write in its place.
        problem: String,
    },
    /// The columns, or so many rows, do not fit the format.
    #[error("{format}: {problem}")]
    Schema {
        /// Id of the format.
        format: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A column has a type that no rule of the value table covers.
    #[error("column \"{column}\": type {data_type} cannot be written; cast it in the query")]
    ColumnType {
        /// Name of the column.
        column: String,
        /// Arrow's name of the type.
        data_type: String,
    },
    /// One value breaks a limit of the format and the options say to refuse it.
    #[error("column \"{column}\", data row {row}: {problem}")]
    Value {
        /// Name of the column.
        column: String,
        /// Row of the export, counted from 1.
        row: u64,
        /// What is wrong and what to do; never the value.
        problem: String,
    },
    /// Batches, entries and calls came in an order that has no meaning.
    #[error("{0}")]
    Usage(&'static str),
    /// A name cannot be an entry of an archive.
    #[error("archive entry name refused: {0}")]
    EntryName(String),
    /// A public key could not be read or cannot encrypt.
    #[error("recipient key: {0}")]
    RecipientKey(String),
    /// Encrypting one value failed.
    #[error("encrypting a value of column \"{column}\" failed: {problem}")]
    Seal {
        /// Name of the column.
        column: String,
        /// The library's reason.
        problem: String,
    },
    /// Encrypting a whole file failed.
    #[error("encrypting the file failed: {0}")]
    Encrypt(String),
    /// A time zone name is not known.
    #[error("time zone \"{zone}\" is not known: use an IANA name or an offset such as +02:00")]
    Zone {
        /// The name as given.
        zone: String,
    },
    /// Arrow refused a conversion; its texts can hold values, so only the column is named.
    #[error("column \"{column}\" could not be converted for writing")]
    Convert {
        /// Name of the column.
        column: String,
        /// Arrow's own error.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// The caller's cancel flag was raised.
    #[error("cancelled")]
    Cancelled,
    /// A thread of the pipeline panicked; the pipeline stopped.
    #[error("internal fault: the {0} thread panicked")]
    Panicked(&'static str),
    /// The sink did not take the bytes.
    #[error("writing the file failed: {0}")]
    Sink(#[from] io::Error),
}

/// Result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
