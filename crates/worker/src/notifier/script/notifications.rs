//! The module `notifications` of scripts: `send(template, variables, {recipient})` sends a mail.
//!
//! There are no stored templates: the template is the text itself. Its first line is the subject,
//! `{{name}}` stands for a variable, and variables that stand nowhere are listed at its end.

use outhaul_delivery::mail::{Mail, note};
use outhaul_exports::limits;
use outhaul_exports::notice::{Message, check_address};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::host::{Calls, members};

/// Sends a mail, and answers nothing.
pub(super) async fn send(calls: &Calls<'_>, arguments: Vec<Value>) -> Result<Value, String> {
    let letter = read(arguments)?;
    if !calls.may_mail {
        return Err("scripts send no mails from this server".to_owned());
    }
    let Some(mailer) = &calls.notifier.mailer else {
        return Err("this server sends no mail".to_owned());
    };
    let mail = letter.written(calls);
    let patience = calls.notifier.timings.notice;
    let sent = timeout(patience, mailer.send(&mail))
        .await
        .map_err(|_| format!("the mail was not taken within {} s", patience.as_secs_f32()))?;
    sent.map(|()| Value::Null).map_err(|refusal| {
        tracing::info!(
            message_id = %calls.message.id,
            error = refusal.internal,
            "a mail of a script was not taken"
        );
        refusal.public
    })
}

struct Letter {
    to: String,
    subject: String,
    paragraphs: Vec<String>,
}

impl Letter {
    fn written(mut self, calls: &Calls<'_>) -> Mail {
        let message: &Message = calls.message;
        self.paragraphs
            .push(format!("This was sent by the script of the export {}.", message.export));
        let id = message.id.part(calls.next_mail());
        let now = calls.notifier.clock.now();
        note(id, &self.to, &self.subject, &self.paragraphs, now)
    }
}

fn read(arguments: Vec<Value>) -> Result<Letter, String> {
    let mut arguments = arguments.into_iter();
    let most = limits::SCRIPT_MAIL_CHARS_MAX;
    let template = match arguments.next() {
        Some(Value::String(text)) if !text.trim().is_empty() && is_short(&text) => text,
        _ => return Err(format!("its first argument is a text of 1 to {most} characters")),
    };
    let variables = match arguments.next().unwrap_or_default() {
        Value::Null => Map::new(),
        Value::Object(variables) if variables.len() <= limits::SCRIPT_MAIL_VALUES_MAX => variables,
        _ => {
            let most = limits::SCRIPT_MAIL_VALUES_MAX;
            return Err(format!("the variables are an object of at most {most} members"));
        }
    };
    let options = members(arguments.next(), "the options", &["recipient"])?;
    let Some(Value::String(to)) = options.get("recipient") else {
        return Err("the options name the recipient, an address for mail".to_owned());
    };
    if arguments.next().is_some() {
        return Err("it takes a template, variables and options".to_owned());
    }
    check_address("recipient", to).map_err(|error| error.public().to_owned())?;
    let (text, rest) = fill(&template, &variables);
    if !is_short(&text) || rest.iter().any(|line| !is_short(line)) {
        return Err(format!("the mail is too long: at most {most} characters, and for each value"));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
    let mut paragraphs: Vec<String> = lines.collect();
    // A text of places alone may come to nothing.
    let subject = paragraphs.first().cloned().unwrap_or_else(|| "Your export".to_owned());
    paragraphs.extend(rest);
    Ok(Letter { to: to.clone(), subject, paragraphs })
}

fn is_short(text: &str) -> bool {
    text.chars().nth(limits::SCRIPT_MAIL_CHARS_MAX).is_none()
}

/// The template with the variables in their places, and a line for each that has none. Each place is
/// filled once: nothing in a value is read as a place.
fn fill(template: &str, variables: &Map<String, Value>) -> (String, Vec<String>) {
    let (mut text, mut rest) = (String::new(), template);
    let mut placed: Vec<&str> = Vec::new();
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let place = after.split_once("}}").map(|(name, after)| (name.trim(), after));
        match place.and_then(|(name, after)| Some((variables.get_key_value(name)?, after))) {
            Some(((name, value), after)) => {
                // It grows to no more than is refused anyway.
                if is_short(&text) {
                    text.push_str(&shown(value));
                }
                placed.push(name);
                rest = after;
            }
            None => {
                text.push_str("{{");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    let unplaced = variables.iter().filter(|(name, _)| !placed.contains(&name.as_str()));
    (text, unplaced.map(|(name, value)| format!("{name}: {}", shown(value))).collect())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(arguments: Value) -> Result<Letter, String> {
        read(arguments.as_array().expect("a list").clone())
    }

    #[test]
    fn a_mail_is_its_text_with_the_variables_in_their_places() {
        let text = "Export {{ name }} is {{state}}\n\nLook at {{link}}, {{name}}.";
        let variables = json!({"name": "{{state}}", "state": "ready", "rows": 3, "of": {"a": 1}});
        let found = letter(json!([text, variables, {"recipient": "a@example.com"}]));
        let found = found.expect("good");
        assert_eq!(found.subject, "Export {{state}} is ready");
        let lines = [
            "Export {{state}} is ready",
            "Look at {{link}}, {{state}}.",
            "rows: 3",
            "of: {\"a\":1}",
        ];
        assert_eq!(found.paragraphs, lines);
        assert_eq!(found.to, "a@example.com");
        let to = json!({"recipient": "a@example.com"});
        let bare = letter(json!(["export-ready", null, to])).expect("good");
        assert_eq!((bare.subject.as_str(), bare.paragraphs.len()), ("export-ready", 1));
        let empty = letter(json!(["{{a}}", {"a": null}, to])).expect("good");
        assert_eq!((empty.subject.as_str(), empty.paragraphs.len()), ("Your export", 0));
    }

    #[test]
    fn what_is_no_mail_is_refused() {
        let to = json!({"recipient": "a@example.com"});
        let long = "x".repeat(limits::SCRIPT_MAIL_CHARS_MAX);
        let many: Map<String, Value> = (0..101).map(|n| (n.to_string(), json!(n))).collect();
        for (arguments, part) in [
            (json!([]), "a text of 1 to 10000"),
            (json!([" ", null, to]), "a text of 1 to 10000"),
            (json!([format!("{long}x"), null, to]), "a text of 1 to 10000"),
            (json!(["a", [], to]), "at most 100 members"),
            (json!(["a", many, to]), "at most 100 members"),
            (json!(["a", {}]), "name the recipient"),
            (json!(["a", {}, {"recipient": ["a@example.com"]}]), "name the recipient"),
            (
                json!(["a", {}, {"recipient": "a@example.com", "bcc": "b@x.org"}]),
                "no member \"bcc\"",
            ),
            (json!(["a", {}, {"recipient": "a@example.com\r\nBcc: b@x.org"}]), "control character"),
            (json!(["a", {}, {"recipient": "nobody"}]), "no @"),
            (json!(["a", {}, to, 1]), "it takes"),
            (json!(["{{a}}{{a}}", {"a": long}, to]), "too long"),
            (json!(["a", {"a": long}, to]), "too long"),
        ] {
            let error = letter(arguments).err().expect(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
