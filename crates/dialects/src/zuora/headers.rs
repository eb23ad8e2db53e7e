//! The headers that Zuora reads and writes on every path.
//!
//! `Zuora-Track-Id` comes back as it was sent, or is refused; `Zuora-Entity-Ids` narrows what the
//! request may see; `X-Zuora-WSDL-Version` decides in which zone a date without one lies.
//! `Zuora-Version` (minor versions of newer APIs) decides nothing here and is passed over, as Zuora
//! does with versions it does not know.

use axum::response::Response;
use chrono_tz::Tz;
use http::{HeaderMap, HeaderName, HeaderValue};
use outhaul_exports::principal::{Principal, Tenant};

use super::errors::{Refusal, Trouble};
use super::limits::Standing;
use crate::kit::headers::{HeaderError, single};

const TRACK_ID: HeaderName = HeaderName::from_static("zuora-track-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("zuora-request-id");
const ENTITY_IDS: HeaderName = HeaderName::from_static("zuora-entity-ids");
const ORG_IDS: HeaderName = HeaderName::from_static("zuora-org-ids");
const WSDL_VERSION: HeaderName = HeaderName::from_static("x-zuora-wsdl-version");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const CONCURRENCY_TYPE: HeaderName = HeaderName::from_static("concurrency-limit-type");
const CONCURRENCY_LIMIT: HeaderName = HeaderName::from_static("concurrency-limit-limit");
const CONCURRENCY_REMAINING: HeaderName = HeaderName::from_static("concurrency-limit-remaining");

/// Characters of a track id (Zuora documentation, "CRUD: Create an export").
const TRACK_ID_CHARS_MAX: usize = 64;
/// Entities, or orgs, of one request.
const IDS_MAX: usize = 100;
/// The WSDL version from which a datetime without a zone lies in the tenant's zone; before, in
/// Pacific time (Zuora documentation, "Export ZOQL").
const TENANT_ZONE_SINCE: u32 = 69;

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::new(Trouble::Malformed, error.to_string())
    }
}

/// The value of a header that may stand once; clients that fill in templates send empty ones where
/// they mean none.
fn given<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    Ok(single(headers, name)?.filter(|text| !text.trim().is_empty()))
}

/// The client's own id of the request, which is answered as it came.
///
/// # Errors
/// `Malformed` when it stands twice, is too long, or holds a character that Zuora
/// excludes. It is not answered then.
pub fn track_id(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let Some(text) = given(headers, &TRACK_ID)? else { return Ok(None) };
    if text.len() > TRACK_ID_CHARS_MAX
        || text.bytes().any(|b| matches!(b, b':' | b';' | b'"' | b'\''))
    {
        let text = "Zuora-Track-Id: send 1 to 64 ASCII characters, none of them : ; \" or '";
        return Err(Refusal::new(Trouble::Malformed, text));
    }
    Ok(HeaderValue::from_str(text).ok())
}

/// Narrows a principal to the entities that the request names. Tenants without entities, and
/// requests without the header, see the whole tenant.
///
/// # Errors
/// `Invalid` for an entity that is unknown or another tenant's, alike.
pub fn narrow(who: &mut Principal, tenant: &Tenant, headers: &HeaderMap) -> Result<(), Refusal> {
    if tenant.entities.is_empty() {
        return Ok(());
    }
    let Some(text) = given(headers, &ENTITY_IDS)? else { return Ok(()) };
    let entities = known_ids("entity", text, &tenant.entities);
    let entities = entities.map_err(|why| Refusal::invalid(format!("Zuora-Entity-Ids: {why}")))?;
    who.scope = who.scope.clone().with_entities(entities);
    Ok(())
}

/// Narrows a principal to the orgs that the request names (Zuora documentation, "Submit an aggregate
/// query job"): a subset of the tenant's, else the request fails. Without the header all are seen.
///
/// # Errors
/// `Forbidden` for an org that is not the tenant's.
pub fn narrow_to_orgs(
    who: &mut Principal,
    tenant: &Tenant,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let Some(text) = given(headers, &ORG_IDS)? else { return Ok(()) };
    let orgs = known_ids("org", text, &tenant.orgs)
        .map_err(|why| Refusal::new(Trouble::Forbidden, format!("Zuora-Org-Ids: {why}")))?;
    who.scope = who.scope.clone().with_orgs(orgs);
    Ok(())
}

/// Those of a list of ids that are known, each once.
fn known_ids(what: &str, list: &str, known: &[String]) -> Result<Vec<String>, String> {
    let named: Vec<&str> = list.split(',').map(str::trim).collect();
    if named.len() > IDS_MAX {
        return Err(format!("{} ids, at most {IDS_MAX}", named.len()));
    }
    let mut ids: Vec<String> = Vec::new();
    for name in named {
        let Some(id) = known.iter().find(|known| same_id(known, name)) else {
            let shown: String = name.chars().take(60).collect();
            return Err(format!("there is no {what} {shown:?} for this credential"));
        };
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    Ok(ids)
}

/// Ids are written with and without hyphens, in either case.
fn same_id(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.replace('-', "").to_ascii_lowercase();
    plain(a) == plain(b)
}

/// The zone of dates that name none.
///
/// # Errors
/// `Invalid` for a version that is no number.
pub fn literal_zone(headers: &HeaderMap, tenant: &Tenant) -> Result<Tz, Refusal> {
    let Some(text) = given(headers, &WSDL_VERSION)? else { return Ok(tenant.zone) };
    let (major, minor) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let number = |text: &str| {
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| digits)
    };
    match (number(major), number(minor)) {
        (Some(major), Some(_)) if major < TENANT_ZONE_SINCE => Ok(Tz::America__Los_Angeles),
        (Some(_), Some(_)) => Ok(tenant.zone),
        _ => Err(Refusal::invalid("X-Zuora-WSDL-Version: send a number such as 91 or 91.0")),
    }
}

