//! What is too long for an address stands in a form.

use anyhow::Context as _;
use outhaul_e2e::server::{Options, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Zoho, accepted, refused};

/// Characters of the longest criteria here; a form takes 100,000.
const CRITERIA_CHARS: usize = 90_000;

/// Criteria of about so many characters that name all of the ids, and ids that nobody has.
fn criteria(ids: &[String]) -> String {
    let mut text = String::from("\"Id\" IN ('none'");
    for id in ids {
        text.push_str(&format!(", '{id}'"));
    }
    let mut filler = 0;
    while text.len() < CRITERIA_CHARS - 40 {
        filler += 1;
        text.push_str(&format!(", 'filler {filler:024}'"));
    }
    text.push(')');
    text
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
    assert!((CRITERIA_CHARS - 40..=CRITERIA_CHARS).contains(&criteria.len()));
    let config = json!({
        "responseFormat": "json", "selectedColumns": ["Id"], "criteria": criteria,
    });
    let statement = json!({
        "responseFormat": "json", "sqlQuery": format!("SELECT Id FROM \"Invoice Item\" WHERE {criteria}"),
    });
    // In an address it is refused, and so is anything else that long.
    let view = format!("{}/{}", client.bulk(), client.view("InvoiceItem"));
    let long = format!("/restapi/v2/orgs?x={}", "y".repeat(70_000));
    for answer in [
        client.get(&format!("{view}/data"), &config).await?,
        client.get(&format!("{}/data", client.bulk()), &statement).await?,
        client.request(Method::GET, &long).send().await?,
    ] {
        assert_eq!(answer.status(), StatusCode::URI_TOO_LONG);
        println!("414 with {:?} and {:?}", answer.headers().clone(), answer.text().await?);
    }
    // One of nearly 64 KiB is not.
    let path = format!("/restapi/v2/orgs?x={}", "y".repeat(64 * 1024 - 200));
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
    let longer = json!({"criteria": format!("{} OR \"Id\" = '{}'", criteria, "x".repeat(20_000))});
    let request = client.request(Method::POST, &format!("{view}/exportjobs"));
    let answer = request.form(&[("CONFIG", longer.to_string())]).send().await?;
    assert_eq!(refused(answer).await?.1, 8507);
    println!("{} rows by criteria of {} characters", wanted.len(), criteria.len());
    Ok(())
}
