//! How Zuora speaks: what its Export API and AQuA share.
//!
//! One guard stands before every path ([`door`]): who asks ([`auth`], [`attempts`]), how often ([`limits`]), and
//! the headers of every answer ([`headers`]). Behind it are the things both APIs have in common:
//! access tokens ([`tokens`]), the catalog in XML ([`describe`]) and finished files ([`files`]).
//! What goes wrong is a [`errors::Refusal`] until the door writes it in the family of its path.
//!
//! The Export API itself is in [`export`], the query languages in [`zoql`].

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
pub mod tokens;
pub mod zoql;

use std::sync::Arc;

use outhaul_exports::Exports;

use self::attempts::Attempts;
use self::config::Shared;
use self::limits::{Concurrency, Windows};
use self::money::RateTable;

/// The audience of every credential of this vendor: one credential serves both APIs.
pub const AUDIENCE: &str = "zuora";

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
    /// The state of one dialect of this vendor.
    pub fn new(exports: Arc<Exports>, base_url: String, config: Shared) -> Self {
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
