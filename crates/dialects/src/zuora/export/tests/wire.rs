//! Requests and answers as they stand on the wire, from the files in `wire/`.

use crate::zuora::tests::server::Server;
use crate::zuora::tests::wire::play;

const FILES: &[(&str, &str)] = &[
    ("tokens", include_str!("../wire/tokens.http")),
    ("export", include_str!("../wire/export.http")),
    ("refused", include_str!("../wire/refused.http")),
    ("files", include_str!("../wire/files.http")),
    ("describe", include_str!("../wire/describe.http")),
    ("headers", include_str!("../wire/headers.http")),
];

#[tokio::test]
async fn every_conversation_goes_as_it_is_written() {
    play(FILES, Server::new).await;
}
