//! The catalogue of bad input: what a new export may not say. Its form is described at the top of
//! `bad_input.toml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

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
    with: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    child: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    says: String,
}

impl Case {
    /// The body: a good one with some members changed, or as it is.
    fn sent(&self) -> String {
        if let Some(body) = &self.body {
            return repeated(body);
        }
        let with = repeated(self.with.as_deref().unwrap_or_default());
        let given = |key: &str| with.contains(&format!("\"{key}\":"));
        let mut members: Vec<String> = Vec::new();
        for (key, member) in [("label", r#""label":"x""#), ("objects", r#""objects":"c_invoices""#)]
        {
            if !given(key) {
                members.push(member.to_owned());
            }
        }
        if !with.is_empty() {
            members.push(with);
        }
        format!("{{{}}}", members.join(","))
    }
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

fn compare(case: &Case, answer: &Answer) -> Result<(), String> {
    let json = answer.json();
    let Some(code) = &case.code else {
        return match (answer.status, json["object"] == "export") {
            (200, true) => Ok(()),
            _ => Err("it is refused".to_owned()),
        };
    };
    if answer.status == 200 {
        return Err("it is accepted".to_owned());
    }
    let (found, status) = answer.fault();
    if (&found, status) != (code, 400) {
        return Err(format!("{found} {status}, expected {code} 400"));
    }
    let place = if case.child.is_some() { &json["faults"][0] } else { &json };
    if let Some(child) = &case.child
        && place["code"] != child.as_str()
    {
        return Err(format!("the child is {}", place["code"]));
    }
    if let Some(path) = &case.path
        && place["path"] != path.as_str()
    {
        return Err(format!("the path is {}, expected {path}", place["path"]));
    }
    let reason = place["reason"].as_str().unwrap_or_default();
    match reason.contains(&case.says) && answer.bytes.len() < 5_000 {
        true => Ok(()),
        false => Err(format!("{:?} is missing, or it is too long", case.says)),
    }
}

#[tokio::test]
async fn every_bad_input_gets_its_fault_and_makes_no_export() {
    let server = Server::new().await;
    let catalogue: Catalogue =
        toml::from_str(include_str!("bad_input.toml")).expect("the catalogue is sound");
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in &catalogue.case {
        assert!(names.insert(&case.name), "two cases are called {}", case.name);
        let answer = server.ask("POST", "/exports", &case.sent()).await;
        if let Err(what) = compare(case, &answer) {
            let text: String = answer.text().chars().take(600).collect();
            wrong.push(format!("{}: {what}\n  {text}", case.name));
        }
        if answer.status == 200 {
            server.ask("DELETE", &format!("/exports/{}", id_of(&answer.json())), "").await.ok();
        }
        let left = server.get("/exports").await.ok()["data"].clone();
        assert_eq!(left, json!([]), "{}: an export was made", case.name);
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(names.len() > 90, "only {} cases", names.len());
}
