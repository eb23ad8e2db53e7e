//! How each vendor's export API speaks, and our own.
//!
//! A dialect is a folder: it turns wire requests into the neutral words of `exports`, and answers
//! in the vendor's words. No vendor's word leaves its folder, dialects never import each other,
//! and what two or more need of HTTP lives in [`kit`].
//!
//! To add one, add a folder with the files of the others and a line to [`ALL`].

pub mod cortex;
pub mod kit;
pub mod native;
pub mod userpilot;
pub mod zoho;
pub mod zuora;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use outhaul_exports::notice::ScriptView;
use outhaul_exports::policy::Policy;
use outhaul_exports::{Exports, Result};

/// An API on the wire.
pub trait Dialect: Send + Sync {
    /// Its id in the configuration, in stored exports and in logs.
    fn id(&self) -> &'static str;

    /// The first segments of the paths it answers, such as `/v1/object`. The longest match wins,
    /// so that every path has one dialect, whose own error shape answers what it does not serve. Of
    /// two dialects with the same one, the first in [`ALL`] that is switched on has it. A segment `{}`
    /// stands for any; a prefix that has one comes after all others.
    fn prefixes(&self) -> &'static [&'static str];

    /// What its exports are held to unless the configuration says otherwise.
    fn policy(&self) -> Policy;

    /// The JSON schema of its own configuration section.
    fn config_schema(&self) -> schemars::Schema;

    /// Its routes, with their own answers to unknown paths and methods.
    ///
    /// # Errors
    /// `Invalid` when its configuration section is wrong.
    fn router(&self, setting: Setting) -> Result<Router>;

    /// What its exports' scripts are given, where its API takes scripts.
    ///
    /// # Errors
    /// `Invalid` when its configuration section is wrong.
    fn script_view(&self, _setting: &Setting) -> Result<Option<Arc<dyn ScriptView>>> {
        Ok(None)
    }
}

/// What a dialect is assembled from.
pub struct Setting {
    /// The use cases.
    pub exports: Arc<Exports>,
    /// Where clients reach this server, without a slash at the end; links are built from it.
    pub base_url: String,
    /// The dialect's own configuration section; an empty object when there is none.
    pub config: serde_json::Value,
    /// What dialects of one vendor have in common.
    pub commons: Arc<Commons>,
}

impl Setting {
    /// Of a dialect that has nothing in common with any other.
    pub fn alone(exports: Arc<Exports>, base_url: &str, config: serde_json::Value) -> Self {
        Self { exports, base_url: base_url.to_owned(), config, commons: Arc::default() }
    }
}

/// What dialects of one vendor have in common: the settings of each, and one state of theirs.
#[derive(Debug, Default)]
pub struct Commons {
    /// The configuration sections by dialect.
    pub sections: BTreeMap<String, serde_json::Value>,
    states: Mutex<http::Extensions>,
}

impl Commons {
    /// With these sections.
    pub fn new(sections: BTreeMap<String, serde_json::Value>) -> Self {
        Self { sections, states: Mutex::default() }
    }

    /// The one state of that type; made by whoever comes first.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn state<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get::<Arc<T>>() {
            return Ok(Arc::clone(state));
        }
        let state = Arc::new(make()?);
        states.insert(Arc::clone(&state));
        Ok(state)
    }
}

/// Every dialect there is.
pub const ALL: &[&dyn Dialect] = &[
    &native::Native,
    &zuora::export::ZuoraExport,
    &zuora::aqua::ZuoraAqua,
    &userpilot::Userpilot,
    &zoho::Zoho,
    &cortex::Cortex,
];
