//! One attempt of one export, as the server sees it: a slot does the work, the lease is kept
//! meanwhile, and in the end the store is told what became of it.

use outhaul_exports::export::{Export, Failure, Outcome, Progress};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::manifest::Manifest;
use outhaul_exports::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::deadlines::Deadlines;
use crate::heartbeat::{Keeping, Order};
use crate::publish::{Ending, publish};
use crate::runner::Shared;
use crate::slot::naming;
use crate::slot::protocol::{Answer, Decision, Request, Run};
use crate::storage::Quota;
use crate::supervisor::{Death, Held};

/// Takes an export that was just leased to its end.
pub(crate) async fn attempt(shared: &Shared, export: Export, slot: Held, asked_at: Instant) {
    let Some(lease) = export.lease.clone() else {
        tracing::error!(export_id = %export.id, "the store leased an export without a lease");
        return slot.give_back();
    };
    let key = LeaseKey { export: export.id, token: lease.token };
    let begun_at = Instant::now();
    tracing::info!(
        export_id = %export.id,
        tenant = %export.tenant,
        dialect = export.dialect,
        attempt = export.tally.attempts,
        "an attempt begins"
    );
    let work = Work { shared, export: &export, key: &key };
    let ending = match work.supervise(slot, asked_at).await {
        Some(outcome) => publish(shared, &key, outcome).await,
        None => Ending::Abandoned,
    };
    if ending.leaves_no_files() {
        work.remove_files().await;
    }
    let seconds = begun_at.elapsed().as_secs_f64();
    let labels = [("dialect", export.dialect.clone()), ("ending", ending.name().to_owned())];
    metrics::counter!("outhaul_attempts_total", &labels).increment(1);
    metrics::histogram!("outhaul_attempt_seconds", &labels).record(seconds);
    tracing::info!(export_id = %export.id, ending = ending.name(), seconds, "an attempt ended");
}

struct Work<'a> {
    shared: &'a Shared,
    export: &'a Export,
    key: &'a LeaseKey,
}

