//! Requests and answers as they stand on the wire, from the files in `wire/`.

use serde_json::json;

use crate::zuora::tests::server::Server;
use crate::zuora::tests::wire::play;

const FILES: &[(&str, &str)] = &[
    ("submit", include_str!("../wire/submit.http")),
    ("life", include_str!("../wire/life.http")),
    ("cancel", include_str!("../wire/cancel.http")),
    ("refused", include_str!("../wire/refused.http")),
    ("headers", include_str!("../wire/headers.http")),
    ("files", include_str!("../wire/files.http")),
    ("series", include_str!("../wire/series.http")),
];

#[tokio::test]
async fn every_conversation_goes_as_it_is_written() {
    play(FILES, async || Server::aqua(json!({})).await).await;
}
