//! The one guard before every path of this vendor.
//!
//! In order: the slashes of the path, the client's track id, who asks, how often, how many at
//! once, which entities. What is refused, here or behind the door, is written here, in the family
//! of the path; and every answer is marked here with the headers that Zuora promises for all.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use outhaul_exports::principal::Principal;
use tower::util::ServiceExt as _;

use super::Zuora;
use super::auth;
use super::errors::{Family, Refusal, Trouble};
use super::headers::{self, Marks};
use super::limits::{Place, Standing};
use crate::kit::gzip;
use crate::kit::request_id::RequestId;

/// The path that needs no credential: it is where one gets a token.
pub const TOKEN_PATH: &str = "/oauth/token";

/// Puts the door before routes, with this vendor's answers to unknown paths and methods.
pub fn build(routes: Router<Arc<Zuora>>, zuora: Arc<Zuora>) -> Router {
    let inner = routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(Arc::clone(&zuora), guard))
        .layer(from_fn(gzip::compress))
        .with_state(zuora);
    // The path is put in order before it is matched, so this stands outside of the routes.
    let ordered = tower::service_fn(move |mut request: Request| {
        let inner = inner.clone();
        async move {
            if let Some(uri) = in_order(request.uri()) {
                *request.uri_mut() = uri;
            }
            Ok::<_, Infallible>(inner.oneshot(request).await.into_response())
        }
    });
    Router::new().fallback_service(ordered)
}

/// The URI with single slashes and none at the end; `None` when it is so already. Clients build
/// `//v1/object/export` and `/v1/batch-query//jobs/ID`; a redirect would turn their POST into a
/// GET, so the path is read as it was meant.
fn in_order(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (path.len() == 1 || !path.ends_with('/')) {
        return None;
    }
    let mut ordered = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        ordered.push('/');
        ordered.push_str(part);
    }
    if ordered.is_empty() {
        ordered.push('/');
    }
    if let Some(query) = uri.query() {
        ordered.push('?');
        ordered.push_str(query);
    }
    ordered.parse().ok()
}

async fn no_such_path() -> Refusal {
    Refusal::new(Trouble::NoSuchPath, "There is no such path in this API")
}

async fn no_such_method(method: Method) -> Refusal {
    let text = format!("This path does not take {method}; the header Allow says what it takes");
    Refusal::new(Trouble::NoSuchMethod, text)
}

/// Who is let in, with a place among the requests in hand.
struct Admitted {
    who: Option<Principal>,
    _place: Option<Place>,
}

async fn guard(State(zuora): State<Arc<Zuora>>, mut request: Request, next: Next) -> Response {
    let family = Family::of(request.uri().path());
    let request_id = request.extensions().get::<RequestId>().cloned();
    let track_id = headers::track_id(request.headers());
    let mut marks = Marks {
        request_id: request_id.unwrap_or_else(RequestId::random).0,
        track_id: track_id.as_ref().ok().cloned().flatten(),
        rate: None,
        concurrency: (zuora.concurrency.most(), zuora.concurrency.most()),
    };
    let (path, headers) = (request.uri().path(), request.headers());
    let admitted = admit(&zuora, path, headers, &mut marks).await;
    let admitted = admitted.and_then(|admitted| track_id.map(|_| admitted));
    let mut response = match admitted {
        Ok(admitted) => {
            if let Some(who) = admitted.who.clone() {
                request.extensions_mut().insert(who);
            }
            next.run(request).await
            // `admitted` is dropped after this: the place is kept while the request is in hand.
        }
        Err(refusal) => refusal.into_response(),
    };
    let standing = response.extensions_mut().remove::<Standing>();
    // What was refused before it was clear whose it is counts as a stranger's.
    let stranger = || zuora.sign_ins.take("", zuora.exports.now());
    marks.rate = standing.or(marks.rate).or_else(stranger);
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = refusal.write(family);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    headers::mark(&mut response, marks);
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    response
}

/// Answers are a tenant's own; none is kept by anything in between.
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

async fn admit(
    zuora: &Zuora,
    path: &str,
    headers: &HeaderMap,
    marks: &mut Marks,
) -> Result<Admitted, Refusal> {
    if path == TOKEN_PATH {
        return Ok(Admitted { who: None, _place: None });
    }
    let now = zuora.exports.now();
    let mut who = match auth::principal(zuora, headers).await {
        Ok(who) => who,
        Err(refusal) if refusal.trouble == Trouble::Unauthenticated => {
            marks.rate = zuora.sign_ins.take("", now);
            return match marks.rate.as_ref().filter(|standing| !standing.allowed) {
                Some(standing) => {
                    let text = "Too many requests without a valid credential";
                    let refusal = Refusal::new(Trouble::TooManyRequests, text);
                    Err(refusal.retry_after(standing.reset))
                }
                None => Err(refusal),
            };
        }
        Err(refusal) => return Err(refusal),
    };
    marks.rate = zuora.rates.take(&format!("{}/{}", who.tenant, who.credential), now);
    if let Some(standing) = marks.rate.as_ref().filter(|standing| !standing.allowed) {
        let text = format!(
            "The limit of requests is reached ({}); it begins anew in {} seconds",
            standing.limit, standing.reset
        );
        return Err(Refusal::new(Trouble::TooManyRequests, text).retry_after(standing.reset));
    }
    let place = zuora.concurrency.enter(&who.tenant.0);
    marks.concurrency.1 = zuora.concurrency.remaining(&who.tenant.0);
    let Some(place) = place else {
        let text = format!(
            "The limit of {} concurrent requests per tenant is reached; try again when one has \
             ended",
            zuora.concurrency.most()
        );
        return Err(Refusal::new(Trouble::TooManyAtOnce, text).retry_after(1));
    };
    let tenant = zuora.exports.tenant(&who)?.clone();
    headers::narrow(&mut who, &tenant, headers)?;
    Ok(Admitted { who: Some(who), _place: Some(place) })
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn paths_are_put_in_order_once() {
        let cases = [
            ("/v1/object/export", None),
            ("/", None),
            ("//v1/object/export", Some("/v1/object/export")),
            ("/v1///describe//Account/?a=//", Some("/v1/describe/Account?a=//")),
            ("/v1/describe/", Some("/v1/describe")),
            ("///", Some("/")),
            ("/v1/%2f/x", None),
        ];
        for (path, expected) in cases {
            let uri = path.parse().expect("a URI");
            let found = in_order(&uri).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
