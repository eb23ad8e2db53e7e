//! The committed OpenAPI document and the routes say the same.

use crate::zuora::tests::openapi::{check_operations, check_references};
use crate::zuora::tests::server::Server;

const DOCUMENT: &str = include_str!("../../../../../../docs/openapi/zuora_export.json");

#[tokio::test]
async fn every_operation_is_served_and_no_other() {
    check_operations(DOCUMENT, &Server::new().await).await;
}

#[test]
fn every_reference_leads_somewhere() {
    let count = check_references(DOCUMENT);
    assert!(count > 100, "{count}");
}