impl Work<'_> {
    /// Has the slot run the export. `None` when the lease is lost, or may be: then nothing may be
    /// written about the export any more.
    async fn supervise(&self, mut slot: Held, asked_at: Instant) -> Option<Outcome> {
        let mut deadlines = Deadlines::begin(&self.export.policy, Instant::now());
        let progress = watch::Sender::new(Progress::default());
        let keeping = Keeping {
            jobs: &self.shared.jobs,
            clock: &*self.shared.clock,
            timings: &self.shared.timings,
            export: self.export,
            key: self.key,
            progress: progress.subscribe(),
            renewed_at: asked_at,
        };
        let keeping = keeping.keep();
        tokio::pin!(keeping);
        let quota = match self.quota().await {
            Ok(quota) => quota,
            Err(error) => {
                tracing::warn!(error = error.chain(), "the stored files could not be counted");
                slot.give_back();
                let text = "the stored files could not be counted at the moment";
                return Some(Outcome::Retry(Failure::new("unavailable", text)));
            }
        };
        let run = Run {
            lease: self.key.clone(),
            scope: self.export.scope.clone(),
            spec: self.export.spec.clone(),
            quota,
        };
        if let Err(death) = slot.send(&Request::Run(Box::new(run))).await {
            return Some(self.died(&death));
        }
        let answer = loop {
            tokio::select! {
                answer = slot.report() => match answer {
                    Ok(Answer::Progress(now)) => {
                        deadlines.see(&now, Instant::now());
                        progress.send_replace(now);
                    }
                    Ok(answer) => break answer,
                    Err(death) => return Some(self.died(&death)),
                },
                order = &mut keeping => return self.obey(order, slot).await,
                () = until(deadlines.next()) => {
                    stop(slot).await;
                    return Some(Outcome::Failed(deadlines.overran()));
                }
                () = self.shared.drain.over() => {
                    stop(slot).await;
                    return Some(Outcome::Released);
                }
            }
        };
        slot.give_back();
        tokio::select! {
            outcome = self.judge(answer) => Some(outcome),
            order = &mut keeping => match order {
                Order::Cancel => Some(Outcome::Cancelled),
                Order::Lost | Order::OutOfReach => None,
            },
        }
    }

    async fn obey(&self, order: Order, mut slot: Held) -> Option<Outcome> {
        tracing::info!(export_id = %self.key.export, ?order, "an attempt is stopped");
        match order {
            Order::Cancel => {
                stop(slot).await;
                Some(Outcome::Cancelled)
            }
            Order::Lost | Order::OutOfReach => {
                // There may be no time left to ask.
                slot.end().await;
                None
            }
        }
    }

    /// What the slot's last answer means for the export.
    async fn judge(&self, answer: Answer) -> Outcome {
        match answer {
            Answer::Done { manifest, warnings, progress } => {
                let checked = match self.check(&manifest, &progress).await {
                    // Others may have ended since this one began.
                    Ok(()) => self.quota().await,
                    Err(error) => Err(error),
                };
                match checked {
                    Ok(quota) => match quota.and_then(|quota| quota.refusal(manifest.bytes())) {
                        Some(failure) => Outcome::Failed(failure),
                        None => Outcome::Completed { manifest, warnings, progress },
                    },
                    Err(error) => {
                        tracing::error!(
                            export_id = %self.key.export,
                            error = error.chain(),
                            "files are not what the slot said"
                        );
                        let text = "a file was not stored as it was written";
                        Outcome::Retry(Failure::new("artifact_lost", text))
                    }
                }
            }
            Answer::Failed { failure, internal, decision } => {
                tracing::warn!(
                    export_id = %self.key.export,
                    code = failure.code,
                    error = internal,
                    ?decision,
                    "an attempt failed"
                );
                match decision {
                    Decision::Retry => Outcome::Retry(failure),
                    Decision::Fail => Outcome::Failed(failure),
                }
            }
            other => {
                tracing::error!(export_id = %self.key.export, answer = ?other, "a wrong answer");
                Outcome::Retry(Failure::new("internal_error", "an internal error occurred"))
            }
        }
    }

    /// How much the export's files may take, as it is now.
    async fn quota(&self) -> Result<Option<Quota>> {
        let Some(bytes_max) = self.export.policy.storage_bytes_max else { return Ok(None) };
        let Export { tenant, dialect, .. } = self.export;
        let stored_bytes = self.shared.jobs.stored_bytes(tenant, dialect).await?;
        Ok(Some(Quota { bytes_max, stored_bytes }))
    }

    /// Compares what the slot says with what is asked for and with what is stored.
    async fn check(&self, manifest: &Manifest, progress: &Progress) -> Result<()> {
        let wrong = |what: String| Err(Error::internal(what));
        let mut parts = vec![0; self.export.spec.queries.len()];
        if progress.rows_read != manifest.rows() {
            return wrong(format!("{} rows read, {} listed", progress.rows_read, manifest.rows()));
        }
        for artifact in &manifest.artifacts {
            let query = usize::try_from(artifact.query).unwrap_or(usize::MAX);
            let Some(part) = parts.get_mut(query) else {
                return wrong(format!("{} is of query {query}", artifact.key));
            };
            let key = naming::object_key(&self.export.tenant, self.key, query, *part).path();
            *part += 1;
            if artifact.key != key {
                return wrong(format!("query {query} made {}, not {key}", artifact.key));
            }
            let stored = self.shared.artifacts.size(&key).await?;
            if stored != Some(artifact.bytes) {
                return wrong(format!(
                    "{key}: {} bytes written, {stored:?} stored",
                    artifact.bytes
                ));
            }
        }
        let split = self.export.spec.split.is_some();
        match parts.iter().position(|made| *made == 0 || (*made > 1 && !split)) {
            Some(query) => wrong(format!("query {query} made {} files", parts[query])),
            None => Ok(()),
        }
    }

    fn died(&self, death: &Death) -> Outcome {
        metrics::counter!("outhaul_slot_deaths_total", "cause" => death.cause()).increment(1);
        tracing::warn!(
            export_id = %self.key.export,
            cause = death.cause(),
            detail = %death,
            "a slot died under an export"
        );
        if death.is_out_of_memory() {
            let text = "the export needed more memory than one may use: ask for fewer columns, or \
                        divide it";
            return Outcome::Failed(Failure::new("memory_limit", text));
        }
        let text = "the process that ran the export ended unexpectedly";
        Outcome::Crashed(Failure::new("worker_crashed", text))
    }

    /// Removes the attempt's files. What cannot be removed now, a housekeeper finds later.
    async fn remove_files(&self) {
        let split = self.export.spec.split.is_some();
        for query in 0..self.export.spec.queries.len() {
            for part in 0.. {
                let key = naming::object_key(&self.export.tenant, self.key, query, part).path();
                // Parts are written one after the other: behind the first that is not there, none is.
                if split && !matches!(self.shared.artifacts.size(&key).await, Ok(Some(_))) {
                    break;
                }
                if let Err(error) = self.shared.artifacts.delete(&key).await {
                    tracing::warn!(
                        artifact_key = key,
                        error = error.chain(),
                        "a file was left over"
                    );
                }
                if !split {
                    break;
                }
            }
        }
    }
}

/// Ends what a slot does. It is kept when it stops by itself in time.
async fn stop(mut slot: Held) {
    match slot.stop().await {
        Ok(_) => slot.give_back(),
        Err(death) => {
            tracing::info!(detail = %death, "a slot did not stop by itself");
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
