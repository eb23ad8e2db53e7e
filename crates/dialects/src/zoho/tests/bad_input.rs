//! The catalogue of bad input: what CONFIG may hold, and what is answered. Its form is described at
//! the top of `bad_input.toml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;
use crate::kit::json::parse_object;

const CATALOGUE: &str = include_str!("bad_input.toml");
/// What stands in CONFIG beside the rest, and in no answer.
const PASSWORD: &str = "n\u{f6}where-to-be-seen";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    of: String,
    config: Option<String>,
    query: Option<String>,
    #[serde(default = "bad_request")]
    status: u16,
    code: Option<u64>,
    #[serde(default)]
    says: String,
    #[serde(default)]
    only_jobs: bool,
}

fn bad_request() -> u16 {
    400
}

#[tokio::test]
async fn every_bad_input_gets_its_answer_and_makes_no_job() {
    let server = Server::new().await;
    let catalogue: Catalogue = toml::from_str(CATALOGUE).expect("the catalogue is sound");
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in &catalogue.case {
        assert!(names.insert(&case.name), "two cases are called {}", case.name);
        for (place, answer) in answers(&server, case).await {
            if let Err(what) = compare(&server, case, &answer).await {
                wrong.push(format!("{}, {place}: {what}\n  {}", case.name, answer.text()));
            }
        }
        if !server.all_jobs("acme").await.is_empty() {
            wrong.push(format!("{}: a job was made", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(names.len() > 150, "only {} cases", names.len());
}

/// The answers to a case, in every way in which it can be sent.
async fn answers(server: &Server, case: &Case) -> Vec<(&'static str, Answer)> {
    let (get, form, at_once) = paths(case);
    if let Some(query) = &case.query {
        let query = server.filled(&repeated(query));
        let answer = server.get(&format!("{get}?{query}")).await;
        if form.is_empty() {
            return vec![("raw", answer)];
        }
        return vec![("raw", answer), ("raw form", server.ask("POST", &form, &query).await)];
    }
    let config = repeated(case.config.as_deref().expect("a case has a config or a query"));
    let config = server.filled(&config);
    let with_password = with_password(&config);
    let mut all = Vec::new();
    for (plain, config) in [(true, Some(config)), (false, with_password)] {
        let Some(config) = config else { continue };
        let parameter = format!("CONFIG={}", encoded(&config));
        let fits = get.len() + parameter.len() < 64_900;
        if fits {
            all.push(("address", server.get(&format!("{get}?{parameter}")).await));
        }
        if !form.is_empty() {
            all.push(("form", server.ask("POST", &form, &parameter).await));
        }
        // What is accepted there waits for its end.
        let is_refused = all.last().is_some_and(|(_, answer)| answer.status != 200);
        if plain
            && fits
            && is_refused
            && case.code.is_some()
            && !at_once.is_empty()
            && !case.only_jobs
        {
            all.push(("at once", server.get(&format!("{at_once}?{parameter}")).await));
        }
    }
    all
}

/// Where a case is sent to: an address, a form, and the call that answers the file.
fn paths(case: &Case) -> (String, String, String) {
    let at_once = |path: &str| path.replace("/bulk/", "/");
    match case.of.as_str() {
        "sql" => (SQL_PATH.to_owned(), SQL_FORM.to_owned(), at_once(SQL_PATH)),
        path if path.starts_with('/') => (path.to_owned(), String::new(), String::new()),
        view => {
            let view = if view.is_empty() { "Account" } else { view };
            let get = view_path(view);
            let table = !["Totals", "Broken"].contains(&view);
            let once = if table { at_once(&get) } else { String::new() };
            (get, view_form(view), once)
        }
    }
}

/// CONFIG with a password that is right, where there is none.
fn with_password(config: &str) -> Option<String> {
    let map = parse_object(config.as_bytes()).ok()?;
    // One that is as long as it may be has no place for it.
    if map.is_empty() || map.contains_key("password") || config.len() > 90_000 {
        return None;
    }
    let rest = config.trim_start().strip_prefix('{')?;
    Some(format!("{{\"password\":{},{rest}", json!(PASSWORD)))
}

/// A text in which `«x*3»` stands for `xxx`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (inside, after) = after.split_once('»').expect("it ends");
        let (piece, times) = inside.rsplit_once('*').expect("it says how often");
        out.push_str(before);
        out.push_str(&piece.repeat(times.parse().expect("a number")));
        rest = after;
    }
    out + rest
}

/// Whether an answer is as it must be; what was accepted is removed.
async fn compare(server: &Server, case: &Case, answer: &Answer) -> Result<(), String> {
    let text = answer.text();
    if text.contains(PASSWORD) || text.contains("n\\u00f6where") {
        return Err("the password is in the answer".to_owned());
    }
    let Some(code) = case.code else {
        if answer.status != 200 {
            return Err("it is refused".to_owned());
        }
        let data = answer.data();
        if let Some(number) = data["jobId"].as_str() {
            server.cancel(number).await;
            let export = server.stored("acme", number).await;
            let now = server.world.exports.now();
            let removed = server.world.store.remove(&export.tenant, export.id, now).await;
            assert!(removed.expect("memory is never away").is_some());
        }
        return Ok(());
    };
    if answer.status == 200 {
        return Err("it is accepted".to_owned());
    }
    let found = answer.trouble();
    if found != (case.status, code) {
        return Err(format!("{found:?}, expected {:?}", (case.status, code)));
    }
    let json = answer.json();
    let message = json["data"]["errorMessage"].as_str().unwrap_or_default();
    match message.contains(&server.filled(&case.says)) && message.chars().count() < 1_000 {
        true => Ok(()),
        false => Err(format!("{:?} is missing, or it is too long", case.says)),
    }
}
