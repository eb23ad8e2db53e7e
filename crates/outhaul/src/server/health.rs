//! What operators are told about a process: whether it takes work, and what it has measured.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use outhaul_exports::ports::{ArtifactStore, JobStore};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Clock as _, ExportId, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::listener::{Probe, Readiness};

/// How long a part may take to answer whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer of the artifact store counts: trying it out writes to a disk or costs a
/// request, and whoever reaches the port may ask.
const FRESH: Duration = Duration::from_secs(2);
/// How often the metrics' recorder tidies up.
const UPKEEP: Duration = Duration::from_secs(10);
/// How the text of an error begins when there is no room.
const FULL: &str = "storage_full:";

/// The health of this process.
pub struct Health {
    jobs: Arc<dyn JobStore>,
    artifacts: Arc<dyn ArtifactStore>,
    recorder: PrometheusHandle,
    artifacts_were: tokio::sync::Mutex<Option<(Instant, Readiness)>>,
    /// The last answer, so that only changes are logged.
    was: Mutex<Readiness>,
}

impl Health {
    /// The health of a process that stands on these. Installs the recorder of metrics.
    ///
    /// # Errors
    /// When another recorder is installed already.
    pub fn new(
        jobs: Arc<dyn JobStore>,
        artifacts: Arc<dyn ArtifactStore>,
    ) -> anyhow::Result<Arc<Self>> {
        let (artifacts_were, was) = (tokio::sync::Mutex::default(), Mutex::new(Readiness::Ready));
        Ok(Arc::new(Self { jobs, artifacts, recorder: recorder()?, artifacts_were, was }))
    }

    /// Keeps the recorder tidy until `stop`.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let tidy = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                self.recorder.run_upkeep();
            }
        };
        stop.run_until_cancelled(tidy).await;
    }

    async fn look(&self) -> Readiness {
        let nobody = TenantId::from("-");
        let any = ExportId::new(SystemClock.now());
        let asked = tokio::time::timeout(PATIENCE, self.jobs.get(&nobody, any)).await;
        match asked {
            Ok(Ok(_)) => self.artifacts().await,
            _ => Readiness::NotReady("the store does not answer".to_owned()),
        }
    }

    async fn artifacts(&self) -> Readiness {
        let mut were = self.artifacts_were.lock().await;
        if let Some((at, found)) = &*were
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let found = match tokio::time::timeout(PATIENCE, self.artifacts.probe()).await {
            Ok(Ok(())) => Readiness::Ready,
            // What is there can still be downloaded, and room comes back when files expire.
            Ok(Err(error)) if error.public().starts_with(FULL) => {
                Readiness::ReadyBut(error.public().to_owned())
            }
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "the artifact store was tried out");
                Readiness::NotReady("the artifact store is not available".to_owned())
            }
            Err(_) => Readiness::NotReady("the artifact store does not answer".to_owned()),
        };
        *were = Some((Instant::now(), found.clone()));
        found
    }
}

#[async_trait]
impl Probe for Health {
    async fn readiness(&self) -> Readiness {
        let found = self.look().await;
        let mut was = self.was.lock().unwrap_or_else(PoisonError::into_inner);
        if *was != found {
            match &found {
                Readiness::Ready => tracing::info!("ready again"),
                Readiness::ReadyBut(why) => tracing::warn!(why, "ready, but not for all"),
                Readiness::NotReady(why) => tracing::error!(why, "not ready"),
            }
            was.clone_from(&found);
        }
        found
    }

    async fn metrics(&self) -> String {
        self.recorder.render()
    }
}

/// Installs the recorder of metrics for the process.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    let seconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets(&seconds)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot record metrics")?;
    let dialects: Vec<_> = outhaul_dialects::ALL.iter().map(|dialect| dialect.id()).collect();
    outhaul_worker::metrics::describe(&dialects);
    outhaul_delivery::describe_metrics();
    crate::listener::describe_metrics();
    metrics::describe_gauge!("outhaul_build_info", "always 1; which program this is");
    metrics::gauge!("outhaul_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(recorder)
}

#[cfg(test)]
mod tests {
    use outhaul_delivery::LocalArtifacts;

    use super::*;

    #[tokio::test]
    async fn metrics_begin_at_zero_and_what_is_away_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("artifacts");
        let artifacts = Arc::new(LocalArtifacts::open(&root).expect("it opens"));
        let address = format!("sqlite:{}", folder.path().join("store.db").display());
        let store = outhaul_store::open_exclusive(&address).await.expect("it opens");
        let health = Health::new(store.jobs(), artifacts).expect("the first recorder");
        assert_eq!(health.readiness().await, Readiness::Ready);
        let metrics = health.metrics().await;
        for line in [
            "outhaul_build_info{version=",
            "outhaul_damaged_artifacts_total 0",
            "outhaul_attempts_total{dialect=\"native\",ending=\"completed\"} 0",
            "outhaul_slot_deaths_total{cause=\"memory\"} 0",
            "outhaul_http_panics_total 0",
        ] {
            assert!(metrics.contains(&format!("\n{line}")), "{line}: {metrics}");
        }
        std::fs::rename(&root, folder.path().join("aside")).expect("it is moved");
        assert_eq!(health.readiness().await, Readiness::Ready, "it was looked at just now");
        *health.artifacts_were.lock().await = None;
        let away = Readiness::NotReady("the artifact store is not available".to_owned());
        assert_eq!(health.readiness().await, away);
        store.close().await;
        let away = Readiness::NotReady("the store does not answer".to_owned());
        assert_eq!(health.readiness().await, away);
    }
}
