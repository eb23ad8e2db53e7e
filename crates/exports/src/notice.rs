//! Messages: who is told that an export has completed or failed, and how often that is tried.
//!
//! An [`ExportSpec`](crate::spec::ExportSpec) says in its notices who is to be told. When the export
//! ends, the store makes a [`Message`] for each of them, in the same transaction: a message that is
//! not written down could be lost, one that is written before could be a lie. From then on it waits
//! in the [`Outbox`](crate::ports::Outbox), through restarts, until it was taken or given up. This
//! module has the rules; it sends nothing and knows no server.

mod script;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::callback::{self, Rules};
use crate::clock::after;
use crate::export::{Export, State};
use crate::principal::TenantId;
use crate::spec::{CallbackBody, CallbackMethod, ExportSpec, Notice};
use crate::{Error, ErrorKind, ExportId, MessageId, Result, limits};

pub use script::{ScriptLine, ScriptReport, ScriptView};
pub(crate) use script::{check_length as check_script_length, off as scripts_off};

/// One message to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id; the same in every attempt, so that doubles can be recognised.
    pub id: MessageId,
    /// Of which export it tells.
    pub export: ExportId,
    /// Whose that is.
    pub tenant: TenantId,
    /// To whom, and how.
    pub kind: MessageKind,
    /// When the export ended.
    pub created_at: DateTime<Utc>,
    /// When it is sent next; while somebody sends it, when that one loses it.
    pub due_at: DateTime<Utc>,
    /// How often somebody began to send it.
    pub attempts: u32,
    /// Where it stands.
    pub state: MessageState,
    /// Why it was not taken last, in a short text without secrets.
    pub last_error: Option<String>,
    /// When it was taken or given up.
    pub ended_at: Option<DateTime<Utc>>,
    /// What a script left behind. Whoever runs one puts it here before it tells the outbox how that
    /// went, and the outbox keeps it.
    pub report: Option<ScriptReport>,
}

/// How a message is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// By mail.
    Mail {
        /// To this address.
        to: String,
        /// As in [`Notice::Mail`].
        file_url: String,
    },
    /// By an HTTP request. It says the same in every attempt.
    Callback {
        /// Its method.
        method: CallbackMethod,
        /// Where it goes; the places are filled.
        url: String,
        /// Its body.
        body: Option<RequestBody>,
    },
    /// By running a script of the customer's. It is "taken" when it has come to its end.
    Script {
        /// The text of it.
        source: String,
    },
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBody {
    /// What it is, as `Content-Type` says it.
    pub media_type: String,
    /// All of it.
    pub text: String,
}

impl MessageKind {
    /// The kind of mails.
    pub const MAIL: &'static str = "mail";
    /// The kind of callbacks.
    pub const CALLBACK: &'static str = "callback";
    /// The kind of scripts.
    pub const SCRIPT: &'static str = "script";

    /// All kinds.
    pub const NAMES: &'static [&'static str] = &[Self::MAIL, Self::CALLBACK, Self::SCRIPT];

    /// Its name in the store, in APIs and in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mail { .. } => Self::MAIL,
            Self::Callback { .. } => Self::CALLBACK,
            Self::Script { .. } => Self::SCRIPT,
        }
    }

    /// To whom it goes, for people. A script goes to nobody, whatever it calls by itself.
    pub fn to(&self) -> &str {
        match self {
            Self::Mail { to, .. } => to,
            Self::Callback { url, .. } => url,
            Self::Script { .. } => "",
        }
    }

    /// The domain or host to which it goes: what may stand in a log. The whole may name a person or
    /// hold a secret.
    pub fn place(&self) -> String {
        match self {
            Self::Mail { to, .. } => to.rsplit_once('@').map_or("", |(_, domain)| domain).into(),
            Self::Callback { url, .. } => {
                let host = Url::parse(url).ok();
                host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
            }
            Self::Script { .. } => String::new(),
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// It waits to be sent, or is being sent.
    Waiting,
    /// It was taken.
    Sent,
    /// It was not, and nobody tries any more.
    GivenUp,
}

impl MessageState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::GivenUp];

    /// Its name in the store and in APIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Whether an export in that state is something that messages tell of. When it leaves such a state
