//! Who uses the tenants' products: users, their companies, and the segments that users are in.
//! What they do is in `events`.

use outhaul_exports::catalog::Cardinality;

use super::calendar::EVENTS_START;
use super::table::{Table, boolean, decimal, integer, moment, money, put, text, write};
use super::words;
use super::world::{Kind, Owner, Row};

/// Plans of users and companies.
pub const PLANS: [&str; 3] = ["free", "pro", "enterprise"];
/// Seconds of a day.
const DAY: i64 = 86_400;
/// Titles of segments, in the order of their sizes in the world.
const SEGMENTS: [&str; 6] = [
    "Everybody",
    "Active, last 30 days",
    "\"Power\" users",
    "Zürich & Kraków",
    "Beta testers",
    "Churned (nobody yet)",
];

/// A firm whose people use the tenant's product.
pub fn company() -> Table {
    let columns = vec![
        text("company_id", company_id).required(),
        text("name", company_name).required(),
        text("industry", |r, out| industry(r).is_some_and(|industry| put(out, industry))),
        integer("employees", |r| (!r.chance(2, 10)).then(|| employees(r))),
        text("plan", |r, out| put(out, plan(r))).required().of(&PLANS),
        moment("created_at", |r| Some(signed_up(r))).required(),
        money("mrr", |r| (!r.chance(6, 5)).then(|| mrr(r))).label("MRR"),
    ];
    Table::plain(Kind::Company, "Company", &["company_id"], columns).dated("created_at", None)
}

/// A user of the tenant's product.
pub fn user() -> Table {
    let columns = vec![
        text("user_id", user_id).required(),
        text("name", user_name),
        text("email", email),
        text("plan", |r, out| put(out, plan(r))).required().of(&PLANS),
        moment("signed_up_at", |r| Some(signed_up(r))).required(),
        moment("last_seen_at", |r| {
            let after = r.pick(12, 70 * DAY.cast_unsigned()).cast_signed();
            (!r.chance(11, 8)).then(|| i64::from(EVENTS_START) * DAY + after)
        }),
        text("language", |r, out| language(r).is_some_and(|language| put(out, language))),
        boolean("is_trial", |r| Some(is_trial(r))).required(),
        decimal("score", 2, score),
        // Of those without a company, half have an empty text and half have none.
        text("company_id", |r, out| write_company_id(r, out) || r.chance(15, 50)),
    ];
    Table::plain(Kind::User, "User", &["user_id"], columns)
        .dated("signed_up_at", Some("last_seen_at"))
        .over("company_id", "Company", "Company", Cardinality::ToOne)
}

/// A set of users.
pub fn segment() -> Table {
    let columns = vec![
        text("id", segment_id).required(),
        text("title", |r, out| {
            let title = usize::try_from(r.rank()).ok().and_then(|at| SEGMENTS.get(at));
            write(out, format_args!("{}: {}", r.owner.name(), title.unwrap_or(&"")))
        })
        .required(),
        text("usage", |_, out| put(out, "all")).required(),
        text("category", |_, out| put(out, "user_id")).required(),
        boolean("is_hidden", |r| Some(r.rank() == 4)).required(),
        boolean("is_protected", |r| Some(r.rank() == 0)).required(),
        text("status", |_, out| put(out, "published")).required(),
    ];
    Table::plain(Kind::Segment, "Segment", &["id"], columns)
}

/// A user in a segment.
pub fn segment_member() -> Table {
    let columns = vec![
        text("segment_id", |r, out| write_segment_id(r, r.segment(), out)).required(),
        text("user_id", |r, out| user_id(&r.user(), out)).required(),
    ];
    Table::plain(Kind::SegmentMember, "SegmentMember", &["segment_id", "user_id"], columns)
        .over("user_id", "User", "User", Cardinality::ToOne)
        .sound()
}

fn segment_id(row: &Row, out: &mut String) -> bool {
    write_segment_id(row, row.rank(), out)
}

/// The tenants' numbers overlap: 104 to 106 are segments of both, and not the same.
fn write_segment_id(row: &Row, segment: u64, out: &mut String) -> bool {
    let first = match row.owner {
        Owner::Acme => 101,
        Owner::Globex => 104,
    };
    write(out, format_args!("{}", first + segment))
}

/// A user's id: for one in forty an address with an apostrophe and a plus sign.
pub fn user_id(user: &Row, out: &mut String) -> bool {
    if user.at % 40 < 2 {
        return write(out, format_args!("o'neil+{}@{}.example", user.at, user.owner.id()));
    }
    write(out, format_args!("{}-u-{:06}", user.owner.id(), user.at))
}

/// A user's name: one in twenty has a nickname in quotes, one in thirty none at all.
pub fn user_name(user: &Row, out: &mut String) -> bool {
    let (first, last) = (user.one(20, &words::FIRST_NAMES), user.one(21, &words::LAST_NAMES));
    match user.pick(22, 60) {
        0..=1 => false,
        2..=4 => write(out, format_args!("{first} \"{first}, the 1st\" {last}")),
        _ => write(out, format_args!("{first} {last}")),
    }
}

/// A user's address.
pub fn email(user: &Row, out: &mut String) -> bool {
    write(out, format_args!("user{}@{}.example", user.at, user.owner.id()))
}

/// The plan of a user or a company.
pub fn plan(row: &Row) -> &'static str {
    row.one(23, &PLANS)
}

/// Whether a user does not pay yet.
pub fn is_trial(user: &Row) -> bool {
    plan(user) == "free" && user.chance(24, 50)
}

/// A user's score, in hundredths.
pub fn score(user: &Row) -> Option<i64> {
    (!user.chance(25, 10)).then(|| user.pick(26, 20_000).cast_signed() - 2_500)
}

/// A user's language.
pub fn language(user: &Row) -> Option<&'static str> {
    user.one(27, &[Some("en"), Some("en"), Some("de"), Some("cs"), Some("ja"), None])
}

/// When a user signed up or a company was first seen, in seconds since 1970: in the 700 days before
/// the events.
pub fn signed_up(row: &Row) -> i64 {
    i64::from(EVENTS_START) * DAY - 1 - row.pick(28, 700 * DAY.cast_unsigned()).cast_signed()
}

/// A company's id.
pub fn company_id(company: &Row, out: &mut String) -> bool {
    write(out, format_args!("{}-c-{:05}", company.owner.id(), company.at))
}

/// The id of the company of a user or of an event's user, if there is one.
pub fn write_company_id(row: &Row, out: &mut String) -> bool {
    row.company().is_some_and(|company| company_id(&company, out))
}

/// A company's name.
pub fn company_name(company: &Row, out: &mut String) -> bool {
    write(out, format_args!("{} {}", company.one(29, &words::COMPANIES), company.at + 1))
}

/// What a company does.
pub fn industry(company: &Row) -> Option<&'static str> {
    company.one(30, &[Some("Retail"), Some("Banking, insurance"), Some("Médias"), Some(""), None])
}

/// How many people a company has.
pub fn employees(company: &Row) -> i64 {
    3 + company.pick(31, 12_000).cast_signed()
}

/// What a company pays a month, in cents.
pub fn mrr(company: &Row) -> i64 {
    if plan(company) == "free" { 0 } else { 4_900 + company.pick(32, 2_000_000).cast_signed() }
}

#[cfg(test)]
mod tests;
