//! Callbacks: the URLs to which an export's end may be told, and what may stand in them.
//!
//! A client that names a URL has this server's network send a request for it, so the URL is read as
//! strictly as it can be: once when the export is created ([`Rules::check_template`]), and again
//! when the request is sent ([`Rules::check`], and [`Rules::check_address`] for each address of the
//! host). What is read is what is dialled: both go through one parser (the URL Standard's). This
//! module decides and sends nothing; it looks up no name.

mod network;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::export::State;
use crate::spec::StateWords;
use crate::{Error, ErrorKind, Result, limits};

pub use network::{Block, special_use};

/// In a URL, the place of the export's id.
pub const EXPORT_PLACE: &str = "{export}";
/// In a URL, the place of the word for the export's state.
pub const STATE_PLACE: &str = "{state}";
/// In a body of a dialect's own, the place of the moment when the files go, in milliseconds since
/// the year 1970.
pub const EXPIRY_PLACE: &str = "{files_expire_ms}";

/// What is not a letter, a digit or a mark that has no meaning in a URL (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where callbacks may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Hosts and networks that are allowed although they are not public.
    pub allow: Vec<Allowed>,
    /// The ports.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Whether URLs with `http:` are allowed beside those with `https:`.
    pub plain_http: bool,
}

impl Default for Rules {
    fn default() -> Self {
        let ports = limits::CALLBACK_PORTS.iter().map(|port| *port..=*port).collect();
        Self { allow: Vec::new(), ports, plain_http: false }
    }
}

/// A host or a network that the operator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// That host by this name, at whatever address.
    Host(String),
    /// The addresses of that network.
    Block(Block),
}

impl Allowed {
    /// Reads `hooks.example.internal`, `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`.
    ///
    /// # Errors
    /// A sentence when it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_address = text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok();
        if is_address {
            return Block::parse(text).map(Self::Block);
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if check_name(&name, true).is_ok() => Ok(Self::Host(name)),
            _ => Err(format!(
                "{text:?} is no host, address or network: write hooks.example.internal, 10.1.2.3 \
                 or 10.0.0.0/8"
            )),
        }
    }
}

impl Rules {
    /// Checks a URL in which `{export}` and `{state}` may stand for the export's id and the word for
    /// its state, in the path and in the query.
    ///
    /// # Errors
    /// `Invalid` at `field`, saying what is wrong with it. Names are not looked up: a name that leads
    /// to a forbidden address is refused when it is called.
    pub fn check_template(&self, field: &str, template: &str) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid(field, why));
        if template.len() > limits::CALLBACK_URL_BYTES_MAX {
            let most = limits::CALLBACK_URL_BYTES_MAX;
            return refuse(format!("the URL is too long: at most {most} bytes"));
        }
        if template.replace(EXPORT_PLACE, "").replace(STATE_PLACE, "").contains(['{', '}']) {
            return refuse(
                "the URL has braces; those of the places {export} and {state} are the only ones \
                 that may stand in it: write others as %7B and %7D"
                    .to_owned(),
            );
        }
        let [one, other] = ["a", "b"].map(|id| self.check(field, &fill(template, id, id)));
        let (one, other) = (one?, other?);
        let origin = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned));
        if origin(&one) != origin(&other) || one.port() != other.port() {
            return refuse("a place stands outside of the URL's path and query".to_owned());
        }
        let id = "0".repeat(32);
        self.check(field, &fill(template, &id, &"w".repeat(limits::CALLBACK_WORD_CHARS_MAX)))?;
        Ok(())
    }

    /// Reads and checks the URL of a request.
    ///
    /// # Errors
    /// `Invalid` at `field`, saying what is wrong with it.
    pub fn check(&self, field: &str, text: &str) -> Result<Url> {
        self.read(text).map_err(|why| Error::invalid(field, why))
    }

    fn read(&self, text: &str) -> Result<Url, String> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
        if url.scheme() == "http" && !self.plain_http {
            return Err("the URL must begin with https://".to_owned());
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if port == 0 || !self.ports.iter().any(|ports| ports.contains(&port)) {
            return Err(format!("port {port} is not one to which callbacks are sent"));
        }
        match url.host() {
            Some(Host::Domain(name)) => {
                let is_allowed = self.allows_name(name);
                check_name(name, is_allowed)?;
                Ok(url)
            }
            Some(Host::Ipv4(address)) => self.literal(IpAddr::V4(address)).map(|()| url),
            Some(Host::Ipv6(address)) => self.literal(IpAddr::V6(address)).map(|()| url),
            None => Err("the URL has no host".to_owned()),
        }
    }

    fn literal(&self, address: IpAddr) -> Result<(), String> {
        self.check_address("", address).map_err(|what| {
            format!("callbacks are not sent to the address {address}: it is {what}")
        })
    }

    /// Whether a request for `host` (as [`Url::host_str`] has it) may go to that address of it.
    ///
    /// # Errors
    /// What is special about the address.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), &'static str> {
        let is_allowed = |allowed: &Allowed| match allowed {
            Allowed::Host(name) => name == host,
            Allowed::Block(block) => block.contains(address),
        };
        if self.allow.iter().any(is_allowed) {
            return Ok(());
        }
        special_use(address).map_or(Ok(()), Err)
    }

    fn allows_name(&self, host: &str) -> bool {
        self.allow.iter().any(|allowed| matches!(allowed, Allowed::Host(name) if name == host))
    }
}

