//! Signed requests (Medable documentation, "Authentication"): an HMAC over the path, the method and
//! the time. Neither the query nor the body is signed.
//!
//! The same signature is taken once: what was seen is remembered, by a hash of it, for as long as its
//! time is near enough. The memory is this process's, and bounded; an app that fills it is told to
//! wait, and none is forgotten early.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use http::HeaderName;
use outhaul_exports::service::Identity;
use sha2::{Digest, Sha256};

use super::{Asked, account, account_id};
use crate::cortex::config::{self, Signing};
use crate::cortex::error::{Fault, Kind};
use crate::cortex::{App, ids::ObjectId};
use crate::kit::headers::single;

pub const SIGNATURE: HeaderName = HeaderName::from_static("medable-client-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("medable-client-timestamp");
const NONCE: HeaderName = HeaderName::from_static("medable-client-nonce");
const ACCOUNT: HeaderName = HeaderName::from_static("medable-client-account");

/// Characters of a nonce.
const NONCE_CHARS: usize = 16;
/// Signatures of one app that are remembered: 16 bytes each, and what holds them.
const SEEN_MAX: usize = 200_000;
/// Milliseconds of signed times that are forgotten together.
const SPAN_MILLIS: i64 = 60_000;

/// Who may act as the app's account.
pub async fn identify(
    app: &App,
    client: &config::App,
    asked: &Asked<'_>,
) -> Result<Identity, Fault> {
    let invalid = |reason: &str| Fault::new(Kind::InvalidSignature, reason);
    let header = |name: &HeaderName| {
        let value = single(asked.headers, name);
        let value = value.map_err(|error| invalid(&error.to_string()))?;
        value.map(str::trim).ok_or_else(|| invalid(&format!("The header {name} is missing")))
    };
    let Some(signing) = &client.signing else {
        return Err(invalid("This app has no secret to sign with"));
    };
    let (signature, written) = (header(&SIGNATURE)?, header(&TIMESTAMP)?);
    let nonce = header(&NONCE)?;
    let digits = (1..=15).contains(&written.len()) && written.bytes().all(|b| b.is_ascii_digit());
    let millis: i64 = written.parse().ok().filter(|_| digits).ok_or_else(|| {
        invalid("Medable-Client-Timestamp is the time in milliseconds since the year 1970")
    })?;
    if nonce.len() != NONCE_CHARS || !nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(invalid("Medable-Client-Nonce has 16 letters and digits"));
    }
    if !is_right(client, signing, asked, written, signature) {
        return Err(invalid(
            "The signature is not that of this path, method and time by the app's secret",
        ));
    }
    let skew = i64::from(app.settings.skew_secs) * 1_000;
    let now = asked.now.timestamp_millis();
    if now.abs_diff(millis) > skew.unsigned_abs() {
        let reason = format!(
            "The time of the request is off by {} s, at most {} s are allowed: this server's \
             time is in Medable-Server-Time",
            now.abs_diff(millis) / 1_000,
            skew / 1_000
        );
        return Err(Fault::new(Kind::StaleSignature, reason));
    }
    app.seen.note(&client.key, (signature, nonce), millis, now - skew)?;
    let email = acting_as(signing, asked)?;
    let found = account(app, asked, email).await?;
    found.ok_or_else(|| Fault::new(Kind::AccessDenied, "There is no such account in this org"))
}

/// Whether the signature is right, in time that does not depend on how much of it is.
fn is_right(
    client: &config::App,
    signing: &Signing,
    asked: &Asked<'_>,
    millis: &str,
    signature: &str,
) -> bool {
    let Ok(given) = hex::decode(signature) else { return false };
    let key = format!("{}{}", client.key, signing.secret);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .expect("cannot fail because a key may have any length");
    mac.update(format!("{};{};{millis}", asked.command, asked.method).as_bytes());
    mac.verify_slice(&given).is_ok()
}

/// The e-mail address of the account that the request acts as.
fn acting_as<'a>(signing: &'a Signing, asked: &'a Asked<'_>) -> Result<&'a str, Fault> {
    let denied = |reason: &str| Fault::new(Kind::AccessDenied, reason).at("Medable-Client-Account");
    let named = single(asked.headers, &ACCOUNT);
    let named = named.map_err(|error| denied(&error.to_string()))?.map(str::trim);
    let own: ObjectId = account_id(&asked.tenant, &signing.account);
    match named.filter(|named| !named.is_empty()) {
        None => Ok(&signing.account),
        Some(named) if named == signing.account || named == own.to_string() => Ok(&signing.account),
        Some(named) if signing.account_override => Ok(named),
        Some(_) => Err(denied("This app acts as its own account alone")),
    }
}

/// Signatures that were taken, by app and by the minute of their time.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<String, Spans>>);

/// Hashes of signatures by the minute of their time.
type Spans = BTreeMap<i64, HashSet<[u8; 16]>>;

impl Seen {
    /// Notes a signature and its nonce. Those of a time before `oldest` are taken no more, and
    /// forgotten.
    ///
    /// # Errors
    /// `InvalidSignature` when it was seen; `TooBusy` when no more can be remembered.
    fn note(
        &self,
        app: &str,
        (signature, nonce): (&str, &str),
        millis: i64,
        oldest: i64,
    ) -> Result<(), Fault> {
        let digest = Sha256::digest(format!("{}\n{nonce}", signature.to_ascii_lowercase()));
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = apps.entry(app.to_owned()).or_default();
        // A span is whole as long as any of its times may come.
        *spans = spans.split_off(&oldest.div_euclid(SPAN_MILLIS));
        let known: usize = spans.values().map(HashSet::len).sum();
        // The time is a part of what is signed: the same signature is always in the same span.
        let span = spans.entry(millis.div_euclid(SPAN_MILLIS)).or_default();
        if span.contains(&short) {
            return Err(Fault::new(Kind::InvalidSignature, "This signature was used already"));
        }
        if known >= SEEN_MAX {
            let reason = "This app has signed too many requests in the last minutes";
            return Err(Fault::new(Kind::TooBusy, reason).retry_after(60));
        }
        span.insert(short);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_refused_until_it_is_stale_anyway() {
        let seen = Seen::default();
        let note = |app: &str, signature: &str, millis: i64, now: i64| {
            seen.note(app, (signature, "n"), millis, now - 900_000).map_err(|fault| fault.kind())
        };
        assert_eq!(note("a", "AB", 1_000_000, 1_000_000), Ok(()));
        assert_eq!(note("a", "ab", 1_000_000, 1_000_000), Err(Kind::InvalidSignature));
        assert_eq!(note("b", "ab", 1_000_000, 1_000_000), Ok(()), "another app's");
        assert_eq!(note("a", "ab", 1_000_000, 1_900_000), Err(Kind::InvalidSignature));
        assert_eq!(note("a", "cd", 3_000_000, 3_000_000), Ok(()));
        let spans = seen.0.lock().expect("nobody panicked");
        assert_eq!(spans["a"].len(), 1, "what is stale is forgotten");
    }

    #[test]
    fn the_memory_is_bounded_for_each_app() {
        let seen = Seen::default();
        for at in 0..SEEN_MAX {
            seen.note("a", (&at.to_string(), "n"), 0, 0).expect("there is room");
        }
        let full = seen.note("a", ("x", "n"), 0, 0).expect_err("it is full");
        assert_eq!(full.kind(), Kind::TooBusy);
        assert!(seen.note("b", ("x", "n"), 0, 0).is_ok(), "another app has its own");
        assert!(seen.note("a", ("x", "n"), SPAN_MILLIS, SPAN_MILLIS).is_ok(), "time goes by");
    }
}
