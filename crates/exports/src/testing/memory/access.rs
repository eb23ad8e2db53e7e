//! Credentials, access tokens and links.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::MemoryStore;
use crate::access::{AccessToken, Credential, CredentialKind, Link, LinkKey, SecretHash};
use crate::ports::AccessStore;
use crate::principal::TenantId;
use crate::{ArtifactId, Error, Result};

#[async_trait]
impl AccessStore for MemoryStore {
    async fn add_credential(&self, credential: &Credential) -> Result<()> {
        let mut memory = self.lock();
        let same = |c: &Credential| {
            (&c.audience, c.kind, &c.public)
                == (&credential.audience, credential.kind, &credential.public)
        };
        if memory.credentials.iter().any(same) {
            return Err(Error::conflict("a credential with that public half is there already"));
        }
        memory.credentials.push(credential.clone());
        Ok(())
    }

    async fn credential(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
    ) -> Result<Option<Credential>> {
        let same = |c: &&Credential| c.audience == audience && c.kind == kind && c.public == public;
        Ok(self.lock().credentials.iter().find(same).cloned())
    }

    async fn credentials(&self, tenant: Option<&TenantId>) -> Result<Vec<Credential>> {
        let memory = self.lock();
        let wanted = memory.credentials.iter().filter(|c| tenant.is_none_or(|t| c.tenant == *t));
        let mut found: Vec<_> = wanted.cloned().collect();
        found.sort_by_key(|credential| credential.created_at);
        Ok(found)
    }

    async fn revoke_credential(&self, public: &str, now: DateTime<Utc>) -> Result<u64> {
        let mut memory = self.lock();
        let mut revoked = 0;
        for credential in &mut memory.credentials {
            if credential.public == public && credential.is_live(now) {
                credential.revoked_at = Some(now);
                revoked += 1;
            }
        }
        Ok(revoked)
    }

    async fn replace_secret(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
        secret: &SecretHash,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let mut memory = self.lock();
        let same = |c: &&mut Credential| {
            c.audience == audience && c.kind == kind && c.public == public && c.is_live(now)
        };
        let Some(credential) = memory.credentials.iter_mut().find(same) else { return Ok(false) };
        credential.secret = secret.clone();
        let of_it = |token: &AccessToken| {
            token.audience == audience
                && (token.credential.0, &*token.credential.1) == (kind, public)
        };
        memory.tokens.retain(|token| !of_it(token));
        Ok(true)
    }

    async fn add_token(&self, token: &AccessToken) -> Result<()> {
        let mut memory = self.lock();
        if memory.tokens.iter().any(|other| other.hash == token.hash) {
            return Err(Error::conflict("that token is there already"));
        }
        memory.tokens.push(token.clone());
        Ok(())
    }

    async fn token(&self, hash: &str) -> Result<Option<AccessToken>> {
        Ok(self.lock().tokens.iter().find(|token| token.hash == hash).cloned())
    }

    async fn end_token(&self, hash: &str) -> Result<bool> {
        let mut memory = self.lock();
        let before = memory.tokens.len();
        memory.tokens.retain(|token| token.hash != hash);
        Ok(memory.tokens.len() < before)
    }

    async fn link_key(&self) -> Result<LinkKey> {
        Ok(self.lock().link_key.get_or_insert_with(LinkKey::random).clone())
    }

    async fn add_link(&self, link: &Link, most: u32) -> Result<()> {
        let mut memory = self.lock();
        let of_it = |l: &&Link| l.tenant == link.tenant && l.artifact == link.artifact;
        let live = memory.links.iter().filter(of_it).filter(|l| is_live(l, link.created_at));
        Link::admit(u32::try_from(live.count()).unwrap_or(u32::MAX), most)?;
        if memory.links.iter().any(|other| other.hash == link.hash) {
            return Err(Error::conflict("that link is there already"));
        }
        memory.links.push(link.clone());
        Ok(())
    }

    async fn link(&self, hash: &str) -> Result<Option<Link>> {
        Ok(self.lock().links.iter().find(|link| link.hash == hash).cloned())
    }

    async fn links(
        &self,
        tenant: &TenantId,
        artifact: ArtifactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Link>> {
        let memory = self.lock();
        let of_it = |l: &&Link| l.tenant == *tenant && l.artifact == artifact && is_live(l, now);
        let mut found: Vec<_> = memory.links.iter().filter(of_it).cloned().collect();
        found.sort_by_key(|link| link.created_at);
        Ok(found)
    }

    async fn renew_link(
        &self,
        tenant: &TenantId,
        hash: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>> {
        let mut memory = self.lock();
        let same = |l: &&mut Link| l.hash == hash && l.tenant == *tenant && is_live(l, now);
        Ok(memory.links.iter_mut().find(same).map(|link| {
            link.expires_at = until;
            link.clone()
        }))
    }

    async fn revoke_link(&self, tenant: &TenantId, hash: &str, now: DateTime<Utc>) -> Result<bool> {
        let mut memory = self.lock();
        let same = |l: &&mut Link| l.hash == hash && l.tenant == *tenant && is_live(l, now);
        let link = memory.links.iter_mut().find(same);
        Ok(link.map(|link| link.revoked_at = Some(now)).is_some())
    }

    async fn purge_access(&self, now: DateTime<Utc>) -> Result<u64> {
        let mut memory = self.lock();
        let before = memory.tokens.len() + memory.links.len();
        memory.tokens.retain(|token| token.expires_at >= now);
        let ended =
            |link: &Link| link.expires_at < now || link.revoked_at.is_some_and(|at| at < now);
        memory.links.retain(|link| !ended(link));
        let after = memory.tokens.len() + memory.links.len();
        Ok(u64::try_from(before - after).unwrap_or(u64::MAX))
    }
}

fn is_live(link: &Link, now: DateTime<Utc>) -> bool {
    link.revoked_at.is_none() && now < link.expires_at
}
