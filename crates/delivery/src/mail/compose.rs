//! What a mail says, in plain text and in HTML: the same words twice.
//!
//! Everything that a client or a source wrote (labels, file names, messages) is put on one line, and
//! escaped where it stands in HTML. The page loads nothing: no pictures, no styles from elsewhere.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::manifest::{Artifact, Manifest};
use outhaul_exports::notice::Message;
use outhaul_exports::query::Query;
use outhaul_exports::{MessageId, limits};

use super::Mail;

/// Characters of an export's name in a subject.
const NAME_CHARS_MAX: usize = 100;
/// Characters of a subject that is not ours.
const SUBJECT_CHARS_MAX: usize = 200;
/// Objects that make the name of an export that has none.
const OBJECTS_NAMED: usize = 3;

/// Where a file is downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLink {
    /// The whole address.
    pub url: String,
    /// Until when it works.
    pub expires_at: DateTime<Utc>,
}

/// The mail that tells of the end to which `export` has come. `links` are those of its first files,
/// in their order; further files are counted.
pub fn compose(export: &Export, message: &Message, links: &[FileLink], now: DateTime<Utc>) -> Mail {
    let name = name(export);
    let named = if name.is_empty() { String::new() } else { format!(" {name}") };
    let (subject, lines) = match (&export.manifest, export.state) {
        (Some(manifest), State::Completed) => {
            (format!("Your export{named} is ready"), ready(export, manifest, links, &name))
        }
        _ => (format!("Your export{named} has failed"), failed(export, &name)),
    };
    Mail {
        id: message.id,
        to: message.kind.to().to_owned(),
        written_at: now,
        plain: plain(&lines),
        html: html(&subject, &lines),
        subject,
    }
}

/// A mail in words that are not ours: a subject, and paragraphs of one line each.
pub fn note(
    id: MessageId,
    to: &str,
    subject: &str,
    paragraphs: &[String],
    now: DateTime<Utc>,
) -> Mail {
    let subject = one_line(subject, SUBJECT_CHARS_MAX);
    let line = |text: &String| Line::Text(one_line(text, limits::SCRIPT_MAIL_CHARS_MAX));
    let lines: Vec<Line> = paragraphs.iter().map(line).collect();
    Mail {
        id,
        to: to.to_owned(),
        written_at: now,
        plain: plain(&lines),
        html: html(&subject, &lines),
        subject,
    }
}

/// What the export is called: by its label, or after its objects.
fn name(export: &Export) -> String {
    if let Some(label) = &export.spec.label {
        return one_line(label, NAME_CHARS_MAX);
    }
    let mut objects: Vec<&str> = Vec::new();
    for query in &export.spec.queries {
        let object = match &query.query {
            Query::Select(select) => Some(select.object.as_str()),
            Query::Sql { .. } => query.name.as_deref(),
        };
        objects.extend(object.filter(|object| !objects.contains(object)));
    }
    let more = objects.len().saturating_sub(OBJECTS_NAMED);
    objects.truncate(OBJECTS_NAMED);
    let mut name = objects.join(", ");
    if more > 0 {
        let _ = write!(name, " and {more} more");
    }
    one_line(&name, NAME_CHARS_MAX)
}