/// What can be said of a URL before it is read as one: readers differ in what they forgive.
fn check_text(text: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if text.len() > limits::CALLBACK_FILLED_BYTES_MAX {
        return refuse("the URL is too long");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("the URL holds a blank or a control character");
    }
    if text.contains('\\') {
        return refuse("the URL holds a backslash; write it as %5C");
    }
    if text.contains('#') {
        return refuse("the URL has a fragment (#...), which is never sent: leave it out");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse("the URL must begin with https:// and a host");
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return refuse("the URL must begin with https://");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() {
        return refuse("the URL has no host");
    }
    if authority.contains('@') {
        return refuse("the URL holds a user name or a password: leave them out");
    }
    if authority.contains(['%', '{', '}']) {
        return refuse("the URL's host is no plain name or address");
    }
    if authority.ends_with(':') {
        return refuse("the URL has a colon after its host but no port");
    }
    Ok(())
}

/// Checks a name as the URL Standard writes it.
fn check_name(name: &str, is_allowed: bool) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("the URL's host {name:?} is refused: {why}"));
    if name.len() > limits::HOST_BYTES_MAX {
        return Err("the URL's host is too long".to_owned());
    }
    if name.ends_with('.') {
        return refuse("leave out the dot at its end");
    }
    let good = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let inside = !label.starts_with('-') && !label.ends_with('-');
        plain && inside && (1..=63).contains(&label.len())
    };
    if !name.split('.').all(good) {
        return refuse("it is no domain name");
    }
    if is_allowed {
        return Ok(());
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return refuse("it is this server's own machine");
    }
    if !name.contains('.') {
        return refuse("write the full domain name");
    }
    Ok(())
}

/// The URL with the places filled. Each is filled once: nothing in a value is read as a place.
pub fn fill(template: &str, export: &str, word: &str) -> String {
    let encode = |value: &str| utf8_percent_encode(value, RESERVED).to_string();
    let mut url = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        url.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(EXPORT_PLACE) {
            url.push_str(&encode(export));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(STATE_PLACE) {
            url.push_str(&encode(word));
            rest = after;
        } else {
            url.push('{');
            rest = &rest[1..];
        }
    }
    url + rest
}

impl StateWords {
    /// The word for a state that is told; empty for others.
    pub fn of(&self, state: State) -> &str {
        match state {
            State::Completed => &self.completed,
            State::Failed => &self.failed,
            State::Queued | State::Running | State::Cancelled | State::Expired => "",
        }
    }

    pub(crate) fn check(&self, field: &str) -> Result<()> {
        let good = |word: &str| {
            let count = word.chars().count();
            (1..=limits::CALLBACK_WORD_CHARS_MAX).contains(&count)
        };
        if good(&self.completed) && good(&self.failed) {
            return Ok(());
        }
        let most = limits::CALLBACK_WORD_CHARS_MAX;
        Err(Error::invalid(field, format!("a word for a state has 1 to {most} characters")))
    }
}

/// The error for a callback where none are sent.
pub(crate) fn off() -> Error {
    Error::new(ErrorKind::Unsupported, "this server sends no callbacks")
}
