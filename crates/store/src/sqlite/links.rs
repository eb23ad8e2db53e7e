//! Download links.

use chrono::{DateTime, Utc};
use outhaul_exports::access::{Link, LinkKey};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ArtifactId, Error, Result};

use super::SqliteStore;
use super::failure::{is_duplicate, unavailable};
use super::write::Write;
use crate::rows::{millis, moment};

macro_rules! select_links {
    ($rest:literal) => {
        concat!(
            "SELECT hash, tenant, artifact, created_at, expires_at, revoked_at FROM links ",
            $rest
        )
    };
}

type Columns = (String, String, String, i64, i64, Option<i64>);

impl SqliteStore {
    pub(super) async fn find_link_key(&self) -> Result<LinkKey> {
        let find = || sqlx::query_scalar("SELECT key FROM link_key").fetch_optional(&self.readers);
        let mut found: Option<Vec<u8>> = find().await.map_err(unavailable)?;
        if found.is_none() {
            let insert = sqlx::query(
                "INSERT INTO link_key (one, key) VALUES (1, ?)
                                      ON CONFLICT DO NOTHING",
            );
            self.execute_access(insert.bind(LinkKey::random().0.to_vec())).await?;
            found = find().await.map_err(unavailable)?;
        }
        let key = found.and_then(|key| key.try_into().ok());
        key.map(LinkKey).ok_or_else(|| Error::internal("the store's link key is not a key"))
    }

    pub(super) async fn insert_link(&self, link: &Link, most: u32) -> Result<()> {
        let mut write = self.begin().await?;
        let done = insert(&mut write, link, most).await;
        write.end(done).await.known()
    }

    pub(super) async fn find_link(&self, hash: &str) -> Result<Option<Link>> {
        let row: Option<Columns> = sqlx::query_as(select_links!("WHERE hash = ?"))
            .bind(hash)
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        row.map(read).transpose()
    }

    pub(super) async fn live_links(
        &self,
        tenant: &TenantId,
        artifact: ArtifactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Link>> {
        let rows: Vec<Columns> = sqlx::query_as(select_links!(
            "WHERE tenant = ? AND artifact = ? AND expires_at > ? AND revoked_at IS NULL
             ORDER BY created_at, sequence"
        ))
        .bind(&tenant.0)
        .bind(artifact.to_string())
        .bind(millis(now))
        .fetch_all(&self.readers)
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(read).collect()
    }

    pub(super) async fn move_link_end(
        &self,
        tenant: &TenantId,
        hash: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>> {
        let update = sqlx::query(
            "UPDATE links SET expires_at = ?
             WHERE hash = ? AND tenant = ? AND expires_at > ? AND revoked_at IS NULL",
        )
        .bind(millis(until))
        .bind(hash)
        .bind(&tenant.0)
        .bind(millis(now));
        match self.execute_access(update).await? {
            0 => Ok(None),
            _ => self.find_link(hash).await,
        }
    }

    pub(super) async fn end_link(
        &self,
        tenant: &TenantId,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let update = sqlx::query(
            "UPDATE links SET revoked_at = ?1
             WHERE hash = ?2 AND tenant = ?3 AND expires_at > ?1 AND revoked_at IS NULL",
        );
        let update = update.bind(millis(now)).bind(hash).bind(&tenant.0);
        Ok(self.execute_access(update).await? > 0)
    }
}

async fn insert(write: &mut Write, link: &Link, most: u32) -> Result<()> {
    let live: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM links
         WHERE tenant = ? AND artifact = ? AND expires_at > ? AND revoked_at IS NULL",
    )
    .bind(&link.tenant.0)
    .bind(link.artifact.to_string())
    .bind(millis(link.created_at))
    .fetch_one(write.connection())
    .await
    .map_err(unavailable)?;
    Link::admit(u32::try_from(live).unwrap_or(u32::MAX), most)?;
    let insert = sqlx::query(
        "INSERT INTO links (hash, tenant, artifact, created_at, expires_at, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&link.hash)
    .bind(&link.tenant.0)
    .bind(link.artifact.to_string())
    .bind(millis(link.created_at))
    .bind(millis(link.expires_at))
    .bind(link.revoked_at.map(millis));
    match write.try_execute(insert).await {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(Error::conflict("that link is there already")),
        Err(error) => Err(unavailable(error)),
    }
}

fn read((hash, tenant, artifact, created_at, expires_at, revoked_at): Columns) -> Result<Link> {
    let bad = |e| Error::internal("a stored link names no artifact").with_source(e);
    Ok(Link {
        hash,
        tenant: TenantId(tenant),
        artifact: artifact.parse().map_err(bad)?,
        created_at: moment(created_at)?,
        expires_at: moment(expires_at)?,
        revoked_at: revoked_at.map(moment).transpose()?,
    })
}
