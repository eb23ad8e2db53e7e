//! Paths: which dialect one belongs to, and what of it may be logged.

use http::Uri;
use http::uri::PathAndQuery;

/// Collapses repeated slashes of the path; some clients send them, and a redirect would turn
/// their POST into a GET. `None` when there is nothing to change.
pub fn collapse(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains("//") {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// The segment of a prefix that stands for any.
pub const ANY: &str = "{}";

/// Whether a path is a prefix's own or below it. Case does not matter here: a path that differs
/// from a dialect's in case alone is unknown, and it is the dialect that says so.
pub fn is_below(path: &str, prefix: &str) -> bool {
    let mut steps = path.split('/');
    prefix.split('/').all(|wanted| {
        let found = steps.next();
        found.is_some_and(|found| match wanted {
            ANY => !found.is_empty(),
            wanted => found.eq_ignore_ascii_case(wanted),
        })
    })
}

/// The longest part of a path that is logged.
const LOGGED_MAX: usize = 256;
/// Ids have 32 characters; what is longer may be a secret.
const SEGMENT_MAX: usize = 40;

/// The path as it may stand in a log: without the query, and without any part that is long enough
/// to be a secret.
pub fn loggable(path: &str) -> String {
    let mut text = String::with_capacity(path.len().min(LOGGED_MAX));
    for (at, part) in path.split('/').enumerate() {
        if at > 0 {
            text.push('/');
        }
        text.push_str(if part.len() > SEGMENT_MAX { "[redacted]" } else { part });
        if text.len() > LOGGED_MAX {
            text.push_str("[cut]");
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_collapse_and_the_query_stays() {
        let uri: Uri = "//v1//object/export/?a=b//c".parse().expect("a path");
        let collapsed = collapse(&uri).expect("something changes");
        assert_eq!(collapsed.to_string(), "/v1/object/export/?a=b//c");
        assert!(collapse(&"/v1/object".parse().expect("a path")).is_none());
    }

    #[test]
    fn a_prefix_ends_with_a_part_of_the_path() {
        for path in ["/v1/files", "/v1/files/7", "/V1/Files"] {
            assert!(is_below(path, "/v1/files"), "{path}");
        }
        for path in ["/v1/filesystem", "/v1", "/v1/filé"] {
            assert!(!is_below(path, "/v1/files"), "{path}");
        }
        for path in ["/acme/v2", "/é/V2/exports"] {
            assert!(is_below(path, "/{}/v2"), "{path}");
        }
        for path in ["/acme", "/acme/v3", "//v2", "/v2"] {
            assert!(!is_below(path, "/{}/v2"), "{path}");
        }
    }

    #[test]
    fn secrets_are_not_logged() {
        let token = "f".repeat(64);
        let path = format!("/api/v1/links/{token}");
        assert_eq!(loggable(&path), "/api/v1/links/[redacted]");
        let id = "a".repeat(32);
        assert_eq!(loggable(&format!("/v1/files/{id}")), format!("/v1/files/{id}"));
        assert!(loggable(&"/a".repeat(1000)).len() < 300);
    }
}
