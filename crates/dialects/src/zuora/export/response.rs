//! An export as it is answered.
//!
//! What has no value is left out, as Zuora does it (live samples of "CRUD: Retrieve an export").

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::access::sha256_hex;
use outhaul_exports::export::{Export, State};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::request::Wanted;
use super::routes::parameter;
use crate::zuora::errors::Refusal;

/// Characters of a status reason.
const REASON_CHARS_MAX: usize = 255;

/// Zuora's word for a state. An export whose file is gone stays completed.
pub fn status(state: State) -> &'static str {
    match state {
        State::Queued => "Pending",
        State::Running => "Processing",
        State::Completed | State::Expired => "Completed",
        State::Failed => "Failed",
        State::Cancelled => "Canceled",
    }
}

/// The export with all that is known about it.
pub fn record(export: &Export, zone: Tz) -> Map<String, Value> {
    let mut record = Map::new();
    let mut set = |key: &str, value: Value| record.insert(key.to_owned(), value);
    set("Id", export.id.to_string().into());
    // What this dialect stored it reads; an echo that is unreadable leaves its fields out.
    if let Ok(wanted) = Wanted::deserialize(&export.echo) {
        if let Some(name) = wanted.name {
            set("Name", name.into());
        }
        set("Query", wanted.query.into());
        set("Format", wanted.format.name().into());
        set("Zip", wanted.zip.into());
        set("Encrypted", wanted.encrypted.into());
        if let Some(list) = wanted.convert_to_currencies {
            set("ConvertToCurrencies", list.into());
        }
    }
    set("Status", status(export.state).into());
    if let Some(reason) = reason(export) {
        set("StatusReason", reason.into());
    }
    let done = matches!(export.state, State::Completed | State::Expired);
    if let Some(manifest) = export.manifest.as_ref().filter(|_| done) {
        if let Some(file) = manifest.artifacts.first() {
            set("FileId", file.id.to_string().into());
        }
        set("Size", manifest.rows().into());
    }
    let by = user_id(export);
    set("CreatedById", by.clone().into());
    set("CreatedDate", date(export.created_at, zone).into());
    set("UpdatedById", by.into());
    set("UpdatedDate", date(export.updated_at, zone).into());
    record
}

/// Why it stands where it stands. A failed export always says; clients read the key unasked.
fn reason(export: &Export) -> Option<String> {
    let text = match export.state {
        State::Failed => {
            let failure = export.failure.as_ref().map(|f| f.message.as_str());
            failure.filter(|text| !text.is_empty()).unwrap_or("The export failed.").to_owned()
        }
        State::Completed | State::Expired if !export.warnings.is_empty() => {
            let warnings: Vec<&str> = export.warnings.iter().map(|w| w.message.as_str()).collect();
            format!("Completed with warnings: {}", warnings.join("; "))
        }
        _ => return None,
    };
    Some(text.chars().take(REASON_CHARS_MAX).collect())
}

/// The id of the credential that made it: stable, in the form of a user's id, and no secret.
fn user_id(export: &Export) -> String {
    let mut id = sha256_hex(&format!("{}\n{}", export.tenant, export.created_by));
    id.truncate(32);
    id
}

/// `2018-01-23T04:10:20.000-08:00`.
fn date(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Which keys the client wants.
pub struct Fields(Vec<String>);

impl Fields {
    /// Reads `fields=A,B` from the query of the path; repeated ones add up.
    ///
    /// # Errors
    /// `Malformed` when the query is not UTF-8.
    pub fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let lists = parameter(query, "fields")?;
        let names = lists.iter().flat_map(|list| list.split(',')).map(|name| name.trim());
        Ok(Self(names.filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }

    /// The record with the wanted keys; the id always stays. Names that are no key of an export
    /// are passed over: clients ask for fields that older versions had.
    pub fn only(&self, mut record: Map<String, Value>) -> Value {
        if !self.0.is_empty() {
            let wanted = |key: &str| self.0.iter().any(|name| name.eq_ignore_ascii_case(key));
            record.retain(|key, _| key == "Id" || wanted(key));
        }
        record.into()
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::export::Failure;
    use outhaul_exports::testing;

    use super::*;

    #[test]
    fn dates_are_in_the_tenants_zone_with_milliseconds() {
        let at = testing::noon();
        assert_eq!(date(at, Tz::UTC), "2026-06-23T12:00:00.000+00:00");
        assert_eq!(date(at, Tz::America__Los_Angeles), "2026-06-23T05:00:00.000-07:00");
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let mut export = testing::export("acme", testing::noon());
        export.state = State::Failed;
        for (text, expected) in [
            ("", "The export failed.".to_owned()),
            ("it ran longer than 3 h", "it ran longer than 3 h".to_owned()),
            (&"é".repeat(300), "é".repeat(255)),
        ] {
            export.failure = Some(Failure::new("x", text));
            assert_eq!(reason(&export), Some(expected));
        }
    }

    #[test]
    fn every_state_has_its_word() {
        let words: Vec<&str> = State::ALL.into_iter().map(status).collect();
        assert_eq!(
            words,
            ["Pending", "Processing", "Completed", "Failed", "Canceled", "Completed"]
        );
    }
}