/// (its files' time is over, its client has it run again) what still waits is not true any more.
pub fn is_told(state: State) -> bool {
    matches!(state, State::Completed | State::Failed)
}

/// The messages that tell of the end that `export` has come to just now: one for each address.
/// None for a cancelled one; whoever cancelled it knows.
pub fn of_end(export: &Export, now: DateTime<Utc>) -> Vec<Message> {
    if !is_told(export.state) {
        return Vec::new();
    }
    let kinds = export.spec.notices.iter().flat_map(|notice| kinds(notice, export, now));
    let message = |kind| Message {
        id: MessageId::random(),
        export: export.id,
        tenant: export.tenant.clone(),
        kind,
        created_at: now,
        due_at: now,
        attempts: 0,
        state: MessageState::Waiting,
        last_error: None,
        ended_at: None,
        report: None,
    };
    kinds.map(message).collect()
}

fn kinds(notice: &Notice, export: &Export, now: DateTime<Utc>) -> Vec<MessageKind> {
    match notice {
        Notice::Mail { to, file_url } => {
            let kind =
                |to: &String| MessageKind::Mail { to: to.clone(), file_url: file_url.clone() };
            to.iter().map(kind).collect()
        }
        Notice::Callback { method, url, words, body } => {
            let word = words.of(export.state);
            let url = callback::fill(url, &export.id.to_string(), word);
            let text = match body {
                CallbackBody::None => None,
                CallbackBody::Json => Some(event(export, word, now).to_string()),
                CallbackBody::Own { completed, failed } => {
                    let template =
                        if export.state == State::Completed { completed } else { failed };
                    let expiry = export.files_expire_at.map(|at| at.timestamp_millis().to_string());
                    Some(template.replace(callback::EXPIRY_PLACE, &expiry.unwrap_or_default()))
                }
            };
            let json = |text| RequestBody { media_type: "application/json".to_owned(), text };
            vec![MessageKind::Callback { method: *method, url, body: text.map(json) }]
        }
        Notice::Script { source } => vec![MessageKind::Script { source: source.clone() }],
    }
}

/// The end that `export` has come to just now, as an event of Standard Webhooks.
fn event(export: &Export, word: &str, now: DateTime<Utc>) -> Value {
    let mut data =
        json!({ "id": export.id.to_string(), "state": word, "label": export.spec.label });
    match (&export.manifest, &export.failure) {
        (Some(manifest), _) if export.state == State::Completed => {
            data["rows"] = manifest.rows().into();
            data["bytes"] = manifest.bytes().into();
            data["files"] = manifest.artifacts.len().into();
        }
        (_, Some(failure)) if export.state == State::Failed => {
            data["reason"] = json!({ "code": failure.code, "message": failure.message });
        }
        _ => {}
    }
    let kind = format!("export.{}", export.state.name());
    let timestamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({ "type": kind, "timestamp": timestamp, "data": data })
}

/// How often a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The first pause; it doubles each time.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long after the export's end it is given up.
    pub patience: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            pause: limits::NOTICE_PAUSE,
            pause_max: limits::NOTICE_PAUSE_MAX,
            patience: limits::NOTICE_PATIENCE,
        }
    }
}

impl Retries {
    /// When a message whose attempt has failed just now is tried again; `None` when it is given up.
    pub fn next_due(&self, message: &Message, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_due_after(message, now, Duration::ZERO)
    }

    /// The same, for a receiver that asks for a pause of at least so long. It gets no longer one
    /// than the longest.
    pub fn next_due_after(
        &self,
        message: &Message,
        now: DateTime<Utc>,
        wish: Duration,
    ) -> Option<DateTime<Utc>> {
        let doubled = 2u32.saturating_pow(message.attempts.saturating_sub(1).min(16));
        let wished = self.pause.saturating_mul(doubled).max(wish);
        let next = after(now, wished.min(self.pause_max.max(self.pause)));
        let in_time = next <= after(message.created_at, self.patience);
        (in_time && message.attempts < limits::NOTICE_ATTEMPTS_MAX).then_some(next)
    }
}

/// The reason why a message was not taken, as it is kept: one line, not too long.
pub fn short_error(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(limits::NOTICE_ERROR_CHARS_MAX).collect()
}

