//! The engine with its limits, and what a script finds in it.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Value};

use super::state::State;
use crate::host::Module;
use crate::text::tame;

/// Evaluates to a function that takes [`natives`] and answers helpers.
const PRELUDE: &str = include_str!("prelude.js");

/// Memory for saying how a script ended, when it has used all of its own.
const LAST_WORDS_BYTES: usize = 2 * 1024 * 1024;

/// Rejected promises that nobody handles yet, of which is known.
const REJECTIONS_MAX: usize = 1_000;

/// A promise and its reason.
type Rejection = (Persistent<Value<'static>>, Persistent<Value<'static>>);

/// QuickJS, ready for one script.
pub(super) struct Engine {
    runtime: Runtime,
    context: Context,
    pub(super) state: Rc<State>,
    rejections: Rc<RefCell<Vec<Rejection>>>,
}

impl Engine {
    /// Starts the engine and has it read everything that it will ever read from files.
    pub(super) fn start(state: Rc<State>) -> rquickjs::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(state.limits.memory_bytes);
        runtime.set_max_stack_size(state.limits.stack_bytes);
        let looking = Rc::clone(&state);
        runtime.set_interrupt_handler(Some(Box::new(move || looking.look())));
        let rejections = Rc::new(RefCell::new(Vec::<Rejection>::new()));
        let tracked = Rc::clone(&rejections);
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, reason, handled| {
                track(&mut tracked.borrow_mut(), &ctx, promise, reason, handled);
            },
        )));
        let context = Context::full(&runtime)?;
        context.with(|ctx| ctx.eval::<(), _>("new Date().getTimezoneOffset(); Math.random();"))?;
        Ok(Self { runtime, context, state, rejections })
    }

    /// Makes the helpers and what a script finds, in an engine that has run nothing else.
    pub(super) fn furnish(&self, modules: &[Module]) -> rquickjs::Result<Helpers> {
        self.context.with(|ctx| {
            let mut options = EvalOptions::default();
            options.filename = Some("sandbox".to_owned());
            let prelude: Function = ctx.eval_with_options(PRELUDE, options)?;
            let helpers: Object = prelude.call((natives(&ctx, &self.state, modules)?,))?;
            let keep = |name: &str| -> rquickjs::Result<Persistent<Function<'static>>> {
                Ok(Persistent::save(&ctx, helpers.get::<_, Function<'_>>(name)?))
            };
            Ok(Helpers {
                require: keep("require")?,
                settings: keep("settings")?,
                result: keep("result")?,
                summary: keep("summary")?,
            })
        })
    }

    /// Does something in the engine.
    pub(super) fn with<R>(&self, work: impl FnOnce(Ctx<'_>) -> R) -> R {
        self.context.with(work)
    }

    /// Runs what the script left to be done later, until nothing is left or it is to stop. Answers
    /// what was thrown outside of every promise.
    pub(super) fn drain(&self) -> Option<Persistent<Value<'static>>> {
        let mut thrown = None;
        while !self.state.is_over() {
            match self.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                Err(exception) => {
                    let value = exception.0.with(|ctx| Persistent::save(&ctx, ctx.catch()));
                    thrown.get_or_insert(value);
                }
            }
        }
        thrown
    }

    /// The reason of the first rejected promise that nobody handled.
    pub(super) fn unhandled(&self) -> Option<Persistent<Value<'static>>> {
        self.rejections.borrow().first().map(|(_, reason)| reason.clone())
    }

    /// Gives the engine memory for saying how the script ended.
    pub(super) fn allow_last_words(&self) {
        self.runtime.set_memory_limit(self.state.limits.memory_bytes + LAST_WORDS_BYTES);
    }
}

/// Functions of the prelude.
pub(super) struct Helpers {
    pub(super) require: Persistent<Function<'static>>,
    pub(super) settings: Persistent<Function<'static>>,
    pub(super) result: Persistent<Function<'static>>,
    pub(super) summary: Persistent<Function<'static>>,
}

fn track<'js>(
    rejections: &mut Vec<Rejection>,
    ctx: &Ctx<'js>,
    promise: Value<'js>,
    reason: Value<'js>,
    handled: bool,
) {
    if !handled {
        if rejections.len() < REJECTIONS_MAX {
            rejections.push((Persistent::save(ctx, promise), Persistent::save(ctx, reason)));
        }
        return;
    }
    let same = |rejection: &Rejection| {
        rejection.0.clone().restore(ctx).is_ok_and(|rejected| rejected == promise)
    };
    if let Some(index) = rejections.iter().position(same) {
        rejections.remove(index);
    }
}

/// What the prelude is given.
fn natives<'js>(
    ctx: &Ctx<'js>,
    state: &Rc<State>,
    modules: &[Module],
) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    let limits = &state.limits;
    native.set("logBytes", limits.log_bytes)?;
    native.set("callBytes", limits.call_bytes)?;
    native.set("resultBytes", limits.result_bytes)?;
    native.set("messageBytes", limits.message_bytes)?;
    native.set("modules", serde_json::to_string(modules).unwrap_or_default())?;

    let own = Rc::clone(state);
    native.set("logsLeft", Function::new(ctx.clone(), move || own.logs_left())?)?;
    let own = Rc::clone(state);
    let log = move |level: String, text: String| own.log(&level, &text);
    native.set("log", Function::new(ctx.clone(), log)?)?;
    let own = Rc::clone(state);
    let call = move |module: String, function: String, arguments: String| match own
        .call(module, function, arguments)
    {
        Ok(answer) => format!("+{answer}"),
        Err(message) => format!("-{}", tame(&message, own.limits.message_bytes).0),
    };
    native.set("call", Function::new(ctx.clone(), call)?)?;
    let own = Rc::clone(state);
    let left = move |module: String| own.calls_left(&module);
    native.set("callsLeft", Function::new(ctx.clone(), left)?)?;
    let own = Rc::clone(state);
    let exit = move |result: String| own.exit(result);
    native.set("exit", Function::new(ctx.clone(), exit)?)?;
    let own = Rc::clone(state);
    let elapsed = move || (own.elapsed().as_secs_f64() * 1e3).round();
    native.set("elapsed", Function::new(ctx.clone(), elapsed)?)?;
    let own = Rc::clone(state);
    let left = move || (own.time_left().as_secs_f64() * 1e3).round();
    native.set("timeLeft", Function::new(ctx.clone(), left)?)?;
    let own = Rc::clone(state);
    let bytes = move || own.memory().now as f64;
    native.set("memory", Function::new(ctx.clone(), bytes)?)?;
    let own = Rc::clone(state);
    native.set("ops", Function::new(ctx.clone(), move || own.steps())?)?;
    let declared = modules.to_vec();
    let no_module = move |name: String| super::no_module(&name, &declared);
    native.set("noModule", Function::new(ctx.clone(), no_module)?)?;
    Ok(native)
}
