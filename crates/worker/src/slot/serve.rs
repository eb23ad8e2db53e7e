//! The slot's side of the conversation: one piece of work at a time, heard while it is done.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use outhaul_exports::Error;
use outhaul_exports::ports::RunLimits;
use tokio::io::{AsyncRead, BufReader};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::failure::Stop;
use super::lines::Lines;
use super::protocol::{Answer, REQUEST_BYTES_MAX, Refusal, Request, Setup, VERSION};
use super::run::{Counters, run};
use super::{Parts, limits, preview};

/// How often a run is reported.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Talks until the input ends, which is when the server is gone or wants no more of this slot.
pub(super) async fn serve(
    parts: Parts,
    setup: Setup,
    work: Handle,
    input: impl AsyncRead + Unpin,
    answers: impl Write,
) -> io::Result<()> {
    let mut lines = Lines::new(BufReader::with_capacity(64 * 1024, input), REQUEST_BYTES_MAX);
    let mut answers = Answers(answers);
    let mut busy: Option<Work> = None;
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    answers.say(&Answer::Hello { version: VERSION })?;
    loop {
        tokio::select! {
            line = lines.next() => {
                let Some(line) = line? else { return Ok(()) };
                let request = serde_json::from_slice(&line).map_err(io::Error::other)?;
                match (request, &busy) {
                    (Request::Cancel, Some(work)) => work.cancel.cancel(),
                    (Request::Cancel, None) => {}
                    (_, Some(_)) => return Err(io::Error::other("asked for two things at once")),
                    (request, None) => {
                        busy = Some(Work::start(request, &parts, &setup, &work));
                        tick.reset();
                    }
                }
            }
            answer = ended(&mut busy) => {
                busy = None;
                clean_up(&setup);
                answers.say(&answer)?;
            }
            _ = tick.tick() => {
                if let Some(Work { counters: Some(counters), .. }) = &busy {
                    answers.say(&Answer::Progress(counters.progress()))?;
                }
            }
        }
    }
}

/// The answer of the work, once it ends; never, when there is none.
async fn ended(busy: &mut Option<Work>) -> Answer {
    match busy {
        Some(work) => work.ended().await,
        None => std::future::pending().await,
    }
}

/// What is being done.
struct Work {
    task: JoinHandle<Answer>,
    cancel: CancellationToken,
    /// Of a run; checks and previews are not reported.
    counters: Option<Arc<Counters>>,
}

impl Work {
    fn start(request: Request, parts: &Parts, setup: &Setup, work: &Handle) -> Self {
        let cancel = CancellationToken::new();
        let counters = matches!(request, Request::Run(_)).then(Arc::<Counters>::default);
        let limits = RunLimits {
            memory_bytes: setup.memory_bytes,
            spill_bytes: setup.spill_bytes,
            spill_dir: setup.spill_dir.clone(),
            threads: setup.threads,
        };
        let doing = answer(request, parts.clone(), limits, counters.clone(), cancel.clone());
        Self { task: work.spawn(doing), cancel, counters }
    }

    async fn ended(&mut self) -> Answer {
        match (&mut self.task).await {
            Ok(answer) => answer,
            Err(panic) => {
                let error = Error::internal("the work panicked").with_source(panic);
                match self.counters {
                    Some(_) => Stop::failed("engine_failed", PANICKED, error.chain()).into(),
                    None => Answer::Refused(Refusal::from(&error)),
                }
            }
        }
    }
}

/// What a customer reads of a panic: it is ours, or the query engine's, but there may be a way
/// around it.
const PANICKED: &str = "the query engine stopped on this query and nothing was published; try a \
                        simpler query, and report this one";

async fn answer(
    request: Request,
    parts: Parts,
    limits: RunLimits,
    counters: Option<Arc<Counters>>,
    cancel: CancellationToken,
) -> Answer {
    let answered = match request {
        Request::Run(job) => {
            let counters = counters.unwrap_or_default();
            return match run(&job, &parts, &limits, &counters, &cancel).await {
                Ok(finished) => Answer::Done {
                    manifest: finished.manifest,
                    warnings: finished.warnings,
                    progress: counters.progress(),
                },
                Err(stop) => stop.into(),
            };
        }
        Request::Cancel => return Answer::Cancelled,
        Request::Check { scope, query } => {
            let checking = preview::check(&parts, &limits, &scope, &query);
            cancel.run_until_cancelled(checking).await.map(|done| done.map(Answer::Checked))
        }
        Request::Preview { scope, query, rows } => {
            let reading = preview::preview(&parts, &limits, &scope, query, rows);
            cancel.run_until_cancelled(reading).await.map(|done| done.map(Answer::Previewed))
        }
    };
    match answered {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => Answer::Refused(Refusal::from(&error)),
        None => Answer::Cancelled,
    }
}

/// Leaves the next export what this one was given: an empty folder and memory.
fn clean_up(setup: &Setup) {
    if let Err(error) = limits::empty_spill(setup) {
        tracing::warn!(error = %error, "the spill folder could not be emptied");
    }
    limits::give_back_memory();
}

struct Answers<W>(W);

impl<W: Write> Answers<W> {
    fn say(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()
    }
}
