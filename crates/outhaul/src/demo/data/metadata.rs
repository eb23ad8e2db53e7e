//! What an event says besides its columns: a JSON object whose keys depend on what happened.
//!
//! There are numbers that a binary floating point number does not hold, quotes and backslashes,
//! letters beyond ASCII as they are and as escapes, nested values, nulls and empty objects.

use super::analytics::{
    PLANS, company_name, email, employees, industry, is_trial, language, mrr, plan, score,
    user_name,
};
use super::events::{What, company, what};
use super::table::{put, write};
use super::words;
use super::world::Row;

/// What users write, as JSON.
const NOTES: [&str; 7] = [
    r#""Thanks, merci, děkuji""#,
    r#""say \"when\", please""#,
    r#""C:\\exports\\q4""#,
    r#""caf\u00e9 au lait""#,
    r#""💡 idea""#,
    r#""""#,
    "null",
];

/// Writes it, or says that there is none.
pub fn write_metadata(event: &Row, out: &mut String) -> bool {
    match what(event) {
        What::IdentifyUser => identify_user(&event.user(), out),
        What::IdentifyCompany => company(event).is_some_and(|of| identify_company(&of, out)),
        What::Track => track(event, out),
        _ => event.chance(50, 50) && put(out, "{}"),
    }
}

fn identify_user(user: &Row, out: &mut String) -> bool {
    out.push_str(r#"{"name":"#);
    quoted_or_null(out, |text| user_name(user, text));
    out.push_str(r#","email":"#);
    quoted_or_null(out, |text| email(user, text));
    write(out, format_args!(r#","plan":"{}","is_trial":{},"score":"#, plan(user), is_trial(user)));
    match score(user) {
        Some(hundredths) => write_hundredths(out, hundredths),
        None => put(out, "null"),
    };
    if let Some(language) = language(user) {
        write(out, format_args!(r#","language":"{language}""#));
    }
    if let Some(company) = user.company() {
        out.push_str(r#","company":{"name":"#);
        quoted_or_null(out, |text| company_name(&company, text));
        write(out, format_args!(r#","employees":{}}}"#, employees(&company)));
    }
    put(out, "}")
}

fn identify_company(company: &Row, out: &mut String) -> bool {
    out.push_str(r#"{"name":"#);
    quoted_or_null(out, |text| company_name(company, text));
    out.push_str(r#","industry":"#);
    quoted_or_null(out, |text| industry(company).is_some_and(|industry| put(text, industry)));
    write(out, format_args!(r#","employees":{},"mrr":"#, employees(company)));
    write_hundredths(out, mrr(company));
    write(out, format_args!(r#","plan":"{}"}}"#, plan(company)))
}

/// One in twenty says nothing; the others have the properties that are listed for the event, one in
/// ten of them also the one that mobile apps collect.
fn track(event: &Row, out: &mut String) -> bool {
    let variant = event.pick(51, 20);
    if variant == 0 {
        return put(out, "{}");
    }
    out.push_str(r#"{"amount":"#);
    write_hundredths(out, event.pick(52, 500_000).cast_signed() - 20_000);
    let duration = if variant == 1 { 9_007_199_254_740_993 } else { event.pick(53, 90_000) };
    write(
        out,
        format_args!(
            r#","quantity":{},"currency":"{}","note":{},"started_at":"2025-11-{:02}T08:00:00Z","duration_ms":{duration},"success":{},"#,
            event.pick(54, 12),
            event.one(55, &words::CURRENCIES),
            event.one(56, &NOTES),
            1 + event.pick(57, 30),
            variant != 2,
        ),
    );
    write(
        out,
        format_args!(
            r#""context":{{"plan":"{}","tags":["a,b","ü"],"retry":null}},"source_page":"/reports""#,
            event.one(58, &PLANS)
        ),
    );
    if variant < 4 {
        write(out, format_args!(r#","app_version":"4.{}.0""#, event.pick(59, 9)));
    }
    put(out, "}")
}

fn write_hundredths(out: &mut String, value: i64) -> bool {
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    write(out, format_args!("{sign}{}.{:02}", value / 100, value % 100))
}

/// Writes a text as JSON: a quote and a backslash are escaped; there are no control characters.
fn quoted_or_null(out: &mut String, text: impl FnOnce(&mut String) -> bool) {
    let start = out.len();
    out.push('"');
    if !text(out) {
        out.truncate(start);
        out.push_str("null");
        return;
    }
    if out[start + 1..].contains(['"', '\\']) {
        let escaped = out[start + 1..].replace('\\', r"\\").replace('"', "\\\"");
        out.truncate(start + 1);
        out.push_str(&escaped);
    }
    out.push('"');
}
