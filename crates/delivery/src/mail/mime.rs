//! From words to the bytes of a mail (RFC 5322, MIME).

use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::{Mail, Refusal, Sender};

/// `Auto-Submitted` (RFC 3834, section 5): no person wrote this, and no machine shall answer it.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The mail as it goes over the wire.
pub(super) fn message(mail: &Mail, from: &Sender) -> Result<Message, Refusal> {
    let unfit = |cause: String| Refusal::lasting("the mail could not be written", cause);
    // Not its text: that holds the address.
    let to = mail.to.parse().map_err(|_| unfit("the address is not one".to_owned()))?;
    Message::builder()
        .from(from.0.clone())
        .to(Mailbox::new(None, to))
        .date(mail.written_at.into())
        .message_id(Some(format!("<{}@{}>", mail.id, from.domain())))
        .header(AutoSubmitted)
        .subject(mail.subject.clone())
        .multipart(MultiPart::alternative_plain_html(mail.plain.clone(), mail.html.clone()))
        .map_err(|error| unfit(error.to_string()))
}