/// Checks one address for mail: an addr-spec of RFC 5321 in its plain form (a dot-atom of ASCII
/// characters, and a domain name), which is what every mail server takes.
///
/// # Errors
/// `Invalid` at `field`, saying what is wrong with it.
pub fn check_address(field: &str, address: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::invalid(field, format!("{why}: an address looks like name@example.com")))
    };
    if address.len() > limits::ADDRESS_BYTES_MAX {
        return refuse("the address is too long (at most 254 characters)");
    }
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("the address holds a blank or a control character");
    }
    if !address.is_ascii() {
        return refuse(
            "the address has characters other than ASCII (write its domain in punycode)",
        );
    }
    let Some((local, domain)) = address.rsplit_once('@') else {
        return refuse("the address has no @");
    };
    let atom = |part: &str| !part.is_empty() && part.bytes().all(is_atom);
    if local.len() > limits::ADDRESS_LOCAL_BYTES_MAX || !local.split('.').all(atom) {
        return refuse("the part of the address before its @ is wrong");
    }
    if !domain.split('.').all(is_domain_label) {
        return refuse("the part of the address after its @ is no domain name");
    }
    Ok(())
}

/// A character of an atom (RFC 5322, section 3.2.3).
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain_label(label: &str) -> bool {
    let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
}

/// The error's field for what is wrong with a spec's notices.
const FIELD: &str = "notices";

/// Checks who is to be told, as far as no dialect has to know better. `can_mail` says whether this
/// server sends mail, `rules` where callbacks may go, where any are sent, and `can_run` whether it
/// runs scripts. Whether a script is one is a question for [`crate::ports::ScriptCheck`].
///
/// # Errors
/// `Unsupported` for mail, callbacks or scripts where there are none; `Invalid` for addresses, URLs
/// and the length of a script.
pub(crate) fn check(
    spec: &ExportSpec,
    can_mail: bool,
    rules: Option<&Rules>,
    can_run: bool,
) -> Result<()> {
    let mut addresses = Vec::new();
    let mut callbacks = 0;
    let mut scripts = 0;
    for notice in &spec.notices {
        match notice {
            Notice::Mail { to, file_url } => {
                check_mail(can_mail, file_url)?;
                addresses.extend(to);
            }
            Notice::Callback { method, url, words, body } => {
                rules.ok_or_else(callback::off)?.check_template(FIELD, url)?;
                words.check(FIELD)?;
                if *method == CallbackMethod::Get && *body != CallbackBody::None {
                    return Err(Error::invalid(FIELD, "a callback with GET has no body"));
                }
                callbacks += 1;
            }
            Notice::Script { source } => {
                check_script_length(can_run, source)?;
                scripts += 1;
            }
        }
    }
    if scripts > limits::NOTICE_SCRIPTS_MAX {
        let text = format!("one script is run when an export has ended, not {scripts}");
        return Err(Error::invalid(script::FIELD, text));
    }
    if callbacks > limits::NOTICE_CALLBACKS_MAX {
        let most = limits::NOTICE_CALLBACKS_MAX;
        let text = format!("at most {most} URLs are told, not {callbacks}");
        return Err(Error::invalid(FIELD, text));
    }
    if addresses.len() > limits::NOTICE_ADDRESSES_MAX {
        let most = limits::NOTICE_ADDRESSES_MAX;
        let text = format!("at most {most} addresses are told, not {}", addresses.len());
        return Err(Error::invalid(FIELD, text));
    }
    addresses.into_iter().try_for_each(|address| check_address(FIELD, address))
}

fn check_mail(can_mail: bool, file_url: &str) -> Result<()> {
    if !can_mail {
        return Err(Error::new(ErrorKind::Unsupported, "this server sends no mail"));
    }
    let absolute = file_url.starts_with("http://") || file_url.starts_with("https://");
    let plain = !file_url.chars().any(|c| c.is_control() || c.is_whitespace());
    let short = file_url.len() <= limits::NOTICE_URL_BYTES_MAX;
    if absolute && plain && short && file_url.contains("{link}") {
        return Ok(());
    }
    let text = "the URL of files in mails is an absolute one with {link} in it, \
                of at most 1024 bytes";
    Err(Error::invalid(FIELD, text))
}
