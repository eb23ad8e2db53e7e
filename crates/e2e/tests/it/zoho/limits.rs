//! What is too long for an address stands in a form.

use anyhow::Context as _;
use outhaul_e2e::server::{Options, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Zoho, accepted, answered, refused};

/// Characters of the longest criteria here; a form takes 100,000.
const CRITERIA_CHARS: usize = 90_000;

/// Criteria of that many characters which name all of the ids, each on a line of its own and far to
/// the right: blanks count in CONFIG, but not in the query that is made of it, whose limit is lower.
fn criteria(ids: &[String]) -> String {
    let bare: usize = ids.iter().map(|id| id.len() + 4).sum();
    let blanks = (CRITERIA_CHARS - bare - 20) / ids.len();
    let items = ids.iter().map(|id| format!("{:blanks$}\n'{id}'", ""));
    let text = format!("\"Id\" IN ({})", items.collect::<Vec<_>>().join(","));
    text.clone() + &" ".repeat(CRITERIA_CHARS - text.len())
}

/// A path with CONFIG as the vendor's SDK writes it.
fn with_config(path: &str, config: &Value) -> String {
    let config = config.to_string();
    let encoded = config.bytes().map(|byte| match byte {
        b' ' => "+".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    format!("{path}?CONFIG={}", encoded.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_an_address_stands_in_a_form() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(20_000)).await?;
    let client = Zoho::sign_in(&server, "acme").await?;
    let some = json!({
        "responseFormat": "json", "selectedColumns": ["Id"],
        "criteria": "\"Service Start Date\" BETWEEN '2025-01-01' AND '2025-01-31'",
    });
    let ids = |file: Vec<u8>| -> anyhow::Result<Vec<String>> {
        let document: Value = serde_json::from_slice(&file)?;
        let rows = document["data"].as_array().context("rows")?;
        let mut ids: Vec<_> =
            rows.iter().map(|row| row["Id"].as_str().unwrap_or_default().to_owned()).collect();
        ids.sort_unstable();
        Ok(ids)
    };
    let id = accepted(client.create("InvoiceItem", &some).await?).await?;
    let wanted = ids(client.download(&id).await?)?;
    assert!(wanted.len() > 100, "{}", wanted.len());

    let criteria = criteria(&wanted);
    assert_eq!(criteria.len(), CRITERIA_CHARS);
    let config = json!({
        "responseFormat": "json", "selectedColumns": ["Id"], "criteria": criteria,
    });
    let statement = json!({
        "responseFormat": "json", "sqlQuery": format!("SELECT Id FROM \"Invoice Item\" WHERE {criteria}"),
    });
    // In an address it is refused, and so is anything else that long.
    let view = format!("{}/{}", client.bulk(), client.view("InvoiceItem"));
    let address = server.base_url.trim_start_matches("http://").parse()?;
    for (path, says_what_to_do) in [
        (with_config(&format!("{view}/data"), &config), false),
        (with_config(&format!("{}/data", client.bulk()), &statement), false),
        (format!("/restapi/v2/orgs?x={}", "y".repeat(65_100)), true),
        (format!("/restapi/v2/orgs?x={}", "y".repeat(70_000)), false),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: exports\r\nConnection: close\r\n\r\n");
        let (status, answer) = answered(address, head.as_bytes()).await?;
        assert_eq!(status, 414, "{} bytes", path.len());
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer.contains("8507") && answer.contains("/exportjobs"), says_what_to_do);
    }
    // One of nearly 64 KiB is not.
    let path = format!("/restapi/v2/orgs?x={}", "y".repeat(64_900));
    let answer = client.request(Method::GET, &path).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);

    // In a form it does what it says.
    for (path, config) in [
        (format!("{view}/exportjobs"), &config),
        (format!("{view}/exportjobs/"), &config),
        (format!("{}/exportjobs", client.bulk()), &statement),
    ] {
        let request = client.request(Method::POST, &path);
        let id = accepted(request.form(&[("CONFIG", config.to_string())]).send().await?).await?;
        assert_eq!(ids(client.download(&id).await?)?, wanted, "{path}");
    }
    // As long without the blanks, it is more than the engine reads, and the refusal says how much that is.
    let many = vec![format!("'{}'", "x".repeat(32)); CRITERIA_CHARS / 36].join(", ");
    let dense = json!({"criteria": format!("\"Id\" IN ({many})")});
    let request = client.request(Method::POST, &format!("{view}/exportjobs"));
    let answer = request.form(&[("CONFIG", dense.to_string())]).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("7327") && text.contains("longer than 20000 characters"), "{text}");
    let longer = json!({"criteria": format!("{} OR \"Id\" = '{}'", criteria, "x".repeat(20_000))});
    let request = client.request(Method::POST, &format!("{view}/exportjobs"));
    let answer = request.form(&[("CONFIG", longer.to_string())]).send().await?;
    assert_eq!(refused(answer).await?.1, 8507);
    println!("{} rows by criteria of {} characters", wanted.len(), criteria.len());
    Ok(())
}
