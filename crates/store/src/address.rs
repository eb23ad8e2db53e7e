//! The address of a store, as the configuration writes it.

use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// A checked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// One file on a local disk.
    Sqlite(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::Address { address: hide_password(text), reason });
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return refuse("PostgreSQL is not offered as a store by this version");
        }
        let path = match text.strip_prefix("sqlite:") {
            // An empty host, as in sqlite:///var/lib/outhaul.db.
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None if text.contains("://") => return refuse("its kind is not known"),
            None => text,
        };
        if path.is_empty() {
            return refuse("it names no file");
        }
        if path.starts_with(":memory:") {
            return refuse("a store in memory would lose what it accepted");
        }
        if path.contains(['?', '#', '\0']) {
            return refuse("the path may not contain ?, # or NUL; options are not read from it");
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// The address without what may be a secret in it.
fn hide_password(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(end)) if start + 3 < end => {
            format!("{}...{}", &text[..start + 3], &text[end..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let cases = [
            ("sqlite:outhaul.db", "outhaul.db"),
            ("sqlite:/var/lib/outhaul.db", "/var/lib/outhaul.db"),
            ("sqlite:///var/lib/outhaul.db", "/var/lib/outhaul.db"),
            ("data/outhaul.db", "data/outhaul.db"),
        ];
        for (text, path) in cases {
            assert_eq!(text.parse::<Address>().expect(text), Address::Sqlite(path.into()));
        }
    }

    #[test]
    fn a_wrong_address_says_what_is_wrong_and_keeps_secrets() {
        for text in ["", "sqlite:", "sqlite::memory:", "mysql://x", "sqlite:a?mode=rwc"] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.to_string().contains("sqlite:PATH"), "{error}");
        }
        let error = "postgres://me:secret@db/x".parse::<Address>().expect_err("not offered");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
