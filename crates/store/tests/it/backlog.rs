//! A long queue: whose turn it is must not depend on how many wait.

use std::collections::HashSet;
use std::time::Instant;

use crate::opening::sql;
use crate::samples::*;

/// 50,000 copies of the first export, and one for each of 300 further tenants.
const MANY: &str = r#"
INSERT INTO exports (state, running_max, due_at, cancel_requested, updated_at, record_expires_at,
                     progress, form, body, id, tenant, dialect, created_at)
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50300),
new (n, new_id, new_tenant) AS (
    SELECT n, printf('%032x', n), CASE WHEN n <= 50000 THEN 'busy' ELSE 't' || n END FROM n)
SELECT state, running_max, due_at, cancel_requested, updated_at, record_expires_at, progress, form,
       replace(replace(body, id, new_id), '"busy"', '"' || new_tenant || '"'),
       new_id, new_tenant, dialect, created_at
FROM exports, new WHERE sequence = 1"#;

#[tokio::test]
async fn a_long_queue_delays_nobody_else() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path()).await;
    let stores = Stores::over(&store);
    put(&stores, free("busy", 0)).await?;
    sql(&folder.path().join("store.db"), MANY).await?;
    let counts = stores.jobs.counts().await?;
    assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), 50_301);

    // Nobody was served yet: in the first 301 leases everybody has one turn.
    let begin = Instant::now();
    let mut served = HashSet::new();
    for _ in 0..301 {
        let (export, _) = lease_one(&stores, 1).await;
        assert!(served.insert(export.tenant.clone()), "{} had two turns", export.tenant);
    }
    let each = begin.elapsed() / 301;
    println!("50,301 exports of 301 tenants wait: a lease takes {each:?}");

    // The rest are the busy one's, until somebody comes.
    assert_eq!(lease_one(&stores, 2).await.0.tenant, tenant("busy"));
    put(&stores, free("quiet", 3)).await?;
    assert_eq!(lease_one(&stores, 4).await.0.tenant, tenant("quiet"));
    assert_eq!(lease_one(&stores, 5).await.0.tenant, tenant("busy"));
    Ok(())
}
