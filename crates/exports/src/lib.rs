//! What an export is, and what may be done with it.
//!
//! This room holds the words of Outhaul (export, query, attempt, lease, artifact, manifest,
//! catalog, tenant, credential, policy), the rules between them, the use cases that every API
//! shares, and the ports through which the other rooms are reached. It does no I/O, reads no clock
//! it was not given, and knows no vendor, no SQL and no file format's bytes.
//!
//! Where to look:
//! * [`catalog`] and [`query`]: what may be exported and how one asks for it;
//! * [`spec`], [`export`], [`lease`], [`manifest`]: the life of an export;
//! * [`session`]: series of exports, each of which reads what changed since the last;
//! * [`notice`], [`callback`]: who is told of its end, and how often that is tried;
//! * [`password`]: what opens encrypted files, and how long it is kept;
//! * [`principal`], [`policy`], [`limits`]: who may do how much;
//! * [`ports`]: what the rooms around this one must offer;
//! * [`service`]: the use cases, one file each.

pub mod access;
pub mod callback;
pub mod catalog;
pub mod clock;
pub mod document;
pub mod error;
pub mod event;
pub mod export;
pub mod flow;
pub mod format;
pub mod id;
pub mod lease;
pub mod limits;
pub mod manifest;
pub mod notice;
pub mod password;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod query;
pub mod service;
pub mod session;
pub mod spec;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Result};
pub use id::{ArtifactId, ExportId, MessageId, SessionId};
pub use service::Exports;