/// A part of a mail.
enum Line {
    /// A sentence or two.
    Text(String),
    /// A list's heading.
    Heading(&'static str),
    /// A file: its name, its address, and what is to be known of it.
    File { name: String, url: String, about: String },
    /// An element of a list.
    Item(String),
}

fn ready(export: &Export, manifest: &Manifest, links: &[FileLink], name: &str) -> Vec<Line> {
    let files = manifest.artifacts.len();
    let mut lines = vec![Line::Text(format!(
        "{} is ready: {} in {}, {} in all.",
        subject_of(name),
        count(manifest.rows(), "row", "rows"),
        count(files as u64, "file", "files"),
        size(manifest.bytes()),
    ))];
    for (artifact, link) in manifest.artifacts.iter().zip(links) {
        lines.push(file(artifact, link));
    }
    let listed = links.len().min(files);
    if listed < files {
        let more = (files - listed) as u64;
        lines.push(Line::Text(format!(
            "{} not listed here; the program that made the export can download {}.",
            count(more, "more file is", "more files are"),
            if more == 1 { "it" } else { "them" },
        )));
    }
    if let Some(link) = links.first() {
        let until = moment(link.expires_at);
        let (links, work) = if listed == 1 { ("The link", "works") } else { ("The links", "work") };
        lines.push(Line::Text(format!(
            "{links} {work} until {until}, for everybody who has this mail. Do not pass it on."
        )));
    }
    if !export.warnings.is_empty() {
        lines.push(Line::Heading("Please note:"));
        for warning in &export.warnings {
            let times = if warning.count > 1 {
                format!(" ({} times)", warning.count)
            } else {
                String::new()
            };
            let text = one_line(&warning.message, limits::FAILURE_CHARS_MAX);
            lines.push(Line::Item(format!("{text}{times}")));
        }
    }
    lines.push(identity(export));
    lines
}

fn failed(export: &Export, name: &str) -> Vec<Line> {
    let why = export.failure.as_ref().map(|failure| failure.message.as_str()).unwrap_or_default();
    let why = one_line(why, limits::FAILURE_CHARS_MAX);
    let mut lines = vec![Line::Text(format!("{} has failed. There is no file.", subject_of(name)))];
    if !why.is_empty() {
        lines.push(Line::Text(format!(
            "The reason: {}{}",
            why,
            if why.ends_with('.') { "" } else { "." }
        )));
    }
    lines.push(identity(export));
    lines
}

fn subject_of(name: &str) -> String {
    if name.is_empty() { "Your export".to_owned() } else { format!("Your export {name}") }
}

fn identity(export: &Export) -> Line {
    let created = moment(export.created_at);
    Line::Text(format!("It was created on {created} and has the id {}.", export.id))
}

fn file(artifact: &Artifact, link: &FileLink) -> Line {
    Line::File {
        name: one_line(&artifact.file_name, limits::LABEL_CHARS_MAX),
        url: link.url.clone(),
        about: format!("{}, {}", count(artifact.rows, "row", "rows"), size(artifact.bytes)),
    }
}

fn plain(lines: &[Line]) -> String {
    let mut text = String::from("Hello,\n");
    let mut in_list = false;
    for line in lines {
        let is_item = matches!(line, Line::Item(_));
        if !(in_list && is_item) {
            text.push('\n');
        }
        // Writing to a text cannot fail.
        let _ = match line {
            Line::Text(words) => writeln!(text, "{words}"),
            Line::Heading(words) => writeln!(text, "{words}"),
            Line::Item(words) => writeln!(text, "- {words}"),
            Line::File { name, url, about } => writeln!(text, "{name} ({about})\n{url}"),
        };
        in_list = matches!(line, Line::Heading(_) | Line::Item(_));
    }
    text
}

fn html(title: &str, lines: &[Line]) -> String {
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    let _ = write!(page, "<title>{}</title></head>\n<body>\n<p>Hello,</p>\n", escape(title));
    let mut list = "";
    for line in lines {
        let wanted = match line {
            Line::Item(_) | Line::File { .. } => "ul",
            _ => "",
        };
        if list != wanted {
            page.push_str(if wanted.is_empty() { "</ul>\n" } else { "<ul>\n" });
            list = wanted;
        }
        let _ = match line {
            Line::Text(words) => writeln!(page, "<p>{}</p>", escape(words)),
            Line::Heading(words) => writeln!(page, "<p>{}</p>", escape(words)),
            Line::Item(words) => writeln!(page, "<li>{}</li>", escape(words)),
            Line::File { name, url, about } => writeln!(
                page,
                "<li><a href=\"{}\">{}</a> ({})</li>",
                escape(url),
                escape(name),
                escape(about)
            ),
        };
    }
    if !list.is_empty() {
        page.push_str("</ul>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// The text on one line, not too long; what could lead a reader astray (control characters, marks
/// that turn the direction of writing) becomes a blank.
fn one_line(text: &str, most: usize) -> String {
    let blank = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    };
    let line: String = text.chars().map(|c| if blank(c) { ' ' } else { c }).collect();
    let line = line.trim();
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// `1 row`, `12,345 rows`.
fn count(number: u64, one: &str, many: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {}", if number == 1 { one } else { many })
}

/// `1 byte`, `12.3 MB`, in powers of a thousand.
fn size(bytes: u64) -> String {
    let mut unit = "";
    let mut value = bytes;
    let mut rest = 0;
    for next in ["KB", "MB", "GB", "TB"] {
        if value < 1_000 {
            break;
        }
        (rest, value, unit) = (value % 1_000 / 100, value / 1_000, next);
    }
    match unit {
        "" => count(bytes, "byte", "bytes"),
        unit => format!("{value}.{rest} {unit}"),
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}
