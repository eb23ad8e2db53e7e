//! What a dialect may know of a file format: its name and how it is served. The bytes are made in
//! another room.

use serde::{Deserialize, Serialize};

/// A format's sheet: enough to check a request and to answer a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatSheet {
    /// Its name in a spec, such as `csv`.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Media type, without a character set.
    pub media_type: String,
    /// File name extension, without a dot.
    pub extension: String,
    /// Whether it is text in UTF-8 (its media type is then sent with a character set).
    pub text: bool,
    /// Whether its files can be encrypted with a password by themselves. Files of other formats take
    /// one inside a zip archive only.
    pub takes_password: bool,
}