/// What of a request's headers changes its meaning: part of an idempotent request's fingerprint.
pub fn meaning(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for name in [ENTITY_IDS, ORG_IDS, WSDL_VERSION] {
        text.push(b'\n');
        text.extend(headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
    }
    text
}

/// What every answer says besides its body.
pub struct Marks {
    /// The id under which the request is logged.
    pub request_id: String,
    /// The client's own id.
    pub track_id: Option<HeaderValue>,
    /// Where the client stands with its requests in time.
    pub rate: Option<Standing>,
    /// The most requests in hand, and the places left.
    pub concurrency: (u32, u32),
}

/// Writes the marks onto an answer.
pub fn mark(response: &mut Response, marks: Marks) {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: Option<HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, HeaderValue::from_str(&marks.request_id).ok());
    set(TRACK_ID, marks.track_id);
    if let Some(rate) = marks.rate {
        set(RATE_LIMIT, HeaderValue::from_str(&rate.limit).ok());
        set(RATE_REMAINING, Some(HeaderValue::from(rate.remaining)));
        set(RATE_RESET, Some(HeaderValue::from(rate.reset)));
    }
    let (most, remaining) = marks.concurrency;
    set(CONCURRENCY_TYPE, Some(HeaderValue::from_static("Default")));
    set(CONCURRENCY_LIMIT, Some(HeaderValue::from(most)));
    set(CONCURRENCY_REMAINING, Some(HeaderValue::from(remaining)));
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;

    use super::*;

    fn map(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn track_ids_come_back_or_are_refused() {
        let (fits, long) = ([b'a'; 64], [b'a'; 65]);
        let good: [&[u8]; 3] = [b"a", b"sync 7/9 (retry)", &fits];
        for value in good {
            let found = track_id(&map(&TRACK_ID, &[value])).map_err(|r| r.message);
            assert_eq!(found.map(|v| v.map(|v| v.as_bytes().to_vec())), Ok(Some(value.to_vec())));
        }
        let bad: [&[u8]; 7] =
            [&long, b"a:b", b"a;b", b"a\"b", b"a'b", "\u{e9}".as_bytes(), b"a\tb:"];
        for value in bad {
            assert!(track_id(&map(&TRACK_ID, &[value])).is_err(), "{value:?}");
        }
        assert!(track_id(&map(&TRACK_ID, &[b"a", b"a"])).is_err());
        assert!(track_id(&HeaderMap::new()).is_ok_and(|id| id.is_none()));
        assert!(track_id(&map(&TRACK_ID, &[b""])).is_ok_and(|id| id.is_none()));
    }

    #[test]
    fn entities_narrow_the_scope() {
        let mut tenant = testing::tenant("acme");
        let many = "e-1,".repeat(101);
        let narrowed = |tenant: &Tenant, values: &[&[u8]]| {
            let mut who = testing::principal("acme");
            narrow(&mut who, tenant, &map(&ENTITY_IDS, values)).map_err(|r| r.message)?;
            Ok::<_, String>(who.scope.entities().map(|e| e.join("|")))
        };
        assert_eq!(narrowed(&tenant, &[b"whatever"]), Ok(None));
        tenant.entities = vec!["e-1".into(), "e-2".into()];
        assert_eq!(narrowed(&tenant, &[]), Ok(None));
        assert_eq!(narrowed(&tenant, &[b""]), Ok(None));
        assert_eq!(narrowed(&tenant, &[b"E1"]), Ok(Some("e-1".into())));
        assert_eq!(narrowed(&tenant, &[b"e-2, e-1,e-2"]), Ok(Some("e-2|e-1".into())));
        let bad: [&[&[u8]]; 5] =
            [&[b"e-3"], &[b"e-1,e-3"], &[b"e-1,"], &[b"e-1", b"e-2"], &[many.as_bytes()]];
        for values in bad {
            assert!(narrowed(&tenant, values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn old_versions_read_dates_in_pacific_time() {
        let mut tenant = testing::tenant("acme");
        tenant.zone = Tz::Europe__Paris;
        let zone = |value: &[u8]| {
            literal_zone(&map(&WSDL_VERSION, &[value]), &tenant).ok().map(|zone| zone.name())
        };
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"91.0", Some("Europe/Paris")),
            (b"80", Some("Europe/Paris")),
            (b"69", Some("Europe/Paris")),
            (b"68.0", Some("America/Los_Angeles")),
            (b"x", None),
            (b"", Some("Europe/Paris")),
            (b"+91", None),
            (b"91.", None),
        ];
        for (value, expected) in cases {
            assert_eq!(zone(value), expected, "{value:?}");
        }
    }
}
