//! What the users of the tenants' products do: one row an event.
//!
//! A tenant's events are spread evenly over the days, each in a slot of its own, so that the rows
//! stand in the order of time but for a few that came late. On every day somebody is identified at
//! about noon, and an event happens in the first or the last microsecond of a day.

use outhaul_exports::catalog::Cardinality;
use twox_hash::XxHash64;

use super::analytics::{company_id, user_id};
use super::calendar::{EVENTS_DAYS, EVENTS_START};
use super::table::{Table, instant, integer, json, put, text, write};
use super::world::{Kind, Owner, Row};
use super::{contents, metadata, properties};

/// Microseconds of a day.
const DAY: u64 = 86_400_000_000;
/// The day without any event of Globex: 25 December 2025, counted from the first day.
const EMPTY_DAY: u64 = 24;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A user's properties were told.
    IdentifyUser,
    /// A company's properties were told.
    IdentifyCompany,
    /// Something shown was seen or used.
    Interaction,
    /// An event of the tenant's own.
    Track,
    /// A feature was used.
    TrackFeature,
    /// A page was opened.
    PageView,
    /// A visit began.
    SessionStart,
}

/// What most columns of an event ask for, found out once: a demo has a million events.
#[derive(Debug, Clone, Copy)]
pub struct Happened {
    what: What,
    source: &'static str,
    at: i64,
    /// The row of its user.
    pub user: u64,
}

impl Happened {
    /// Of an event.
    pub fn of(event: &Row) -> Self {
        let slot = Slot::of(event);
        let what = what_happened(event, &slot);
        let (source, at) = (source(event, what), inserted_at(event, &slot));
        Self { what, source, at, user: event.user().at }
    }
}

/// Names of what happened.
const TYPES: [&str; 7] = [
    "identify_user",
    "identify_company",
    "interaction",
    "track",
    "track_feature",
    "page_view",
    "session_start",
];

/// Where events come from.
const SOURCES: [&str; 5] =
    ["web-client", "backend-http", "backend-hubspot", "backend-salesforce", "backend-segment"];

/// What users have before them.
struct Device {
    kind: &'static str,
    system: &'static str,
    browser: &'static str,
    width: i64,
    height: i64,
    agent: &'static str,
}

