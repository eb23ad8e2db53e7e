//! Keeps slots: starts them, hands them out warm, watches them, and ends them.
//!
//! There are two benches of slots. One is for exports; the other plans and previews for the API,
//! so that long exports never keep a customer waiting for the answer to a request; no tenant has all
//! of it ([`turns`]).

mod bench;
mod memory;
mod process;
mod spawn;
mod spill;
mod turns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::manifest::ColumnNote;
use outhaul_exports::ports::{Planner, Preview};
use outhaul_exports::principal::{TenantId, TenantScope};
use outhaul_exports::query::Query;
use outhaul_exports::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

pub(crate) use bench::{Bench, Held};
pub(crate) use process::Death;

use crate::slot::protocol::{Answer, Request};

/// How a slot is started.
#[derive(Debug, Clone, Default)]
pub struct SlotCommand {
    /// The program; the server's own, as a rule.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment. Nothing else of the server's own is passed on.
    pub env: Vec<(OsString, OsString)>,
}

/// How many slots there are, and what each may use.
#[derive(Debug, Clone)]
pub struct SlotSettings {
    /// How a slot is started.
    pub command: SlotCommand,
    /// Slots for exports.
    pub slots: usize,
    /// Slots that plan and preview.
    pub planners: usize,
    /// Threads of one slot.
    pub threads: usize,
    /// Bytes of memory for the engine's operators in one slot; past them they spill.
    pub memory_bytes: u64,
    /// Bytes of memory of one slot's process; past them it is killed.
    pub hard_memory_bytes: u64,
    /// Where spill files go.
    pub spill_dir: PathBuf,
    /// Bytes of spill files of one slot.
    pub spill_bytes: u64,
    /// How long a slot may take to say that it is ready.
    pub hello_within: Duration,
    /// How long a slot that runs an export may say nothing.
    pub silence_max: Duration,
    /// How often a busy slot's memory is looked at.
    pub watch_every: Duration,
    /// How long a slot may take to stop when it is asked to; then it is killed.
    pub stop_within: Duration,
    /// How long a check or a preview may take, with the wait for a slot.
    pub plan_within: Duration,
    /// Pieces of work after which a slot is replaced, so that nothing grows for ever.
    pub reuse_max: u32,
}

impl SlotSettings {
    /// The defaults for slots that `command` starts and that spill below `spill_dir`.
    pub fn new(command: SlotCommand, spill_dir: PathBuf) -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            command,
            slots: 2,
            planners: 2,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: GIB / 2,
            hard_memory_bytes: 2 * GIB,
            spill_dir,
            spill_bytes: 20 * GIB,
            hello_within: Duration::from_secs(30),
            silence_max: Duration::from_secs(30),
            watch_every: Duration::from_millis(50),
            stop_within: Duration::from_millis(700),
            plan_within: Duration::from_secs(30),
            reuse_max: 1_000,
        }
    }
}

/// All slots of this process. When it is dropped, they end.
pub struct SlotPool {
    runs: Arc<Bench>,
    plans: Arc<Bench>,
    turns: Arc<turns::Turns>,
    settings: Arc<SlotSettings>,
    dead: Vec<Incarnation>,
}

impl SlotPool {
    /// Begins to start the slots, in the background.
    ///
    /// # Errors
    /// `Unavailable` when the spill folder cannot be used.
    pub fn start(settings: SlotSettings, incarnation: &Incarnation) -> Result<Self> {
        let settings = Arc::new(settings);
        let spill = Arc::new(spill::SpillRoot::claim(&settings.spill_dir, incarnation)?);
        let spawner = spawn::Spawner::start(settings.clone())?;
        let bench = |name, seats| Bench::fill(name, seats, &settings, &spawner, &spill);
        let planners = settings.planners.max(1);
        let (runs, plans) = (bench("run", settings.slots), bench("plan", planners));
        let turns = turns::Turns::new(planners);
        let dead = spill.dead().to_vec();
        Ok(Self { runs, plans, turns, settings, dead })
    }

    /// Processes with the same spill folder that were found dead at the start: what they held
    /// leases on may be run again at once.
    pub fn dead(&self) -> &[Incarnation] {
        &self.dead
    }

    /// Slots that wait for an export.
    pub fn free(&self) -> usize {
        self.runs.ready()
    }

    /// Waits until every slot is ready, or the first one cannot be started.
    ///
    /// # Errors
    /// Why a slot cannot be started.
    pub async fn ready(&self) -> Result<()> {
        self.plans.all_ready().await?;
        self.runs.all_ready().await
    }

    pub(crate) fn runs(&self) -> &Arc<Bench> {
        &self.runs
    }

    /// Has a planning slot answer one request of a tenant.
    async fn ask(&self, tenant: &TenantId, request: &Request) -> Result<Answer> {
        let until = Instant::now() + self.settings.plan_within;
        let too_many =
            |_| Error::unavailable("too many queries are being planned: try again in a moment");
        let _turn = timeout_at(until, self.turns.take(tenant)).await.map_err(too_many)??;
        // There is a slot for every turn, as soon as one that died is replaced.
        let mut slot = timeout_at(until, self.plans.take()).await.map_err(too_many)?;
        let answered = timeout_at(until, async {
            slot.send(request).await?;
            slot.answer().await
        });
        match answered.await {
            Ok(Ok(answer)) => {
                slot.give_back();
                Ok(answer)
            }
            Ok(Err(death)) => Err(planning_died(&death)),
            Err(_) => {
                // The slot is dropped, which kills it: it may be stuck for good.
                metrics::counter!("outhaul_slot_deaths_total", "cause" => "plan_time").increment(1);
                let text = "planning this query took too long: make it simpler, or ask for less";
                Err(Error::new(ErrorKind::TooLarge, text))
            }
        }
    }
}

fn planning_died(death: &Death) -> Error {
    tracing::warn!(cause = death.cause(), detail = %death, "a slot died while it planned a query");
    let error = if death.is_by_query() {
        let text =
            "planning this query takes more memory or nesting than there is: make it simpler";
        Error::new(ErrorKind::TooLarge, text)
    } else {
        Error::unavailable("planning this query was interrupted: try again")
    };
    error.with_internal(death.to_string())
}

#[async_trait]
impl Planner for SlotPool {
    async fn check(&self, scope: &TenantScope, query: &Query) -> Result<Vec<ColumnNote>> {
        let request = Request::Check { scope: scope.clone(), query: query.clone() };
        match self.ask(scope.tenant(), &request).await? {
            Answer::Checked(columns) => Ok(columns),
            other => Err(refused(other)),
        }
    }

    async fn preview(&self, scope: &TenantScope, query: &Query, rows: u64) -> Result<Preview> {
        let request = Request::Preview { scope: scope.clone(), query: query.clone(), rows };
        match self.ask(scope.tenant(), &request).await? {
            Answer::Previewed(preview) => Ok(preview),
            other => Err(refused(other)),
        }
    }
}

fn refused(answer: Answer) -> Error {
    match answer {
        Answer::Refused(refusal) => refusal.into(),
        other => Error::internal(format!("a slot gave the wrong answer: {other:.200?}")),
    }
}
