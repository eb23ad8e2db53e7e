//! What a script may call: the modules, and who answers.

use async_trait::async_trait;
use outhaul_exports::limits;
use outhaul_exports::notice::Message;
use outhaul_scripts::{Host, Module};
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use url::Url;

use super::super::Notifier;
use super::{http, notifications};

/// The modules that every script is offered, whether or not this server has what is behind them: a
/// script must not be refused for what an operator may change tomorrow.
pub(super) fn modules() -> Vec<Module> {
    let of = |name: &str, functions: &[&str], calls| Module {
        name: name.to_owned(),
        functions: functions.iter().map(|function| (*function).to_owned()).collect(),
        calls,
    };
    vec![
        of("http", &["get", "post", "put", "patch", "delete"], limits::SCRIPT_REQUESTS_MAX),
        of("notifications", &["send"], limits::SCRIPT_MAILS_MAX),
    ]
}

/// Answers the calls of one run.
pub(super) struct Calls<'a> {
    pub(super) notifier: &'a Notifier,
    /// Where this server itself is reached.
    pub(super) own: Option<&'a Url>,
    /// Whether scripts send mails.
    pub(super) may_mail: bool,
    pub(super) message: &'a Message,
    mails: AtomicU32,
}

impl<'a> Calls<'a> {
    pub(super) fn new(
        notifier: &'a Notifier,
        own: Option<&'a Url>,
        may_mail: bool,
        message: &'a Message,
    ) -> Self {
        Self { notifier, own, may_mail, message, mails: AtomicU32::new(0) }
    }

    /// The number of a mail in this run, from 1: the same for the same mail in each attempt, as far
    /// as the script does the same.
    pub(super) fn next_mail(&self) -> u32 {
        self.mails.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[async_trait]
impl Host for Calls<'_> {
    async fn call(
        &self,
        module: &str,
        function: &str,
        arguments: String,
    ) -> Result<String, String> {
        let answered = async {
            let arguments: Vec<Value> = serde_json::from_str(&arguments)
                .map_err(|error| format!("the arguments cannot be read: {error}"))?;
            match (module, function) {
                ("http", method) => http::request(self, method, arguments).await,
                ("notifications", "send") => notifications::send(self, arguments).await,
                _ => Err("it is not offered".to_owned()),
            }
        };
        let answered: Result<Value, String> = answered.await;
        let named = |text| format!("{module}.{function}: {text}");
        answered.map(|answer| answer.to_string()).map_err(named)
    }
}

/// An argument that is to be an object with these members and no others; absent when it is null.
pub(super) fn members(
    argument: Option<Value>,
    what: &str,
    known: &[&str],
) -> Result<serde_json::Map<String, Value>, String> {
    match argument.unwrap_or_default() {
        Value::Null => Ok(serde_json::Map::new()),
        Value::Object(members) => match members.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(members),
            Some(key) => {
                Err(format!("{what} have no member {key:?}; there is: {}", known.join(", ")))
            }
        },
        _ => Err(format!("{what} are an object")),
    }
}
