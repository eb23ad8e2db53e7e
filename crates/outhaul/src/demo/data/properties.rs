//! The tenants' own events, by name, and the properties that they have.

use super::calendar::EVENTS_START;
use super::table::{Table, boolean, moment, put, text, write};
use super::world::{Kind, Row};

/// Names of the tenants' own events.
pub const EVENTS: [&str; 14] = [
    "Order Placed",
    "Report Exported",
    "Report Shared, by link",
    "Invitation Sent",
    "Invitation Accepted",
    "Plan Upgraded",
    "Plan Downgraded",
    "File Uploaded",
    "Größe geändert",
    "Clicked \"Buy now\"",
    "Search Performed",
    "検索",
    "Payment Failed",
    "Support Ticket Opened",
];

/// The properties of each event: key, name for people, type, description.
const PROPERTIES: [(&str, &str, &str, Option<&str>); 10] = [
    ("amount", "Amount", "Numeric", Some("Before tax, in the currency")),
    ("quantity", "Quantity", "Numeric", None),
    ("currency", "Currency", "String", Some("ISO 4217")),
    ("note", "Note", "String", Some("What the user wrote, \"as is\"")),
    ("started_at", "Started at", "Date", None),
    ("duration_ms", "Duration (ms)", "Numeric", Some("")),
    ("success", "Success", "String", None),
    ("context", "Context", "String", Some("Nested: où, quand, comment")),
    ("source_page", "Source page", "String", None),
    ("app_version", "App version", "String", Some("Of the mobile app")),
];

/// How many properties a tenant has.
pub const COUNT: u64 = (EVENTS.len() * PROPERTIES.len()) as u64;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A property of a tenant's own event.
pub fn event_property() -> Table {
    let columns = vec![
        text("id", |r, out| write(out, format_args!("{}", 5_001 + r.rank()))).required(),
        text("key", |r, out| put(out, property(r).0)).required(),
        text("display_name", |r, out| put(out, property(r).1)).required(),
        boolean("is_auto_property", |r| Some(is_auto(r))).required(),
        boolean("is_mobile_auto_property", |r| Some(property(r).0 == "app_version")).required(),
        text("data_type", |r, out| put(out, property(r).2))
            .required()
            .of(&["String", "Numeric", "Date"]),
        text("category", |r, out| put(out, if is_auto(r) { "auto" } else { "custom" })),
        text("description", |r, out| {
            property(r).3.is_some_and(|description| put(out, description))
        }),
        boolean("is_archived", |r| Some(r.chance(1, 6))).required(),
        text("event_id", |r, out| write(out, format_args!("{}", 301 + event(r)))).required(),
        text("event_display_name", |r, out| {
            put(out, usize::try_from(event(r)).ok().and_then(|at| EVENTS.get(at)).unwrap_or(&""))
        })
        .required(),
        moment("inserted_at", |r| {
            Some(i64::from(EVENTS_START) * DAY - r.pick(2, 300 * DAY.cast_unsigned()).cast_signed())
        })
        .required(),
        moment("last_seen", |r| {
            let after = r.pick(4, 70 * DAY.cast_unsigned()).cast_signed();
            (!r.chance(3, 10)).then(|| i64::from(EVENTS_START) * DAY + after)
        }),
    ];
    Table::plain(Kind::EventProperty, "EventProperty", &["id"], columns)
        .dated("inserted_at", Some("last_seen"))
}

fn event(row: &Row) -> u64 {
    row.rank() / PROPERTIES.len() as u64
}

fn property(row: &Row) -> (&'static str, &'static str, &'static str, Option<&'static str>) {
    let place = row.rank() % PROPERTIES.len() as u64;
    usize::try_from(place).map_or(PROPERTIES[0], |at| PROPERTIES[at])
}

/// Those that nobody sends: they are collected.
fn is_auto(row: &Row) -> bool {
    matches!(property(row).0, "source_page" | "app_version")
}
