//! Mail that tells of an export's end: what it says, and the ways it goes.
//!
//! [`compose`] makes the words, from an export and the links to its files ([`note`] takes those of a
//! customer's script); a [`Mailer`] hands a mail
//! over: [`SmtpMailer`] to a mail server, [`FileMailer`] to a folder, for whoever has another way to
//! deliver it and for trying things out. A mailer sends one mail once. When to send, and whether to
//! try again, is decided by whoever calls it: a [`Refusal`] says which of the two can help.

mod compose;
mod file;
mod mime;
mod smtp;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use outhaul_exports::notice::check_address;
use outhaul_exports::{Error, MessageId, Result};

pub use compose::{FileLink, compose, note};
pub use file::FileMailer;
pub use smtp::{SmtpMailer, SmtpSettings, SmtpTls};

/// A mail, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The message it is; its `Message-ID` is made from it, so that it is the same in each attempt.
    pub id: MessageId,
    /// To this address.
    pub to: String,
    /// When it is written.
    pub written_at: DateTime<Utc>,
    /// The subject, one line.
    pub subject: String,
    /// The whole text, plain.
    pub plain: String,
    /// The same as a page of HTML.
    pub html: String,
}

/// A way for mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over. Dropping the answer gives the attempt up; the mail may have been taken
    /// all the same.
    ///
    /// # Errors
    /// See [`Refusal`].
    async fn send(&self, mail: &Mail) -> Result<(), Refusal>;

    /// Tries the way without sending anything.
    ///
    /// # Errors
    /// What is wrong, in its internal text.
    async fn check(&self) -> Result<(), Refusal>;
}

/// A mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{public}")]
pub struct Refusal {
    /// Whether trying again is of no use.
    pub is_final: bool,
    /// A sentence for the customer; it names no machine.
    pub public: String,
    /// The cause, for the operator; addresses of people are left out.
    pub internal: String,
}

impl Refusal {
    /// It may be taken later.
    fn passing(public: impl Into<String>, internal: impl Into<String>) -> Self {
        Self { is_final: false, public: public.into(), internal: internal.into() }
    }

    /// It will never be taken.
    fn lasting(public: impl Into<String>, internal: impl Into<String>) -> Self {
        Self { is_final: true, public: public.into(), internal: internal.into() }
    }
}

/// Who mails are from.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// Reads `name@example.com` or `Some Name <name@example.com>`.
    ///
    /// # Errors
    /// `Invalid` when it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| Error::invalid("mail.from", why);
        if text.chars().any(char::is_control) {
            return Err(wrong("the sender holds a control character".to_owned()));
        }
        let mailbox: Mailbox = text.trim().parse().map_err(|_| {
            let shape = "exports@example.com or Exports <exports@example.com>";
            wrong(format!("{text:?} is no sender: write it as {shape}"))
        })?;
        check_address("mail.from", mailbox.email.as_ref())?;
        Ok(Self(mailbox))
    }

    fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// The part of an address that may stand in a log.
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}