const DEVICES: [Device; 6] = [
    Device {
        kind: "desktop",
        system: "Windows",
        browser: "Chrome",
        width: 1920,
        height: 1080,
        agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    },
    Device {
        kind: "desktop",
        system: "Mac OS",
        browser: "Safari",
        width: 1512,
        height: 982,
        agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    },
    Device {
        kind: "desktop",
        system: "Linux",
        browser: "Firefox",
        width: 2560,
        height: 1440,
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    },
    Device {
        kind: "mobile",
        system: "iOS",
        browser: "Mobile Safari",
        width: 393,
        height: 852,
        agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    },
    Device {
        kind: "mobile",
        system: "Android",
        browser: "Chrome Mobile",
        width: 412,
        height: 915,
        agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
    },
    Device {
        kind: "tablet",
        system: "iPadOS",
        browser: "Mobile Safari",
        width: 1032,
        height: 1376,
        agent: "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    },
];

/// Pages, without what follows them.
const PAGES: [&str; 8] = [
    "/",
    "/dashboard",
    "/reports",
    "/settings/billing",
    "/søk?q=a,b&lang=\"no\"",
    "/検索",
    "/docs/getting-started",
    "",
];

/// An event.
pub fn event() -> Table {
    let columns = vec![
        text("app_token", |r, out| put(out, r.owner.app_token())).required(),
        text("event_type", |r, out| put(out, type_name(r))).required().of(&TYPES),
        text("event_name", event_name).required(),
        text("user_id", write_user),
        text("company_id", write_company),
        text("source", |r, out| r.happened.is_some_and(|h| put(out, h.source)))
            .required()
            .of(&SOURCES),
        instant("inserted_at", |r| r.happened.map(|happened| happened.at)).required().random(),
        text("internal_event_id", internal_id).required().random(),
        text("hostname", |r, out| {
            is_web(r) && write(out, format_args!("{}.{}.example", r.one(10, &HOSTS), r.owner.id()))
        }),
        text("pathname", |r, out| is_web(r) && pathname(r, out)),
        integer("screen_width", |r| is_web(r).then(|| device(r).width)),
        integer("screen_height", |r| is_web(r).then(|| device(r).height)),
        text("device_type", |r, out| is_web(r) && put(out, device(r).kind)),
        text("user_agent", |r, out| is_web(r) && put(out, device(r).agent)),
        text("operating_system", |r, out| is_web(r) && put(out, device(r).system)),
        text("browser", |r, out| is_web(r) && put(out, device(r).browser)),
        text("browser_language", |r, out| is_web(r) && put(out, r.user().one(61, &LANGUAGES))),
        text("session", session),
        text("country_code", |r, out| r.user().one(63, &COUNTRIES).is_some_and(|c| put(out, c))),
        json("metadata", metadata::write_metadata),
    ];
    Table::plain(Kind::Event, "Event", &["internal_event_id"], columns)
        .dated("inserted_at", None)
        .in_parts()
        .over("user_id", "User", "User", Cardinality::ToOne)
        .over("company_id", "Company", "Company", Cardinality::ToOne)
        .over("user_id", "SegmentMembers", "SegmentMember", Cardinality::ToMany)
}

const HOSTS: [&str; 3] = ["app", "app", "docs"];
const LANGUAGES: [&str; 6] = ["en-US", "en-GB", "de-DE", "cs", "ja-JP", "pt-BR"];
const COUNTRIES: [Option<&str>; 8] =
    [Some("US"), Some("US"), Some("DE"), Some("CZ"), Some("JP"), Some("BR"), Some("NO"), None];

/// A place in time that belongs to one event of its tenant, in microseconds of the tenant's own
/// time, which leaves the empty day out.
struct Slot {
    start: u64,
    width: u64,
}

impl Slot {
    fn of(event: &Row) -> Self {
        let days = match event.owner {
            Owner::Acme => EVENTS_DAYS,
            Owner::Globex => EVENTS_DAYS - 1,
        };
        let width = days * DAY / event.own_rows(Kind::Event).max(1);
        Self { start: event.rank() * width, width }
    }

    /// Whether it is noon in it.
    fn has_noon(&self) -> bool {
        let noons_before = |moment: u64| (moment + DAY / 2 - 1) / DAY;
        noons_before(self.start + self.width) > noons_before(self.start)
    }

    /// The first midnight in it.
    fn midnight(&self) -> Option<u64> {
        let midnight = self.start.next_multiple_of(DAY);
        (midnight < self.start + self.width).then_some(midnight)
    }
}

/// When an event arrived, in microseconds since 1970.
fn inserted_at(event: &Row, slot: &Slot) -> i64 {
    let moment = match slot.midnight() {
        Some(midnight) if midnight == 0 || (midnight / DAY).is_multiple_of(2) => midnight,
        Some(midnight) => (midnight - 1).max(slot.start),
        None => within(event, slot),
    };
    let skipped = event.owner == Owner::Globex && moment >= EMPTY_DAY * DAY;
    let moment = if skipped { moment + DAY } else { moment };
    (u64::from(EVENTS_START.unsigned_abs()) * DAY + moment).cast_signed()
}

/// Some moment of its slot; one in fifty is up to three hours before, and one in eight is told in
/// milliseconds.
fn within(event: &Row, slot: &Slot) -> u64 {
    let moment = slot.start + event.pick(5, slot.width);
    let moment = match event.pick(6, 400) {
        0..8 if !slot.has_noon() => moment.saturating_sub(event.pick(7, DAY / 8)),
        _ => moment,
    };
    if event.chance(8, 12) { moment - moment % 1_000 } else { moment }
}

/// What happened.
pub fn what(event: &Row) -> What {
    event.happened.map_or(What::PageView, |happened| happened.what)
}

fn what_happened(event: &Row, slot: &Slot) -> What {
    if slot.has_noon() {
        return What::IdentifyUser;
    }
    match event.pick(9, 100) {
        0..5 => What::IdentifyUser,
        5..7 => What::IdentifyCompany,
        7..19 => What::Interaction,
        19..32 => What::Track,
        32..41 => What::TrackFeature,
        41..93 => What::PageView,
        _ => What::SessionStart,
    }
}

fn type_name(event: &Row) -> &'static str {
    TYPES[what(event) as usize]
}

