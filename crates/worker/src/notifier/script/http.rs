//! The module `http` of scripts: `get(url, options)` and `delete(url, options)`, and
//! `post`, `put`, `patch`, each with `(url, body, options)`.

use std::collections::BTreeMap;

use outhaul_delivery::callback::{Answer, Ask, AskMethod};
use outhaul_exports::limits;
use serde_json::{Value, json};
use url::Url;

use super::host::{Calls, members};

/// Sends a request, and answers `{statusCode, headers, body}`.
pub(super) async fn request(
    calls: &Calls<'_>,
    function: &str,
    arguments: Vec<Value>,
) -> Result<Value, String> {
    let ask = read(function, arguments)?;
    if calls.own.is_some_and(|own| is_same_server(own, &ask.url)) {
        return Err("this server itself is not called by scripts".to_owned());
    }
    let Some(caller) = &calls.notifier.caller else {
        return Err("this server sends no requests (callbacks are switched off)".to_owned());
    };
    match caller.ask(&ask).await {
        Ok(answer) => Ok(shown(answer)),
        Err(refusal) => {
            tracing::info!(
                message_id = %calls.message.id,
                error = refusal.internal,
                "a request of a script was not answered"
            );
            Err(refusal.public)
        }
    }
}

fn read(function: &str, arguments: Vec<Value>) -> Result<Ask, String> {
    let (method, has_body) = match function {
        "get" => (AskMethod::Get, false),
        "delete" => (AskMethod::Delete, false),
        "post" => (AskMethod::Post, true),
        "put" => (AskMethod::Put, true),
        _ => (AskMethod::Patch, true),
    };
    let mut arguments = arguments.into_iter();
    let Some(Value::String(url)) = arguments.next() else {
        return Err("its first argument is the URL, a text".to_owned());
    };
    let body = if has_body { arguments.next().unwrap_or_default() } else { Value::Null };
    let mut options = members(arguments.next(), "the options", &["headers"])?;
    if arguments.next().is_some() {
        let takes = if has_body { "a URL, a body and options" } else { "a URL and options" };
        return Err(format!("it takes {takes}"));
    }
    let mut headers = headers(options.remove("headers").unwrap_or_default())?;
    let (media_type, body) = match body {
        Value::Null => (None, None),
        Value::String(text) => (Some("text/plain; charset=utf-8"), Some(text)),
        other => (Some("application/json"), Some(other.to_string())),
    };
    let is_named = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some(media_type) = media_type.filter(|_| !is_named) {
        headers.push(("content-type".to_owned(), media_type.to_owned()));
    }
    Ok(Ask { method, url, headers, body, timeout: limits::SCRIPT_REQUEST_TIME })
}

fn headers(given: Value) -> Result<Vec<(String, String)>, String> {
    let members = match given {
        Value::Null => return Ok(Vec::new()),
        Value::Object(members) => members,
        _ => return Err("the headers are an object".to_owned()),
    };
    let header = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        _ => Err(format!("the header {name:?} is a text or a number")),
    };
    members.into_iter().map(header).collect()
}

/// The answer as a script sees it: headers of one name are joined, and what is no UTF-8 in the body
/// is replaced.
fn shown(answer: Answer) -> Value {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in answer.headers {
        let joined = headers.entry(name).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&value);
    }
    let body = String::from_utf8_lossy(&answer.body);
    json!({ "statusCode": answer.status, "headers": headers, "body": body })
}

/// Whether a URL leads to the host and port of another.
fn is_same_server(own: &Url, url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let place = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    place(own) == place(&url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(function: &str, arguments: Value) -> Result<Ask, String> {
        read(function, arguments.as_array().expect("a list").clone())
    }

    #[test]
    fn arguments_become_a_request() {
        let url = "https://a.example/";
        let get = ask("get", json!([url, {"headers": {"X-A": "1", "x-b": 2}}])).expect("good");
        assert_eq!((get.method, get.url.as_str(), get.body), (AskMethod::Get, url, None));
        assert_eq!(get.headers, [("X-A".into(), "1".into()), ("x-b".into(), "2".into())]);
        let sent = |body: Value| {
            let ask = ask("post", json!([url, body])).expect("good");
            (ask.body, ask.headers.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
        };
        let json_type = vec!["application/json".to_owned()];
        assert_eq!(sent(json!({"a": [1]})), (Some("{\"a\":[1]}".into()), json_type));
        let text_type = vec!["text/plain; charset=utf-8".to_owned()];
        assert_eq!(sent(json!("{}")), (Some("{}".into()), text_type));
        assert_eq!(sent(Value::Null), (None, vec![]));
        let own = json!([url, "<a/>", {"headers": {"Content-Type": "text/xml"}}]);
        let own = ask("put", own).expect("good");
        assert_eq!(own.headers, [("Content-Type".into(), "text/xml".into())]);
        assert_eq!(ask("delete", json!([url])).expect("good").method, AskMethod::Delete);
        for (function, arguments, part) in [
            ("get", json!([]), "the URL"),
            ("get", json!([7]), "the URL"),
            ("get", json!([url, "x"]), "the options are an object"),
            ("get", json!([url, {"timeout": 1}]), "no member \"timeout\"; there is: headers"),
            ("get", json!([url, null, 1]), "a URL and options"),
            ("post", json!([url, 1, null, 1]), "a URL, a body and options"),
            ("get", json!([url, {"headers": []}]), "the headers are an object"),
            ("get", json!([url, {"headers": {"a": {}}}]), "a text or a number"),
        ] {
            let error = ask(function, arguments).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn this_server_is_known_however_its_address_is_written() {
        let own = Url::parse("https://exports.example.com").expect("a URL");
        for (url, same) in [
            ("https://exports.example.com/v2/exports", true),
            ("HTTPS://EXPORTS.example.com:443/", true),
            ("https://exports.example.com:8443/", false),
            ("https://example.com/", false),
            ("no URL", false),
        ] {
            assert_eq!(is_same_server(&own, url), same, "{url}");
        }
        let local = Url::parse("http://127.0.0.1:8080").expect("a URL");
        assert!(is_same_server(&local, "http://0x7f000001:8080/x"));
    }

    #[test]
    fn headers_of_one_name_are_joined() {
        let headers = [("a", "1"), ("b", ""), ("a", "2")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let answer = Answer { status: 302, headers, body: b"x\xff".to_vec() };
        let expected =
            json!({"statusCode": 302, "headers": {"a": "1, 2", "b": ""}, "body": "x\u{fffd}"});
        assert_eq!(shown(answer), expected);
    }
}
