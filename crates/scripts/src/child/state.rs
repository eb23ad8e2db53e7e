//! What a run has used of its limits: its clock, its log, its call-outs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::wire::Wire;
use crate::host::Module;
use crate::limits::{Limits, NESTING_MAX};
use crate::outcome::{Level, LogLine};
use crate::protocol::{Answer, Memory, Said};
use crate::text::{nesting, tame};

/// Steps of the engine between two looks at the clock.
const STEPS_PER_LOOK: u64 = 10_000;

/// How old an answer about memory may be, so that a script which asks in a loop asks itself.
const MEMORY_ANSWER_AGE: Duration = Duration::from_millis(10);

/// Shared by the functions that a script finds.
pub(super) struct State {
    pub(super) limits: Limits,
    wire: RefCell<Wire>,
    started: Cell<Instant>,
    /// Time in which the script waited for the host.
    paused: Cell<Duration>,
    looks: Cell<u64>,
    timed_out: Cell<bool>,
    exit: RefCell<Option<String>>,
    log_lines: Cell<usize>,
    log_bytes: Cell<usize>,
    log_cut: Cell<bool>,
    calls: RefCell<BTreeMap<String, u32>>,
    memory: Cell<Option<(Instant, Memory)>>,
}

impl State {
    pub(super) fn new(limits: Limits, wire: Wire) -> Self {
        Self {
            log_lines: Cell::new(limits.log_lines),
            log_bytes: Cell::new(limits.log_bytes),
            limits,
            wire: RefCell::new(wire),
            started: Cell::new(Instant::now()),
            paused: Cell::default(),
            looks: Cell::default(),
            timed_out: Cell::default(),
            exit: RefCell::default(),
            log_cut: Cell::default(),
            calls: RefCell::default(),
            memory: Cell::default(),
        }
    }

    /// Starts the clock.
    pub(super) fn begin(&self, modules: &[Module]) {
        let calls = modules.iter().map(|module| (module.name.clone(), module.calls));
        self.calls.borrow_mut().extend(calls);
        self.started.set(Instant::now());
    }

    /// Says something. Without anybody who listens there is nothing left to do.
    pub(super) fn say(&self, what: &Said) {
        or_leave(self.wire.borrow_mut().say(what));
    }

    pub(super) fn hear<T: DeserializeOwned>(&self) -> T {
        or_leave(self.wire.borrow_mut().hear())
    }

    pub(super) fn wait_for_the_end(&self) {
        self.wire.borrow_mut().wait_for_the_end();
    }

    /// The engine's look at the clock: whether the script is to stop.
    pub(super) fn look(&self) -> bool {
        self.looks.set(self.looks.get() + 1);
        self.is_over()
    }

    /// Whether the script is to stop.
    pub(super) fn is_over(&self) -> bool {
        if self.time_left().is_zero() {
            self.timed_out.set(true);
        }
        self.timed_out.get() || self.exit.borrow().is_some()
    }

    pub(super) fn timed_out(&self) -> bool {
        self.timed_out.get()
    }

    pub(super) fn exit(&self, result: String) {
        self.exit.borrow_mut().get_or_insert(result);
    }

    pub(super) fn exited(&self) -> Option<String> {
        self.exit.borrow().clone()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.get().elapsed()
    }

    pub(super) fn time_left(&self) -> Duration {
        let spent = self.elapsed().saturating_sub(self.paused.get());
        self.limits.time.saturating_sub(spent)
    }

    /// Steps so far, about.
    pub(super) fn steps(&self) -> f64 {
        f64::from(u32::try_from(self.looks.get() * STEPS_PER_LOOK).unwrap_or(u32::MAX))
    }

    /// Whether the log takes more; the first time that it does not, the caller is told.
    pub(super) fn logs_left(&self) -> bool {
        let left = self.log_lines.get() > 0 && self.log_bytes.get() > 0;
        if !left {
            self.cut_logs();
        }
        left
    }

    pub(super) fn log(&self, level: &str, text: &str) {
        if !self.logs_left() {
            return;
        }
        let level = match level {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Info,
        };
        let (text, whole) = tame(text, self.log_bytes.get());
        self.log_lines.set(self.log_lines.get() - 1);
        self.log_bytes.set(self.log_bytes.get() - text.len());
        self.say(&Said::Log(LogLine { level, text }));
        if !whole {
            self.log_bytes.set(0);
            self.cut_logs();
        }
    }

    fn cut_logs(&self) {
        if !self.log_cut.replace(true) {
            self.say(&Said::LogsCut);
        }
    }

    pub(super) fn calls_left(&self, module: &str) -> u32 {
        self.calls.borrow().get(module).copied().unwrap_or_default()
    }

    /// Asks the host.
    pub(super) fn call(&self, module: String, function: String, arguments: String) -> Answer {
        let most = self.limits.call_bytes;
        if arguments.len() > most {
            return Err(format!("{module}.{function}: the arguments are longer than {most} bytes"));
        }
        if nesting(&arguments) > NESTING_MAX {
            let text = "the arguments nest deeper than";
            return Err(format!("{module}.{function}: {text} {NESTING_MAX} levels"));
        }
        match self.calls.borrow_mut().get_mut(&module) {
            Some(0) => return Err(format!("{module}: the script has made all its calls")),
            Some(left) => *left -= 1,
            None => return Err(format!("{module} is not offered")),
        }
        let begun = Instant::now();
        self.say(&Said::Call { module, function, arguments });
        let answer = self.hear();
        self.paused.set(self.paused.get() + begun.elapsed());
        answer
    }

    /// The memory that the process holds, as the other side sees it.
    pub(super) fn memory(&self) -> Memory {
        match self.memory.get() {
            Some((asked, memory)) if asked.elapsed() < MEMORY_ANSWER_AGE => memory,
            _ => {
                self.say(&Said::Memory);
                let memory = self.hear();
                self.memory.set(Some((Instant::now(), memory)));
                memory
            }
        }
    }

    /// Whether the script had nearly all of its memory at some time.
    pub(super) fn was_full(&self) -> bool {
        self.memory.set(None);
        let limit = u64::try_from(self.limits.memory_bytes).unwrap_or(u64::MAX);
        self.memory().peak >= limit - limit / 8
    }
}

/// The other side is gone, or is no other side.
fn or_leave<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|_| std::process::exit(1))
}
