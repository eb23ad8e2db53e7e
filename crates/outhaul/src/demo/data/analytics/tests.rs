//! What the product analytics of the demo promise to those who test with them: order, gaps, relations,
//! names, and metadata that is JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use serde_json::Value;
use twox_hash::XxHash64;

use super::*;
use crate::demo::data::events::event;
use crate::demo::data::world::World;
use crate::demo::data::{contents, properties};

/// A demo of 2,000 invoice items: the smallest that promises every kind of event on many days.
const ITEMS: u64 = 2_000;

fn rows(table: &Table) -> RecordBatch {
    let world = World::of(ITEMS);
    let schema = Arc::new(table.schema());
    table.batch(&world, &schema, 0..world.rows(table.kind)).expect("rows can be made")
}

/// The values of a text column; a missing one is `None`.
fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
    batch.column_by_name(name).expect("it is there").as_string::<i32>().iter().collect()
}

fn moments(batch: &RecordBatch, name: &str) -> Vec<DateTime<chrono::Utc>> {
    let column = batch.column_by_name(name).expect("it is there");
    let column = column.as_primitive::<TimestampMicrosecondType>();
    column.values().iter().map(|at| DateTime::from_timestamp_micros(*at).expect("sound")).collect()
}

/// Pairs of tenant and id.
fn keys<'a>(batch: &'a RecordBatch, name: &str) -> BTreeSet<(&'a str, &'a str)> {
    let keys = texts(batch, "tenant").into_iter().zip(texts(batch, name));
    keys.map(|(tenant, id)| (tenant.expect("it is there"), id.expect("it is there"))).collect()
}

#[test]
fn every_row_leads_to_rows_of_its_own_tenant() {
    let (users, companies, segments) = (rows(&user()), rows(&company()), rows(&segment()));
    let (members, events) = (rows(&segment_member()), rows(&event()));
    assert_eq!((users.num_rows(), companies.num_rows(), events.num_rows()), (200, 10, 20_000));
    let there = |from: &RecordBatch, column: &str, to: &RecordBatch| {
        let known = keys(to, column);
        let wanted = texts(from, "tenant").into_iter().zip(texts(from, column));
        let (mut found, mut without) = (0, 0);
        for (tenant, id) in wanted {
            let Some(id) = id.filter(|id| !id.is_empty()) else {
                without += 1;
                continue;
            };
            assert!(known.contains(&(tenant.expect("it is there"), id)), "{column} {id}");
            found += 1;
        }
        (found, without)
    };
    let (found, without) = there(&users, "company_id", &companies);
    assert!(found > 150 && without > 5, "{found} {without}");
    let (found, without) = there(&events, "company_id", &companies);
    assert!(found > 15_000 && without > 500, "{found} {without}");
    let (found, without) = there(&events, "user_id", &users);
    assert!(found > 19_000 && without > 200, "{found} {without}");
    assert_eq!(there(&members, "user_id", &users).1, 0);
    let known = keys(&segments, "id");
    assert!(keys(&members, "segment_id").is_subset(&known));
    assert_eq!(known.len(), 12);
}

#[test]
fn segments_differ_and_one_is_empty() {
    let (segments, members) = (rows(&segment()), rows(&segment_member()));
    let titles: BTreeSet<_> = texts(&segments, "title").into_iter().collect();
    assert_eq!(titles.len(), 12);
    let mut distinct = BTreeSet::new();
    let mut sizes = BTreeMap::<_, usize>::new();
    let users = texts(&members, "user_id");
    for ((tenant, segment), user) in
        texts(&members, "tenant").into_iter().zip(texts(&members, "segment_id")).zip(users)
    {
        assert!(distinct.insert((tenant, segment, user)), "{user:?} is in {segment:?} once");
        *sizes.entry((tenant, segment)).or_default() += 1;
    }
    let of_acme: Vec<_> = ["101", "102", "103", "104", "105", "106"]
        .map(|id| sizes.get(&(Some("acme"), Some(id))).copied().unwrap_or(0))
        .into();
    assert_eq!(of_acme, [120, 54, 24, 9, 3, 0]);
}

#[test]
fn events_are_in_order_but_for_a_few_and_one_day_has_none() {
    let events = rows(&event());
    let at = moments(&events, "inserted_at");
    let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let (first, last) = (day("2025-12-01"), day("2026-02-10"));
    for (tenant, days) in [("acme", 72), ("globex", 71)] {
        let owners = texts(&events, "tenant").into_iter();
        let own = owners.zip(&at).filter(|(owner, _)| *owner == Some(tenant)).map(|(_, at)| *at);
        let own: Vec<_> = own.collect();
        let late = own.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(late > 20 && late < own.len() / 20, "{late} of {}", own.len());
        let found: BTreeSet<_> = own.iter().map(DateTime::date_naive).collect();
        assert_eq!(found.len(), days);
        assert_eq!((found.first(), found.last()), (Some(&first), Some(&last)));
        assert_eq!(found.contains(&day("2025-12-25")), tenant == "acme");
        let fractions = own.iter().filter(|at| at.timestamp_subsec_micros() % 1_000 != 0).count();
        assert!(fractions > own.len() / 2);
        let edge = |text: &str| own.contains(&text.parse().expect("a moment"));
        assert!(edge("2025-12-01T00:00:00Z"));
        assert!(own.iter().any(|at| at.time().to_string() == "23:59:59.999999"));
    }
}