fn event_name(event: &Row, out: &mut String) -> bool {
    match what(event) {
        What::Track => put(out, event.one(40, &properties::EVENTS)),
        What::TrackFeature => contents::write_feature(event, out),
        What::Interaction => contents::write_interaction(event, out),
        _ => true,
    }
}

/// An event about a company is nobody's.
fn write_user(event: &Row, out: &mut String) -> bool {
    what(event) != What::IdentifyCompany && user_id(&event.user(), out)
}

/// The company of the user; of the events of users without one, half have an empty text.
fn write_company(event: &Row, out: &mut String) -> bool {
    match company(event) {
        Some(company) => company_id(&company, out),
        None => event.chance(11, 50),
    }
}

/// The company that an event is about, or that its user is of.
pub fn company<'a>(event: &Row<'a>) -> Option<Row<'a>> {
    if what(event) == What::IdentifyCompany { Some(event.some_company()) } else { event.company() }
}

/// Users and companies are told of by other systems, too, and a tenant's own events by its servers.
fn source(event: &Row, what: What) -> &'static str {
    let place = event.pick(12, 20);
    match (what, place) {
        (What::IdentifyUser | What::IdentifyCompany, 0..8) => event.one(13, &SOURCES[1..]),
        (What::Track, 0..4) => SOURCES[1],
        _ => SOURCES[0],
    }
}

fn is_web(event: &Row) -> bool {
    event.happened.is_some_and(|happened| happened.source == SOURCES[0])
}

fn pathname(event: &Row, out: &mut String) -> bool {
    let page = event.one(14, &PAGES);
    if page == "/reports" {
        return write(out, format_args!("{page}/{}", event.pick(15, 500)));
    }
    put(out, page)
}

fn device(event: &Row) -> &'static Device {
    let devices = DEVICES.len() as u64;
    &DEVICES[usize::try_from(event.user().pick(60, devices)).unwrap_or(0)]
}

/// The number of the user's session; an empty text where a server tells.
fn session(event: &Row, out: &mut String) -> bool {
    !is_web(event)
        || write(out, format_args!("{}", 1 + event.user().pick(62, 9) + day_and_rest(event).0 / 2))
}

/// A hash of what makes an event one of a kind.
fn internal_id(event: &Row, out: &mut String) -> bool {
    let mut whole = String::with_capacity(160);
    put(&mut whole, event.owner.app_token());
    for part in [
        |r: &Row, out: &mut String| put(out, type_name(r)),
        event_name,
        write_user,
        write_company,
        write_moment,
    ] {
        whole.push('|');
        part(event, &mut whole);
    }
    write(out, format_args!("{}", XxHash64::oneshot(0, whole.as_bytes())))
}

/// The day of its arrival, counted from the first one, and the microseconds of that day.
fn day_and_rest(event: &Row) -> (u64, u64) {
    let moment = event.happened.map_or(0, |happened| happened.at).cast_unsigned();
    ((moment / DAY).saturating_sub(u64::from(EVENTS_START.unsigned_abs())), moment % DAY)
}

/// The moment as `2025-12-01T07:45:30.123456Z`.
fn write_moment(event: &Row, out: &mut String) -> bool {
    let (day, rest) = day_and_rest(event);
    let (month, day) = match day {
        0..31 => ("2025-12", day + 1),
        31..62 => ("2026-01", day - 30),
        _ => ("2026-02", day - 61),
    };
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write(out, format_args!("{month}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"))
}
