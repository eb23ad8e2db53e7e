//! Looks names up, and lets nobody connect to an address that was not checked.
//!
//! The answer of one look-up is all that a connection is made from. A name of which any address is
//! forbidden is refused as a whole: whoever lets a name lead to a forbidden address means no good,
//! and would get it in the end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outhaul_exports::callback::Rules;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

/// Addresses that a name may have; one with more is refused.
const ADDRESSES_MAX: usize = 64;
/// Addresses of a name that are tried.
const TRIED_MAX: usize = 4;

/// What answers which addresses a name has.
#[async_trait]
pub(super) trait Lookup: Send + Sync {
    /// All addresses of the host.
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own look-up.
pub(super) struct System;

#[async_trait]
impl Lookup for System {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.take(ADDRESSES_MAX + 1).map(|address| address.ip()).collect())
    }
}

/// Answers addresses that may be called, or none.
pub(super) struct CheckedNames {
    pub(super) rules: Arc<Rules>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) patience: Duration,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("its name could not be looked up: {0}")]
    Failed(#[from] io::Error),
    #[error("its name was not looked up within {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("its name has no address")]
    Nothing,
    #[error("its name has more than {ADDRESSES_MAX} addresses")]
    TooMany,
    #[error("its name leads to {0}, which is {1}; callbacks.allow would let it be called")]
    Forbidden(IpAddr, &'static str),
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, lookup) = (self.rules.clone(), self.lookup.clone());
        let patience = self.patience;
        Box::pin(async move {
            let found = usable(&rules, &*lookup, name.as_str(), patience).await?;
            let sockets = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

async fn usable(
    rules: &Rules,
    lookup: &dyn Lookup,
    host: &str,
    patience: Duration,
) -> Result<Vec<IpAddr>, Unusable> {
    let looked_up = timeout(patience, lookup.look_up(host)).await;
    let mut found = looked_up.map_err(|_| Unusable::Slow(patience))??;
    if found.is_empty() {
        return Err(Unusable::Nothing);
    }
    if found.len() > ADDRESSES_MAX {
        return Err(Unusable::TooMany);
    }
    for address in &found {
        let forbidden = |what| Unusable::Forbidden(*address, what);
        rules.check_address(host, *address).map_err(forbidden)?;
    }
    found.truncate(TRIED_MAX);
    Ok(found)
}
