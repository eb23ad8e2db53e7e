//! How Zuora speaks: what its Export API and AQuA share.
//!
//! One guard stands before every path ([`door`]): who asks ([`auth`], [`attempts`]), how often ([`limits`]), and
//! the headers of every answer ([`headers`]). Behind it are the things both APIs have in common:
//! access tokens ([`tokens`]), the catalog in XML ([`describe`]) and finished files ([`files`]).
//! What goes wrong is a [`errors::Refusal`] until the door writes it in the family of its path.
//!
//! The Export API itself is in [`export`], AQuA in [`aqua`], the query languages in [`zoql`].

pub mod aqua;
pub mod attempts;
pub mod auth;
pub mod config;
pub mod describe;
pub mod door;
pub mod errors;
pub mod export;
pub mod files;
pub mod headers;
pub mod limits;
pub mod money;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod zoql;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use outhaul_exports::{Exports, Result};
use serde_json::Value;

use self::attempts::Attempts;
use self::config::Shared;
use self::limits::{Concurrency, Windows};
use self::money::RateTable;
use crate::Setting;

/// The audience of every credential of this vendor: one credential serves both APIs.
pub const AUDIENCE: &str = "zuora";

/// The routes of what both APIs have in common.
pub fn shared_routes() -> Router<Arc<Zuora>> {
    Router::new()
        .route(door::TOKEN_PATH, post(tokens::create))
        .route("/v1/files/{id}", get(files::get))
        .route("/v1/file/{id}", get(files::get))
        .route("/apps/api/file/{id}", get(files::get))
        .route("/v1/describe", get(describe::all))
        .route("/v1/describe/{object}", get(describe::one))
}

/// What every handler of this vendor stands on.
pub struct Zuora {
    /// The use cases.
    pub exports: Arc<Exports>,
    /// Where clients reach this server, without a slash at the end.
    pub base_url: String,
    /// The settings that both APIs share.
    pub config: Shared,
    /// Rates of exchange, where there are any.
    pub rate_table: Option<RateTable>,
    /// Requests of each credential.
    pub rates: Windows,
    /// Token requests of each client id; failed sign-ins of everybody under one name.
    pub sign_ins: Windows,
    /// Attempts to sign in, of each public id.
    pub attempts: Attempts,
    /// Token requests of each address.
    pub addresses: Windows,
    /// Requests in hand of each tenant.
    pub concurrency: Concurrency,
}

impl Zuora {
    /// The one state of both APIs, so that a client's requests are counted together. `section` is
    /// that of the Export API, where the settings stand that both share.
    ///
    /// # Errors
    /// `Invalid`, saying which setting is wrong.
    pub fn of(setting: &Setting, section: &Value) -> Result<Arc<Self>> {
        setting.commons.state(|| {
            let config = Shared::read(section, &format!("dialects.{}", export::ID))?;
            Ok(Self::new(Arc::clone(&setting.exports), setting.base_url.clone(), config))
        })
    }

    fn new(exports: Arc<Exports>, base_url: String, config: Shared) -> Self {
        Self {
            // Checked when the section was read.
            rate_table: config.rate_table().ok().flatten(),
            rates: Windows::new(config.rate_windows()),
            sign_ins: Windows::new(config.sign_in_windows()),
            attempts: Attempts::default(),
            addresses: Windows::new(config.address_windows()),
            concurrency: Concurrency::new(config.concurrency_max),
            exports,
            base_url,
            config,
        }
    }
}
