//! Short links: a secret in a URL that opens one file for a while, without a credential.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Download, Exports, require};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::access::{Link, LinkKey, sha256_hex};
use crate::clock::after;
use crate::export::Export;
use crate::ports::AccessStore;
use crate::principal::{Principal, Role};
use crate::{ArtifactId, Error, ErrorKind, Result, id, limits};

/// A link that was just made.
pub struct IssuedLink {
    /// The secret: shown once, 256 bits in hexadecimal.
    pub token: String,
    /// The link's id, for renewing and revoking; it opens nothing.
    pub id: String,
    /// The first moment at which it no longer works.
    pub expires_at: DateTime<Utc>,
}

/// See [`Exports::standing_link`]; for those who act for no principal.
///
/// # Errors
/// `Expired` when the export's files are gone; `Unavailable` when the store is away.
pub async fn standing_link(
    access: &dyn AccessStore,
    export: &Export,
    artifact: ArtifactId,
    now: DateTime<Utc>,
) -> Result<IssuedLink> {
    let over = || Error::new(ErrorKind::Expired, "the file's time is over");
    let expires_at = export.files_expire_at.filter(|end| now < *end).ok_or_else(over)?;
    let token = derived(&access.link_key().await?, artifact);
    let link = Link {
        hash: sha256_hex(&token),
        tenant: export.tenant.clone(),
        artifact,
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    if access.link(&link.hash).await?.is_none() {
        // Of two who ask at once the other one made it; it is the same.
        let added = access.add_link(&link, u32::MAX).await;
        match added {
            Err(error) if *error.kind() != ErrorKind::Conflict => return Err(error),
            _ => {}
        }
    }
    Ok(IssuedLink { token, id: link.hash, expires_at })
}

/// The secret of a file's standing link: nobody can tell it without the key.
fn derived(key: &LinkKey, artifact: ArtifactId) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0)
        .expect("cannot fail because a key may have any length");
    mac.update(artifact.to_string().as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl Exports {
    /// Makes a link to a file. It never outlives the file.
    ///
    /// # Errors
    /// As [`Exports::find_file`]; `Invalid` for a life over the limit; `LimitExceeded` when the
    /// file has too many live links.
    pub async fn issue_link(
        &self,
        who: &Principal,
        artifact: ArtifactId,
        ttl: Duration,
    ) -> Result<IssuedLink> {
        let file = self.find_file(who, artifact).await?;
        let expires_at = self.link_end(&file, ttl)?;
        let token = id::secret(32);
        let link = Link {
            hash: sha256_hex(&token),
            tenant: who.tenant.clone(),
            artifact,
            created_at: self.now(),
            expires_at,
            revoked_at: None,
        };
        self.parts.access.add_link(&link, limits::LINKS_MAX).await?;
        Ok(IssuedLink { token, id: link.hash, expires_at })
    }

    /// The one link to a file that is the same whenever it is asked for, for answers that show it
    /// again and again. It lives as long as the file.
    ///
    /// # Errors
    /// As [`Exports::find_file`].
    pub async fn standing_link(
        &self,
        who: &Principal,
        export: &Export,
        artifact: ArtifactId,
    ) -> Result<IssuedLink> {
        require(who, Role::Reader)?;
        standing_link(&*self.parts.access, export, artifact, self.now()).await
    }

    /// The live links of a file.
    ///
    /// # Errors
    /// As [`Exports::find_file`].
    pub async fn links(&self, who: &Principal, artifact: ArtifactId) -> Result<Vec<Link>> {
        self.find_file(who, artifact).await?;
        self.parts.access.links(&who.tenant, artifact, self.now()).await
    }

    /// Moves the end of a live link to `ttl` from now.
    ///
    /// # Errors
    /// `NotFound` when it is not live.
    pub async fn renew_link(
        &self,
        who: &Principal,
        artifact: ArtifactId,
        link: &str,
        ttl: Duration,
    ) -> Result<Link> {
        let file = self.find_file(who, artifact).await?;
        let until = self.link_end(&file, ttl)?;
        self.owned_link(who, artifact, link).await?;
        let renewed = self.parts.access.renew_link(&who.tenant, link, until, self.now()).await?;
        renewed.ok_or_else(|| Error::not_found("link"))
    }

    /// Ends a live link at once.
    ///
    /// # Errors
    /// `NotFound` when it is not live.
    pub async fn revoke_link(
        &self,
        who: &Principal,
        artifact: ArtifactId,
        link: &str,
    ) -> Result<()> {
        require(who, Role::Exporter)?;
        self.owned_link(who, artifact, link).await?;
        match self.parts.access.revoke_link(&who.tenant, link, self.now()).await? {
            true => Ok(()),
            false => Err(Error::not_found("link")),
        }
    }

    /// What a link opens.
    ///
    /// # Errors
    /// `NotFound` for unknown, tampered, expired and revoked ones alike; `Unavailable` when the
    /// store is away.
    pub async fn follow_link(&self, token: &str) -> Result<Download> {
        let link = self.parts.access.link(&sha256_hex(token)).await?;
        let live = link.filter(|link| link.revoked_at.is_none() && self.now() < link.expires_at);
        let link = live.ok_or_else(|| Error::not_found("link"))?;
        let found = self.find_file_of(&link.tenant, link.artifact).await;
        found.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Expired => Error::not_found("link"),
            // Whoever is told that a link is dead throws it away.
            _ => error,
        })
    }

    async fn owned_link(&self, who: &Principal, artifact: ArtifactId, link: &str) -> Result<()> {
        let found = self.parts.access.link(link).await?;
        match found.filter(|l| l.tenant == who.tenant && l.artifact == artifact) {
            Some(_) => Ok(()),
            None => Err(Error::not_found("link")),
        }
    }

    fn link_end(&self, file: &Download, ttl: Duration) -> Result<DateTime<Utc>> {
        if ttl.is_zero() || ttl > limits::LINK_TTL_MAX {
            let text = format!("a link lives 1 to {} seconds", limits::LINK_TTL_MAX.as_secs());
            return Err(Error::invalid("ttl", text));
        }
        let end = after(self.now(), ttl);
        Ok(file.export.files_expire_at.map_or(end, |gone| end.min(gone)))
    }
}
