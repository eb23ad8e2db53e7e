//! The section `[callbacks]`.

use std::ops::RangeInclusive;

use outhaul_exports::callback::{Allowed, Rules};
use outhaul_exports::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[callbacks]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// Whether any are sent. While it is `false`, an export that asks for one is refused.
    pub enabled: bool,
    /// Whether URLs with `http:` are taken beside those with `https:`.
    pub http: bool,
    /// The ports to which they may go: numbers, or ranges such as `"8000-8999"`.
    pub ports: Vec<Ports>,
    /// Hosts, addresses and networks to which they may go although these are not public, such as
    /// `hooks.example.internal`, `10.1.2.3` or `10.1.0.0/16`.
    pub allow: Vec<String>,
    /// A file with further certificate authorities, as PEM, beside the usual ones.
    pub ca_file: Option<String>,
    /// Seconds that one request may take.
    pub timeout_secs: u64,
    /// Seconds before a callback that was not taken is sent again; they double each time, up to an
    /// hour, and after a day it is given up.
    pub retry_secs: u64,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            enabled: true,
            http: false,
            ports: limits::CALLBACK_PORTS.map(Ports::One).to_vec(),
            allow: Vec::new(),
            ca_file: None,
            timeout_secs: limits::CALLBACK_TIME.as_secs(),
            retry_secs: limits::NOTICE_PAUSE.as_secs(),
        }
    }
}

/// A port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a port from 1 to 65535, or a range such as \"8000-8999\"")]
pub enum Ports {
    /// One.
    One(u16),
    /// From one to another, with a dash between them.
    Range(String),
}

impl Ports {
    fn range(&self) -> Option<RangeInclusive<u16>> {
        let range = match self {
            Self::One(port) => *port..=*port,
            Self::Range(text) => {
                let (first, last) = text.split_once('-')?;
                first.trim().parse().ok()?..=last.trim().parse().ok()?
            }
        };
        (*range.start() > 0 && !range.is_empty()).then_some(range)
    }
}

impl Callbacks {
    /// Where callbacks may go.
    ///
    /// # Errors
    /// The key, the place in its list, and a sentence for each value that is wrong.
    pub fn rules(&self) -> Result<Rules, Vec<(&'static str, usize, String)>> {
        let mut wrong = Vec::new();
        let mut rules = Rules { allow: Vec::new(), ports: Vec::new(), plain_http: self.http };
        for (at, ports) in self.ports.iter().enumerate() {
            match ports.range() {
                Some(range) => rules.ports.push(range),
                None => {
                    let text = "must be a port from 1 to 65535, or a range such as \"8000-8999\"";
                    wrong.push(("ports", at, text.to_owned()));
                }
            }
        }
        for (at, allowed) in self.allow.iter().enumerate() {
            match Allowed::parse(allowed) {
                Ok(allowed) => rules.allow.push(allowed),
                Err(text) => wrong.push(("allow", at, text)),
            }
        }
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }
}
