//! What the tenants show their users, and which features of their products they watch.

use super::table::{Table, json, put, text, write};
use super::world::{Kind, Owner, Row};

/// Kinds of content.
const KINDS: [&str; 8] = [
    "flow",
    "banner",
    "embed",
    "spotlight",
    "survey",
    "resource_center_module",
    "checklist",
    "feature",
];

/// Every tenant's content: kind and title.
const CONTENTS: [(&str, &str); 44] = [
    ("flow", "Welcome tour"),
    ("flow", "New: dark mode"),
    ("flow", "Invite your team, step by step"),
    ("flow", "\"What's new\" in December"),
    ("flow", "Connect a data source"),
    ("flow", "Première connexion"),
    ("flow", "Upgrade to Pro"),
    ("banner", "Planned maintenance, Sunday 02:00"),
    ("banner", "Holiday hours"),
    ("banner", "Your trial ends soon"),
    ("banner", "Neue Preise ab Januar"),
    ("embed", "Getting started"),
    ("embed", "Customer story"),
    ("embed", "Webinar \"Exports, explained\""),
    ("embed", "Release notes"),
    ("spotlight", "Export button"),
    ("spotlight", "Filter bar"),
    ("spotlight", "Keyboard shortcuts"),
    ("spotlight", "検索"),
    ("survey", "How likely are you to recommend us?"),
    ("survey", "Exit survey"),
    ("survey", "Onboarding, week 1"),
    ("survey", "Zufriedenheit"),
    ("resource_center_module", "Help articles"),
    ("resource_center_module", "What's new"),
    ("resource_center_module", "Contact us"),
    ("checklist", "First steps"),
    ("checklist", "Set up billing"),
    ("checklist", "Become an expert"),
    ("checklist", "Příprava účtu"),
    ("feature", "Export button"),
    ("feature", "Dashboard: add widget"),
    ("feature", "Filter by date"),
    ("feature", "Save view"),
    ("feature", "Share, by link"),
    ("feature", "Invite teammate"),
    ("feature", "Search box"),
    ("feature", "Settings › Profile"),
    ("feature", "Download PDF"),
    ("feature", "Undo"),
    ("feature", "Tagging"),
    ("feature", "API keys"),
    ("feature", "Dark mode"),
    ("feature", "\"Help\" menu"),
];

/// How many a tenant has.
pub const COUNT: u64 = CONTENTS.len() as u64;
/// The last of them are features.
const FEATURES: u64 = 14;

/// What becomes of something that is shown.
const STATUSES: [&str; 5] = ["SEEN", "SEEN", "STARTED", "COMPLETED", "DISMISSED"];

/// Content.
pub fn content() -> Table {
    let columns = vec![
        text("id", |r, out| write_id(r, r.rank(), out)).required(),
        text("kind", |r, out| put(out, entry(r.rank()).0)).required().of(&KINDS),
        text("title", |r, out| {
            write(out, format_args!("{}: {}", r.owner.name(), entry(r.rank()).1))
        })
        .required(),
        // What events name is the key where there is one; others have an empty one or none.
        text("key", |r, out| match entry(r.rank()).0 {
            "feature" | "resource_center_module" | "checklist" => write_id(r, r.rank(), out),
            _ => r.chance(1, 50),
        }),
        text("data_type", |r, out| {
            let kinds = ["feature", "resource_center_module", "checklist"];
            kinds.contains(&entry(r.rank()).0) && put(out, "String")
        }),
        text("platform", |r, out| put(out, if r.chance(2, 80) { "web" } else { "mobile" })),
        text("card_type", |r, out| {
            entry(r.rank()).0 == "embed" && put(out, r.one(3, &["banner", "card"]))
        }),
        json("modules", modules),
    ];
    Table::plain(Kind::Content, "Content", &["id"], columns)
}

fn entry(place: u64) -> (&'static str, &'static str) {
    usize::try_from(place).ok().and_then(|at| CONTENTS.get(at)).copied().unwrap_or(CONTENTS[0])
}

/// Ids are numbers with gaps, and many are ids of both tenants.
fn write_id(row: &Row, place: u64, out: &mut String) -> bool {
    let step = match row.owner {
        Owner::Acme => 6,
        Owner::Globex => 4,
    };
    write(out, format_args!("{}", 12 + place * step))
}

/// The questions of a survey.
fn modules(row: &Row, out: &mut String) -> bool {
    entry(row.rank()).0 == "survey"
        && put(
            out,
            concat!(
                r#"[{"id":1,"order":1,"type":"nps","question":"How likely are you to recommend us?"},"#,
                r#"{"id":2,"order":2,"type":"text","question":"Why, \"in a word\" or two – děkujeme!"}]"#
            ),
        )
}

/// What an event calls a feature that was used.
pub fn write_feature(event: &Row, out: &mut String) -> bool {
    write_id(event, COUNT - FEATURES + event.pick(40, FEATURES), out)
}

/// What an event calls what happened to something shown.
pub fn write_interaction(event: &Row, out: &mut String) -> bool {
    let place = event.pick(40, COUNT - FEATURES);
    write(out, format_args!("{}:", entry(place).0))
        && write_id(event, place, out)
        && write(out, format_args!(":{}", event.one(41, &STATUSES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_content_and_the_last_are_features() {
        for kind in KINDS {
            assert!(CONTENTS.iter().any(|(of, _)| *of == kind), "{kind}");
        }
        let features = |place: &u64| entry(*place).0 == "feature";
        assert_eq!((0..COUNT).filter(features).count() as u64, FEATURES);
        assert!((COUNT - FEATURES..COUNT).all(|place| entry(place).0 == "feature"));
    }
}
