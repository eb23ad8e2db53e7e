//! Signatures, as Standard Webhooks 1.0.0 makes them: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Bytes of a secret: what Standard Webhooks recommends.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that a tenant shares with its receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Reads a secret in base64, with or without `whsec_` before it.
    ///
    /// # Errors
    /// A sentence when it is none, or too short; the secret does not stand in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix("whsec_").unwrap_or(text);
        let bytes = STANDARD.decode(text).ok().filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| {
            let (least, most) = SECRET_BYTES.into_inner();
            format!(
                "a callback secret is {least} to {most} random bytes in base64, with or without \
                 whsec_ before them; `openssl rand -base64 32` makes one"
            )
        })
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        // A key may have any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_what_others_make_of_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = SigningSecret::parse(secret).expect("a secret");
        let signed =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(SigningSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "SigningSecret(...)");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for bad in ["", "whsec_", "hunter2hunter2", "whsec_c2hvcnQ=", "not base64 at all, is it?"] {
            let error = SigningSecret::parse(bad).expect_err(bad);
            assert!(error.contains("openssl rand") && !error.contains("hunter2"), "{error}");
        }
        assert!(SigningSecret::parse(&STANDARD.encode([7; 65])).is_err());
        assert!(SigningSecret::parse(&STANDARD.encode([7; 64])).is_ok());
    }
}
