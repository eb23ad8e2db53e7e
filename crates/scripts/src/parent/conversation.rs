//! One script in its process, from the first line to the end of the process.

use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::time::{Instant, MissedTickBehavior};

use super::Error;
use super::peer::{Heard, Peer};
use crate::host::{Host, Module};
use crate::limits::{GRACE, Limits, NESTING_MAX, START_MAX};
use crate::outcome::{End, Failure, LogLine, Logs, Outcome};
use crate::protocol::{Answer, Job, Said, Setup, VERSION};
use crate::text::{nesting, tame};

/// Between two looks at the memory of the process.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The system's signal for a process whose time of the processor is over.
const SIGXCPU: i32 = 24;

/// Hands the job over, answers, and takes the outcome.
pub(super) async fn hold(
    mut peer: Peer,
    job: &Job,
    limits: &Limits,
    host: &dyn Host,
) -> Result<Outcome, Error> {
    match tokio::time::timeout(START_MAX, greet(&mut peer, limits)).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => {
            let (end, _, _) = peer.bury().await;
            return Err(Error::NotReady { reason: format!("{reason}; it {end}") });
        }
        Err(_) => {
            peer.kill().await;
            let reason = format!("it said nothing for {} s", START_MAX.as_secs());
            return Err(Error::NotReady { reason });
        }
    }
    let begun = Instant::now();
    let mut run = Run {
        limits,
        modules: &job.modules,
        deadline: begun + limits.time + GRACE,
        logs: Logs::default(),
        log_bytes: 0,
        calls: vec![0; job.modules.len()],
    };
    let last = run.listen(&mut peer, job, host).await;
    let (end, peak) = match last {
        Last::Done(end) => (end, peer.kill().await),
        Last::TooLate => (End::Failed(Failure::Time), peer.kill().await),
        Last::Nonsense(what) => {
            (End::Failed(crashed(format!("it said {what}"))), peer.kill().await)
        }
        Last::Gone => {
            let (text, signal, peak) = peer.bury().await;
            let failure = if signal == Some(SIGXCPU) { Failure::Time } else { crashed(text) };
            (End::Failed(failure), peak)
        }
    };
    let calls = run.calls.iter().sum();
    Ok(Outcome { end, logs: run.logs, calls, took: begun.elapsed(), peak_memory_bytes: peak })
}

fn crashed(detail: String) -> Failure {
    Failure::Crashed { detail }
}

async fn greet(peer: &mut Peer, limits: &Limits) -> Result<(), String> {
    let setup = Setup { version: VERSION, limits: limits.clone() };
    // When it is gone already, what is heard says so.
    let _ = peer.say(&setup).await;
    match peer.hear().await {
        Heard::Said(Said::Ready { version: VERSION }) => Ok(()),
        Heard::End => Err("it ended before it was ready".to_owned()),
        _ => Err("it speaks another language".to_owned()),
    }
}

/// How the conversation ended.
enum Last {
    Done(End),
    TooLate,
    Nonsense(&'static str),
    Gone,
}

struct Run<'a> {
    limits: &'a Limits,
    modules: &'a [Module],
    /// When the process is killed. It moves while the script waits for the host.
    deadline: Instant,
    logs: Logs,
    log_bytes: usize,
    /// Calls of each module.
    calls: Vec<u32>,
}

