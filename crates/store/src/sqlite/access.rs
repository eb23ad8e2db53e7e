//! Credentials and access tokens, and the port `AccessStore`; links are in `links`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::access::{AccessToken, Credential, CredentialKind, Link, LinkKey, SecretHash};
use outhaul_exports::ports::AccessStore;
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ArtifactId, Error, Result};

use super::SqliteStore;
use super::failure::{is_duplicate, unavailable};
use crate::rows::{from_json, millis, moment, to_json};

/// The columns of a credential, in the order of [`read`].
macro_rules! select_credentials {
    ($rest:literal) => {
        concat!(
            "SELECT public, kind, audience, tenant, label, role, secret, created_at, expires_at, \
             revoked_at FROM credentials ",
            $rest
        )
    };
}

type Columns =
    (String, String, String, String, String, String, String, i64, Option<i64>, Option<i64>);

#[async_trait]
impl AccessStore for SqliteStore {
    async fn add_credential(&self, credential: &Credential) -> Result<()> {
        let insert = sqlx::query(
            "INSERT INTO credentials (public, kind, audience, tenant, label, role, secret,
                 created_at, expires_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&credential.public)
        .bind(to_json(&credential.kind)?)
        .bind(&credential.audience)
        .bind(&credential.tenant.0)
        .bind(&credential.label)
        .bind(to_json(&credential.role)?)
        .bind(to_json(&credential.secret)?)
        .bind(millis(credential.created_at))
        .bind(credential.expires_at.map(millis))
        .bind(credential.revoked_at.map(millis));
        self.insert_access(insert, "a credential with that public half is there already").await
    }

    async fn credential(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
    ) -> Result<Option<Credential>> {
        let row: Option<Columns> =
            sqlx::query_as(select_credentials!("WHERE audience = ? AND kind = ? AND public = ?"))
                .bind(audience)
                .bind(to_json(&kind)?)
                .bind(public)
                .fetch_optional(&self.readers)
                .await
                .map_err(unavailable)?;
        row.map(read).transpose()
    }

    async fn credentials(&self, tenant: Option<&TenantId>) -> Result<Vec<Credential>> {
        let rows: Vec<Columns> = match tenant {
            None => sqlx::query_as(select_credentials!("ORDER BY created_at, sequence")),
            Some(tenant) => sqlx::query_as(select_credentials!(
                "WHERE tenant = ? ORDER BY created_at, sequence"
            ))
            .bind(&tenant.0),
        }
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(read).collect()
    }

    async fn revoke_credential(&self, public: &str, now: DateTime<Utc>) -> Result<u64> {
        let update = sqlx::query(
            "UPDATE credentials SET revoked_at = ?1 WHERE public = ?2 AND revoked_at IS NULL
             AND (expires_at IS NULL OR expires_at > ?1)",
        );
        self.execute_access(update.bind(millis(now)).bind(public)).await
    }

    async fn replace_secret(
        &self,
        audience: &str,
        kind: CredentialKind,
        public: &str,
        secret: &SecretHash,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let (kind, secret) = (to_json(&kind)?, to_json(secret)?);
        let update = sqlx::query(
            "UPDATE credentials SET secret = ?1 WHERE audience = ?2 AND kind = ?3 AND public = ?4
             AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?5)",
        );
        let update = update.bind(secret).bind(audience).bind(&kind).bind(public).bind(millis(now));
        let end = sqlx::query("DELETE FROM tokens WHERE audience = ? AND kind = ? AND public = ?");
        let end = end.bind(audience).bind(&kind).bind(public);
        let mut write = self.begin().await?;
        let done = match write.execute(update).await {
            Ok(0) => Ok(false),
            Ok(_) => write.execute(end).await.map(|_| true),
            Err(error) => Err(error),
        };
        write.end(done).await.known()
    }

    async fn add_token(&self, token: &AccessToken) -> Result<()> {
        let insert = sqlx::query(
            "INSERT INTO tokens (hash, audience, kind, public, expires_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&token.hash)
        .bind(&token.audience)
        .bind(to_json(&token.credential.0)?)
        .bind(&token.credential.1)
        .bind(millis(token.expires_at));
        self.insert_access(insert, "that token is there already").await
    }

    async fn token(&self, hash: &str) -> Result<Option<AccessToken>> {
        let row: Option<(String, String, String, i64)> =
            sqlx::query_as("SELECT audience, kind, public, expires_at FROM tokens WHERE hash = ?")
                .bind(hash)
                .fetch_optional(&self.readers)
                .await
                .map_err(unavailable)?;
        let Some((audience, kind, public, expires_at)) = row else { return Ok(None) };
        let credential = (from_json(&kind)?, public);
        let (hash, expires_at) = (hash.to_owned(), moment(expires_at)?);
        Ok(Some(AccessToken { hash, audience, credential, expires_at }))
    }

    async fn end_token(&self, hash: &str) -> Result<bool> {
        let end = sqlx::query("DELETE FROM tokens WHERE hash = ?").bind(hash);
        Ok(self.execute_access(end).await? > 0)
    }

    async fn link_key(&self) -> Result<LinkKey> {
        self.find_link_key().await
    }

    async fn add_link(&self, link: &Link, most: u32) -> Result<()> {
        self.insert_link(link, most).await
    }

    async fn link(&self, hash: &str) -> Result<Option<Link>> {
        self.find_link(hash).await
    }

    async fn links(
        &self,
        tenant: &TenantId,
        artifact: ArtifactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Link>> {
        self.live_links(tenant, artifact, now).await
    }

    async fn renew_link(
        &self,
        tenant: &TenantId,
        hash: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>> {
        self.move_link_end(tenant, hash, until, now).await
    }

    async fn revoke_link(&self, tenant: &TenantId, hash: &str, now: DateTime<Utc>) -> Result<bool> {
        self.end_link(tenant, hash, now).await
    }

    async fn purge_access(&self, now: DateTime<Utc>) -> Result<u64> {
        let tokens = sqlx::query("DELETE FROM tokens WHERE expires_at < ?").bind(millis(now));
        let tokens = self.execute_access(tokens).await?;
        let links = sqlx::query("DELETE FROM links WHERE expires_at < ?1 OR revoked_at < ?1");
        Ok(tokens + self.execute_access(links.bind(millis(now))).await?)
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl SqliteStore {
    /// Runs one statement as a transaction of its own; answers how many rows it changed.
    pub(super) async fn execute_access(&self, query: Query<'_>) -> Result<u64> {
        let mut write = self.begin().await?;
        let done = write.execute(query).await;
        write.end(done).await.known()
    }

    async fn insert_access(&self, query: Query<'_>, taken: &str) -> Result<()> {
        let mut write = self.begin().await?;
        let done = match write.try_execute(query).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(Error::conflict(taken)),
            Err(error) => Err(unavailable(error)),
        };
        write.end(done).await.known()
    }
}

fn read(row: Columns) -> Result<Credential> {
    let (public, kind, audience, tenant, label, role, secret, created_at, expires_at, revoked_at) =
        row;
    Ok(Credential {
        public,
        kind: from_json(&kind)?,
        audience,
        tenant: TenantId(tenant),
        label,
        role: from_json(&role)?,
        secret: from_json(&secret)?,
        created_at: moment(created_at)?,
        expires_at: expires_at.map(moment).transpose()?,
        revoked_at: revoked_at.map(moment).transpose()?,
    })
}
