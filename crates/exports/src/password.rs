//! The password that opens an export's files: a secret that the client chose, which the server needs
//! once, when the files are written.
//!
//! It is kept with the export until the export ends, in the store alone, because an attempt may
//! begin again on another machine; then it is forgotten, and only that there was one stays. It is
//! in no log, event or answer: `Debug` shows dots, and there is no `Display`. How files are
//! encrypted with it is not known here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::FILE_PASSWORD_CHARS_MAX;
use crate::{Error, Result};

/// A password, or that there was one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// The text, until the export has ended.
    Kept(Secret),
    /// The export has ended.
    Forgotten,
}

/// The text of a password. It can be had only by [`Password::reveal`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Password {
    /// A client's password.
    ///
    /// # Errors
    /// `Invalid` for an empty one, one of more than [`FILE_PASSWORD_CHARS_MAX`] characters, and one
    /// with a control character, which no program lets anybody type.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let refuse = |problem: String| Err(Error::invalid("password", problem));
        match text.chars().count() {
            0 => return refuse("a password has at least one character".to_owned()),
            1..=FILE_PASSWORD_CHARS_MAX => {}
            count => {
                return refuse(format!(
                    "the password has {count} characters, at most {FILE_PASSWORD_CHARS_MAX} are \
                     allowed"
                ));
            }
        }
        if text.chars().any(char::is_control) {
            return refuse("a password has no control characters: leave them out".to_owned());
        }
        Ok(Self::Kept(Secret(text)))
    }

    /// The text, for whoever encrypts with it; nothing once it is forgotten.
    pub fn reveal(&self) -> Option<&str> {
        match self {
            Self::Kept(Secret(text)) => Some(text),
            Self::Forgotten => None,
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept(_) => "Password(...)",
            Self::Forgotten => "Password(forgotten)",
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_shown() {
        let password = Password::new("open sesame").expect("it is one");
        assert_eq!(password.reveal(), Some("open sesame"));
        let Password::Kept(secret) = &password else { panic!("it is kept") };
        assert_eq!(format!("{password:?} {secret:?}"), "Password(...) ...");
        assert_eq!(format!("{:?}", Password::Forgotten), "Password(forgotten)");
    }

    #[test]
    fn what_is_kept_and_what_is_forgotten_is_read_back() {
        for password in [Password::new("é \" 😀").expect("it is one"), Password::Forgotten] {
            let json = serde_json::to_string(&password).expect("it is written");
            assert_eq!(serde_json::from_str::<Password>(&json).expect("it is read"), password);
        }
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_repeated() {
        for text in ["", "a\nb", "a\0", &"secret".repeat(50)] {
            let error = Password::new(text).expect_err("it is refused").to_string();
            assert!(error.contains("password") && !error.contains("secret"), "{error}");
        }
        assert!(Password::new("x".repeat(256)).is_ok());
    }
}