impl Run<'_> {
    async fn listen(&mut self, peer: &mut Peer, job: &Job, host: &dyn Host) -> Last {
        match tokio::time::timeout_at(self.deadline, peer.say(job)).await {
            // When it is gone already, what is heard says so.
            Ok(_) => {}
            Err(_) => return Last::TooLate,
        }
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.deadline) => return Last::TooLate,
                heard = peer.hear() => heard,
                _ = look.tick() => {
                    peer.memory();
                    continue;
                }
            };
            match heard {
                Heard::End => return Last::Gone,
                Heard::Nonsense(what) => return Last::Nonsense(what),
                Heard::Said(Said::Ready { .. }) => {
                    return Last::Nonsense("that it is ready, twice");
                }
                Heard::Said(Said::Done(end)) => return self.checked(end),
                Heard::Said(Said::Log(line)) => self.log(line),
                Heard::Said(Said::LogsCut) => self.logs.cut = true,
                Heard::Said(Said::Memory) => {
                    let memory = peer.memory();
                    // When it is gone, what is heard next says so.
                    let _ = tokio::time::timeout_at(self.deadline, peer.say(&memory)).await;
                }
                Heard::Said(Said::Call { module, function, arguments }) => {
                    let begun = Instant::now();
                    let answer = match self.admit(&module, &function, &arguments) {
                        Ok(()) => self.ask(host, &module, &function, arguments).await,
                        Err(what) => return Last::Nonsense(what),
                    };
                    peer.memory();
                    self.deadline += begun.elapsed();
                    let _ = tokio::time::timeout_at(self.deadline, peer.say(&answer)).await;
                }
            }
        }
    }

    /// The process keeps these rules by itself; one that does not is not what we started.
    fn admit(&mut self, module: &str, name: &str, arguments: &str) -> Result<(), &'static str> {
        let declared = self.modules.iter().zip(&mut self.calls);
        let Some((declared, made)) = declared.into_iter().find(|(m, _)| m.name == module) else {
            return Err("the name of a module that is not offered");
        };
        if !declared.functions.iter().any(|function| function == name) {
            return Err("the name of a function that is not offered");
        }
        if *made >= declared.calls {
            return Err("more calls than it may make");
        }
        if arguments.len() > self.limits.call_bytes || !is_json(arguments) {
            return Err("arguments that are too long or no JSON");
        }
        *made += 1;
        Ok(())
    }

    async fn ask(&self, host: &dyn Host, module: &str, name: &str, arguments: String) -> Answer {
        let asked = host.call(module, name, arguments);
        match tokio::time::timeout(self.limits.call_time, asked).await {
            Err(_) => {
                let seconds = self.limits.call_time.as_secs_f64();
                Err(format!("{module}.{name}: no answer within {seconds} s"))
            }
            Ok(Ok(answer)) if answer.len() > self.limits.call_bytes => {
                let most = self.limits.call_bytes;
                Err(format!("{module}.{name}: the answer is longer than {most} bytes"))
            }
            Ok(Ok(answer)) if !is_json(&answer) => {
                Err(format!("{module}.{name}: the answer cannot be read"))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(message)) => Err(tame(&message, self.limits.message_bytes).0),
        }
    }

    fn log(&mut self, line: LogLine) {
        if self.logs.lines.len() >= self.limits.log_lines {
            self.logs.cut = true;
            return;
        }
        let (text, whole) = tame(&line.text, self.limits.log_bytes - self.log_bytes);
        self.logs.cut |= !whole;
        self.log_bytes += text.len();
        self.logs.lines.push(LogLine { text, level: line.level });
    }

    /// The caps again, for a process that does not keep them.
    fn checked(&self, end: End) -> Last {
        let most = self.limits.message_bytes;
        let tamed = |text: &str| tame(text, most).0;
        Last::Done(match end {
            End::Finished { result: Some(result) }
                if result.len() > self.limits.result_bytes || !is_json(&result) =>
            {
                let most = self.limits.result_bytes;
                let message = format!(
                    "the result is longer than {most} bytes, or nests deeper than {NESTING_MAX} levels"
                );
                End::Failed(Failure::Output { message })
            }
            End::Failed(Failure::Exception { message, line }) => {
                End::Failed(Failure::Exception { message: tamed(&message), line })
            }
            End::Failed(Failure::Output { message }) => {
                End::Failed(Failure::Output { message: tamed(&message) })
            }
            End::Failed(Failure::Refused(mut refusal)) => {
                refusal.message = tamed(&refusal.message);
                End::Failed(Failure::Refused(refusal))
            }
            other => other,
        })
    }
}

/// Whether a text is one JSON value, not nested deeper than a reader can follow.
fn is_json(text: &str) -> bool {
    nesting(text) <= NESTING_MAX && serde_json::from_str::<IgnoredAny>(text).is_ok()
}
