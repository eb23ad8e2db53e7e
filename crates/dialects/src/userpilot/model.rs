//! What of the operator's catalog is analytics: which object holds the events, which of its fields
//! is which attribute of the record, and where users, companies, segments and the rest are.
//!
//! It is worked out once, at the start. Every part but the events may be missing; what needs it is
//! refused then, or answered with an empty list.

use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Field, Object, hint};
use outhaul_exports::query::Expr;
use outhaul_exports::{Error, Result};

use super::config::Mapping;

/// The attributes of a record, in the order of the columns (Userpilot's documentation, "Event
/// schema").
pub const ATTRIBUTES: [&str; 20] = [
    "app_token",
    "event_type",
    "event_name",
    "user_id",
    "company_id",
    "source",
    "inserted_at",
    "internal_event_id",
    "hostname",
    "pathname",
    "screen_width",
    "screen_height",
    "device_type",
    "user_agent",
    "operating_system",
    "browser",
    "browser_language",
    "session",
    "country_code",
    "metadata",
];

/// The attribute that is what happened.
pub const EVENT_TYPE: &str = "event_type";
/// The attribute by which files are cut into days.
pub const INSERTED_AT: &str = "inserted_at";

/// The values of `event_type` where the catalog lists none (Userpilot's documentation, "Event
/// schema").
const EVENT_TYPES: [&str; 7] = [
    "identify_user",
    "identify_company",
    "interaction",
    "track",
    "track_feature",
    "page_view",
    "session_start",
];

/// The analytics of a catalog.
#[derive(Debug)]
pub struct Model {
    /// Its rows are events.
    pub events: Arc<Object>,
    /// The attributes that events have, with their fields.
    attributes: Vec<(&'static str, String)>,
    /// Its fields are the user properties.
    pub users: Option<Arc<Object>>,
    /// Its fields are the company properties.
    pub companies: Option<Arc<Object>>,
    /// Its rows are segments.
    pub segments: Option<Arc<Object>>,
    /// How an event leads to its user's memberships.
    pub members: Option<Members>,
    /// Its rows are flows, banners and so on.
    pub contents: Option<Arc<Object>>,
    /// Its rows are properties of events.
    pub event_properties: Option<Arc<Object>>,
}

/// How an event leads to the segments of its user.
#[derive(Debug)]
pub struct Members {
    /// A relation of events.
    pub relation: String,
    /// The field of its target that names the segment.
    pub segment: Field,
}

impl Model {
    /// What of the catalog is analytics. Without a mapping, the default names are looked for, and
    /// there is no model when there are no events.
    ///
    /// # Errors
    /// `Invalid` for a name in the mapping that is not in the catalog.
    pub fn of(catalog: &Catalog, mapping: Option<&Mapping>) -> Result<Option<Self>> {
        let none = Mapping::default();
        let names = Names { catalog, mapping: mapping.unwrap_or(&none) };
        let Some(events) = names.object("events", &names.mapping.events, "Event")? else {
            return match mapping {
                None => Ok(None),
                Some(_) => Err(wrong("events", "the catalog has no object Event: name it")),
            };
        };
        let attributes = names.attributes(&events)?;
        let has = |wanted| attributes.iter().any(|(name, _)| *name == wanted);
        if let Some(missing) = [EVENT_TYPE, INSERTED_AT].into_iter().find(|name| !has(*name)) {
            if mapping.is_none() {
                return Ok(None);
            }
            let text = format!("{} has no field {missing}: name it", events.name);
            return Err(wrong("fields", &text));
        }
        let of = |setting, name, default| names.object(setting, name, default);
        let own = names.mapping;
        Ok(Some(Self {
            users: of("users", &own.users, "User")?,
            companies: of("companies", &own.companies, "Company")?,
            segments: of("segments", &own.segments, "Segment")?,
            members: names.members(&events)?,
            contents: of("contents", &own.contents, "Content")?,
            event_properties: of("event_properties", &own.event_properties, "EventProperty")?,
            attributes,
            events,
        }))
    }

    /// The attributes that events have, in the order of the columns, with their fields.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &Field)> {
        let field = |name: &str| self.events.field(name);
        self.attributes.iter().filter_map(move |(name, own)| Some((*name, field(own)?)))
    }

    /// The value of an attribute; `None` where events have none.
    pub fn attribute(&self, name: &str) -> Option<Expr> {
        let known = self.attributes.iter().find(|(attribute, _)| *attribute == name);
        known.map(|(_, field)| Expr::own(field))
    }

    /// The types that events have.
    pub fn event_types(&self) -> Vec<&str> {
        let field = self.attributes().find(|(name, _)| *name == EVENT_TYPE);
        match field {
            Some((_, field)) if !field.values.is_empty() => {
                field.values.iter().map(String::as_str).collect()
            }
            _ => EVENT_TYPES.to_vec(),
        }
    }
}

/// The names of a mapping, looked up in a catalog.
struct Names<'a> {
    catalog: &'a Catalog,
    mapping: &'a Mapping,
}

impl Names<'_> {
    /// The object of a setting, or of its default where there is such an object.
    fn object(
        &self,
        setting: &str,
        name: &Option<String>,
        default: &str,
    ) -> Result<Option<Arc<Object>>> {
        match name {
            None => Ok(self.catalog.object(default).cloned()),
            Some(name) => {
                let found = self.catalog.require(name);
                found.cloned().map(Some).map_err(|error| wrong(setting, error.public()))
            }
        }
    }

    fn attributes(&self, events: &Object) -> Result<Vec<(&'static str, String)>> {
        let fields = &self.mapping.fields;
        if let Some(unknown) = fields.keys().find(|name| !ATTRIBUTES.contains(&name.as_str())) {
            let near = hint(unknown, ATTRIBUTES.into_iter());
            return Err(wrong("fields", &format!("events have no attribute {unknown}{near}")));
        }
        let mut found = Vec::new();
        for attribute in ATTRIBUTES {
            let field = match fields.get(attribute) {
                Some(name) => {
                    let field = events.require_field(name);
                    Some(field.map_err(|error| wrong("fields", error.public()))?)
                }
                None => events.field(attribute),
            };
            found.extend(field.map(|field| (attribute, field.name.clone())));
        }
        Ok(found)
    }

    fn members(&self, events: &Object) -> Result<Option<Members>> {
        let (relation, field) = (&self.mapping.segment_members, &self.mapping.segment_field);
        let name = relation.as_deref().unwrap_or("SegmentMembers");
        let Some(found) = events.relation(name) else {
            return match relation {
                None => Ok(None),
                Some(_) => {
                    let text = format!("{} has no relation {name}", events.name);
                    Err(wrong("segment_members", &text))
                }
            };
        };
        let target = self.catalog.require(&found.target)?;
        let segment = target.require_field(field.as_deref().unwrap_or("segment_id"));
        let segment = segment.map_err(|error| wrong("segment_field", error.public()))?.clone();
        Ok(Some(Members { relation: found.name.clone(), segment }))
    }
}

fn wrong(setting: &str, text: &str) -> Error {
    let place = format!("dialects.userpilot.mapping.{setting}");
    Error::invalid(place.clone(), format!("{place}: {text}"))
}
