//! The server's wish to stop, for answers that would otherwise never end. The listener puts the
//! signal into every request's extensions, since it is what waits for answers; where nobody did (a
//! router without a listener, as in tests), it never comes.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio_util::sync::CancellationToken;

/// Cancelled when the server begins to stop; an answer that can go on elsewhere ends then.
#[derive(Debug, Clone, Default)]
pub struct Stopping(pub CancellationToken);

impl<S: Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
