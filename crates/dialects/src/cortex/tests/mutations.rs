//! Requests that chance changed: whatever comes, the answer is a fault or what was asked for, and
//! never the server's own failure.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const BODIES: [&str; 4] = [
    r#"{"label":"x","objects":"c_invoices","format":"text/csv","paths":["c_status","c_account.c_name"],"where":"{\"c_amount\":{\"$gte\":10.5},\"$or\":[{\"c_status\":\"Posted\"},{\"c_account._id\":{\"$in\":[\"a\",\"b\"]}}]}"}"#,
    r#"{"label":"x","objects":"c_accounts","expand":["c_bill_to_contact"],"include":[],"exportFiles":true,"zipFiles":false,"where":{"$nor":[{"c_name":{"$regex":"^a","$options":"i"}}]}}"#,
    r#"{"label":"y","description":"z"}"#,
    r#"{"email":"admin@acme.example","password":"correct horse"}"#,
];
const PATHS: [(&str, &str); 9] = [
    ("POST", "/exports"),
    ("PUT", "/exports/ID"),
    ("GET", "/exports?where=%7B%22state%22%3A%22pending%22%7D&sort=label&limit=3"),
    ("GET", "/exports?paths[]=state&expand[]=creator&skip=1"),
    ("GET", "/exports/ID/dataFile/content"),
    ("GET", "/exports/ID/creator/email"),
    ("GET", "/accounts/status?expand=true"),
    ("POST", "/accounts/me/logout"),
    ("HEAD", "/exports/ID"),
];
/// What is put in place of a piece.
const PIECES: [&str; 24] = [
    "", "\"", "{", "}", "[", "]", ",", ":", "null", "1e999", "-0", "\\u0000", "\\ud800", "$",
    "$where", "c_", "._id", "..", "%00", "%zz", "/", "?", "&", "é",
];

/// A text with some of its pieces cut out, doubled or replaced.
fn mutated(text: &str, changes: &[(usize, usize, usize)]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (at, length, piece) in changes {
        let at = at % (letters.len() + 1);
        let end = (at + length).min(letters.len());
        let piece: Vec<char> = match PIECES.get(*piece) {
            Some(piece) => piece.chars().collect(),
            None => letters[at..end].repeat(2),
        };
        letters.splice(at..end, piece);
    }
    letters.into_iter().collect()
}

fn check(answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(answer.status < 500, "{} {}", answer.status, answer.text());
    if answer.bytes.is_empty() {
        return Ok(());
    }
    let json: Result<Value, _> = serde_json::from_slice(&answer.bytes);
    let json = json.map_err(|error| TestCaseError::fail(format!("{error}: {}", answer.text())))?;
    if json["object"] == "fault" {
        check_fault(&json);
    } else {
        prop_assert!([200, 302].contains(&answer.status), "{} {json}", answer.status);
    }
    Ok(())
}

#[test]
fn whatever_comes_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let server = runtime.block_on(Server::new());
    let id = runtime.block_on(server.create("one"));
    let changes = || proptest::collection::vec((0usize..400, 0usize..6, 0usize..30), 0..5);
    let cases = (0..PATHS.len(), 0..BODIES.len(), changes(), changes(), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 1_500, ..Config::default() });
    let outcome = runner.run(&cases, |(path, body, of_path, of_body, change_path)| {
        let (method, path) = PATHS[path];
        let path = path.replace("ID", &id);
        let path = if change_path { mutated(&path, &of_path) } else { path };
        let body = mutated(BODIES[body], &of_body);
        // Only what HTTP takes as an address comes this far.
        let Ok(uri) = format!("/acme/v2{path}").parse::<http::Uri>() else { return Ok(()) };
        let below = uri.path().strip_prefix("/acme/v2").unwrap_or_default();
        let below: String =
            below.split('/').filter(|s| !s.is_empty()).map(|s| format!("/{s}")).collect();
        let request = server.signed(APP, "acme", method, &below).uri(uri).body(Body::from(body));
        let Ok(request) = request else { return Ok(()) };
        check(&runtime.block_on(server.send(request)))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