#[test]
fn every_day_somebody_is_identified_and_no_kind_is_rare() {
    for items in [200, ITEMS] {
        let world = World::of(items);
        let table = event();
        let schema = Arc::new(table.schema());
        let events = table.batch(&world, &schema, 0..world.rows(Kind::Event)).expect("it is made");
        let mut days = BTreeMap::<_, BTreeSet<NaiveDate>>::new();
        let kinds = texts(&events, "tenant").into_iter().zip(texts(&events, "event_type"));
        for (kind, at) in kinds.zip(moments(&events, "inserted_at")) {
            days.entry(kind).or_default().insert(at.date_naive());
        }
        let of = |tenant, kind| days.get(&(Some(tenant), Some(kind))).map_or(0, BTreeSet::len);
        assert_eq!((of("acme", "identify_user"), of("globex", "identify_user")), (72, 71));
        if items == ITEMS {
            assert_eq!(days.len(), 14);
            assert!(days.values().all(|days| days.len() > 50), "{days:?}");
        }
    }
}

#[test]
fn the_id_of_an_event_is_the_hash_of_what_makes_it_one_of_a_kind() {
    let events = rows(&event());
    let parts = ["app_token", "event_type", "event_name", "user_id", "company_id"];
    let parts = parts.map(|name| texts(&events, name));
    let ids = texts(&events, "internal_event_id");
    for (row, at) in moments(&events, "inserted_at").iter().enumerate() {
        let mut whole: Vec<_> = parts.iter().map(|part| part[row].unwrap_or("")).collect();
        let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        whole.push(&at);
        let hash = XxHash64::oneshot(0, whole.join("|").as_bytes());
        assert_eq!(ids[row], Some(hash.to_string().as_str()));
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn metadata_is_json_and_says_what_its_event_asks_for() {
    let (events, listed) = (rows(&event()), rows(&properties::event_property()));
    let listed: BTreeSet<_> = texts(&listed, "key").into_iter().flatten().collect();
    let (mut none, mut empty, mut whole) = (0, 0, String::new());
    for (kind, text) in texts(&events, "event_type").iter().zip(texts(&events, "metadata")) {
        let Some(text) = text else {
            none += 1;
            continue;
        };
        let value: Value = serde_json::from_str(text).expect("it is JSON");
        let object = value.as_object().expect("it is an object");
        empty += usize::from(object.is_empty());
        let has = |key| object.contains_key(key);
        match kind.expect("it is there") {
            "identify_user" => assert!(has("email") && has("is_trial"), "{text}"),
            "identify_company" => assert!(has("mrr") && !has("email"), "{text}"),
            "track" => assert!(object.keys().all(|key| listed.contains(key.as_str())), "{text}"),
            _ => assert!(object.is_empty(), "{text}"),
        }
        whole.push_str(text);
    }
    assert!(none > 1_000 && empty > 1_000, "{none} {empty}");
    for part in [r#"\""#, r"\\", r"\u00e9", "ü", "null", "true", "9007199254740993", "[\""] {
        assert!(whole.contains(part), "{part}");
    }
}

#[test]
fn names_of_events_follow_their_kinds_and_lead_to_content() {
    let (events, content) = (rows(&event()), rows(&contents::content()));
    let kinds = texts(&content, "kind").into_iter().zip(texts(&content, "id"));
    let known: BTreeSet<_> = texts(&content, "tenant").into_iter().zip(kinds).collect();
    let kinds = texts(&events, "event_type").into_iter().zip(texts(&events, "event_name"));
    for (tenant, (kind, name)) in texts(&events, "tenant").into_iter().zip(kinds) {
        let name = name.expect("it is there");
        match kind.expect("it is there") {
            "track" => assert!(properties::EVENTS.contains(&name), "{name}"),
            "track_feature" => assert!(known.contains(&(tenant, (Some("feature"), Some(name))))),
            "interaction" => {
                let parts: Vec<_> = name.split(':').collect();
                let [kind, id, status] = parts[..] else { panic!("{name} has three parts") };
                assert!(known.contains(&(tenant, (Some(kind), Some(id)))), "{name}");
                assert!(kind != "feature" && status.bytes().all(|b| b.is_ascii_uppercase()));
            }
            _ => assert_eq!(name, ""),
        }
    }
}

#[test]
fn there_are_enough_properties_to_turn_pages() {
    let listed = rows(&properties::event_property());
    let ids = keys(&listed, "id");
    assert_eq!(ids.len(), listed.num_rows(), "an id is a tenant's only once");
    for owner in Owner::ALL {
        assert!(ids.iter().filter(|(tenant, _)| *tenant == owner.id()).count() >= 120);
    }
}

#[test]
fn sizes_follow_from_the_invoice_items() {
    let sizes = |items| {
        let world = World::of(items);
        [Kind::Event, Kind::User, Kind::Company].map(|kind| world.rows(kind))
    };
    assert_eq!(sizes(100_000), [1_000_000, 10_000, 500]);
    assert_eq!(sizes(50_000_000), [10_000_000, 100_000, 5_000]);
    let small = World::of(1);
    assert!(Owner::ALL.into_iter().all(|owner| small.own_rows(Kind::User, owner) >= 50));
    assert_eq!(World::of(100_000).own_rows(Kind::Event, Owner::Acme), 600_000);
    let names = event().files(&World::of(100_000));
    let (first, second) = ("Event/part-000.parquet", "Event/part-001.parquet");
    assert_eq!(names, [(first.to_owned(), 0..500_000), (second.to_owned(), 500_000..1_000_000)]);
}
