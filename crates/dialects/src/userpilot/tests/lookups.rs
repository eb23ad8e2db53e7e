//! The look-ups over a planner that answers every row with the names of its columns.

use serde_json::json;

use super::*;

async fn look_up(server: &Server, name: &str) -> Answer {
    server.send("GET", &format!("{PREFIX}/lookups/{name}"), "acme-reader", "").await
}

#[tokio::test]
async fn properties_are_the_fields_of_the_catalog() {
    let server = Server::new().await;
    let users = look_up(&server, "user_properties").await.json();
    assert_eq!(
        users[0],
        json!({"id": "user_id", "type": "user_property", "key": "user_id", "display_name": "User Id",
               "data_type": "String", "is_auto_property": true})
    );
    let types: Vec<_> = users.as_array().expect("a list").iter().map(|p| &p["data_type"]).collect();
    assert_eq!(types, ["String", "String", "Date", "Numeric"], "sensitive fields are not shown");
    let companies = look_up(&server, "company_properties/").await.json();
    assert_eq!(companies[1]["type"], "company_property");
}

#[tokio::test]
async fn rows_of_the_data_are_items() {
    let server = Server::new().await;
    let segments = look_up(&server, "segments").await.json();
    let first = &segments["data"][0];
    assert_eq!(first["title"], "title");
    assert_eq!((&first["usage"], &first["category"]), (&json!("all"), &json!("user_id")));
    assert_eq!(segments["metadata"]["limit"], 50);
    assert_eq!(segments["metadata"]["cursor"], json!({"after": null, "before": null}));
    let flows = look_up(&server, "flows").await.json();
    assert_eq!(flows[0], json!({"id": "id", "title": "title"}));
    let features = look_up(&server, "features_events").await.json();
    assert_eq!(features[0], json!({"display_name": "title", "key": "key", "data_type": "String"}));
    let surveys = look_up(&server, "surveys").await.json();
    assert_eq!(surveys[0]["modules"], json!([]));
}

#[tokio::test]
async fn what_is_not_there_is_empty_or_unknown() {
    let server = Server::new().await;
    let properties = look_up(&server, "events_properties").await.json();
    assert_eq!(
        (&properties["data"], &properties["metadata"]["total_count"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(look_up(&server, "user-properties").await.status, 404);
    let wrong = look_up(&server, "segments?after_cursor=%21").await;
    assert_eq!((wrong.status, wrong.error().1.as_str()), (422, "after_cursor"));
    let stranger = server.send("GET", &format!("{PREFIX}/lookups/flows"), "", "").await;
    assert_eq!(stranger.status, 401);
}
