//! Checking and running one script, and finding the words for how it ended.

use rquickjs::promise::PromiseState;
use rquickjs::{Ctx, Function, Object, Persistent, Value};

use super::engine::{Engine, Helpers};
use super::imports::Imports;
use super::{code, imports};
use crate::host::Module;
use crate::outcome::{End, Failure, Refusal};
use crate::protocol::{Job, Work};
use crate::text::tame;

type Kept = Persistent<Value<'static>>;

/// What to do about an error at one of these words.
const HINTS: &[(&str, &str)] = &[
    ("import", ": `import` stands only before all else in a script, and names a module"),
    ("await", ": `await` stands only in an async function"),
    ("export", ": a script exports nothing; `return` gives its result"),
];

/// What a stage of the work came to, in values of the engine.
enum Came {
    /// To this value, or to a promise of it.
    Value(Kept),
    /// It threw.
    Thrown(Kept),
    /// The source cannot be read.
    Unreadable(Kept),
    /// The source can be read, and imports while it runs.
    Imports(Kept),
}

/// Does one job.
pub(super) fn job(engine: &Engine, job: &Job) -> End {
    let modules = with_logger(&job.modules);
    engine.state.begin(&job.modules);
    let imports = match imports::read(&job.source, &modules) {
        Ok(imports) => imports,
        Err(refusal) => return End::Failed(Failure::Refused(refusal)),
    };
    let Ok(helpers) = engine.furnish(&job.modules) else {
        return End::Failed(Failure::Memory);
    };
    let ending = Ending { engine, helpers, imports: &imports };
    match &job.work {
        Work::Check => ending.check(),
        Work::Run { globals } => ending.run(globals),
    }
}

/// The modules with the one that needs no host.
fn with_logger(modules: &[Module]) -> Vec<Module> {
    let functions = ["trace", "debug", "info", "warn", "error"].map(str::to_owned).to_vec();
    let logger = Module { name: super::LOGGER.to_owned(), functions, calls: 0 };
    let mut all = vec![logger];
    all.extend(modules.iter().cloned());
    all
}

struct Ending<'a> {
    engine: &'a Engine,
    helpers: Helpers,
    imports: &'a Imports,
}

impl Ending<'_> {
    fn check(&self) -> End {
        let came = self.engine.with(|ctx| {
            let keep = |value| Persistent::save(&ctx, value);
            match code::read(&ctx, self.imports) {
                Err(exception) => Some(Came::Unreadable(keep(exception))),
                Ok(_) => code::dynamic_import(&ctx, self.imports).map(keep).map(Came::Imports),
            }
        });
        match came {
            None if self.engine.state.timed_out() => End::Failed(Failure::Time),
            None => End::Finished { result: None },
            Some(came) => End::Failed(self.failure(&came)),
        }
    }

    fn run(&self, globals: &str) -> End {
        let mut came = self.engine.with(|ctx| self.start(&ctx, globals));
        let thrown = self.engine.drain();
        if let (Some(thrown), Came::Value(_)) = (thrown, &came) {
            came = Came::Thrown(thrown);
        }
        if let Some(result) = self.engine.state.exited() {
            return finished(&result);
        }
        if self.engine.state.timed_out() {
            return End::Failed(Failure::Time);
        }
        let value = match came {
            Came::Value(value) => value,
            other => return End::Failed(self.failure(&other)),
        };
        match self.engine.with(|ctx| settle(&ctx, value)) {
            Settled::Value(value) => match self.engine.unhandled() {
                None => self.finish(value),
                Some(reason) => End::Failed(self.failure(&Came::Thrown(reason))),
            },
            Settled::Rejected(reason) => End::Failed(self.failure(&Came::Thrown(reason))),
            Settled::Never => End::Failed(Failure::Exception {
                message: "the promise that the script returned is never settled".to_owned(),
                line: None,
            }),
        }
    }

    /// Runs the script until its function returns.
    fn start(&self, ctx: &Ctx<'_>, globals: &str) -> Came {
        let caught = |_: rquickjs::Error| Came::Thrown(Persistent::save(ctx, ctx.catch()));
        let read = match code::read(ctx, self.imports) {
            Ok(read) => read,
            Err(exception) => return Came::Unreadable(Persistent::save(ctx, exception)),
        };
        let script = || -> rquickjs::Result<Value<'_>> {
            self.helpers.settings.clone().restore(ctx)?.call::<_, ()>((globals,))?;
            let require = self.helpers.require.clone().restore(ctx)?;
            let mut given = rquickjs::function::Args::new(ctx.clone(), self.imports.bindings.len());
            for (_, module) in &self.imports.bindings {
                given.push_arg(require.call::<_, Value<'_>>((module.as_str(),))?)?;
            }
            let script: Function<'_> = read.call_arg(given)?;
            script.call(())
        };
        match script() {
            Ok(value) => Came::Value(Persistent::save(ctx, value)),
            Err(error) => caught(error),
        }
    }

    /// Renders the result; its getters are the script's.
    fn finish(&self, value: Kept) -> End {
        let rendered = self.engine.with(|ctx| {
            let render = || -> rquickjs::Result<String> {
                self.helpers.result.clone().restore(&ctx)?.call((value.restore(&ctx)?,))
            };
            render().map_err(|_| Persistent::save(&ctx, ctx.catch()))
        });
        if let Some(result) = self.engine.state.exited() {
            return finished(&result);
        }
        match rendered {
            _ if self.engine.state.timed_out() => End::Failed(Failure::Time),
            Ok(result) => finished(&result),
            Err(thrown) => End::Failed(self.failure(&Came::Thrown(thrown))),
        }
    }

    /// Finds out what was thrown. A message's getter is the script's, and may run out of time too.
    fn failure(&self, came: &Came) -> Failure {
        let (Came::Value(value)
        | Came::Thrown(value)
        | Came::Unreadable(value)
        | Came::Imports(value)) = came;
        if self.engine.state.timed_out() {
            return Failure::Time;
        }
        // An engine without memory for an error throws null.
        let null = |ctx: Ctx<'_>| value.clone().restore(&ctx).is_ok_and(|value| value.is_null());
        if self.engine.with(null) && self.engine.state.was_full() {
            return Failure::Memory;
        }
        self.engine.allow_last_words();
        let summary = self.engine.with(|ctx| {
            let summary = || -> rquickjs::Result<(String, String, String)> {
                let summary = self.helpers.summary.clone().restore(&ctx)?;
                let found: Object<'_> = summary.call((value.clone().restore(&ctx)?,))?;
                Ok((found.get("kind")?, found.get("message")?, found.get("stack")?))
            };
            summary().ok()
        });
        let most = self.engine.state.limits.message_bytes;
        match summary {
            _ if self.engine.state.timed_out() => Failure::Time,
            // Not even the last words found room.
            None => Failure::Memory,
            Some((kind, message, stack)) => match kind.as_str() {
                "memory" => Failure::Memory,
                "stack" => Failure::Stack,
                _ => match came {
                    Came::Unreadable(_) => {
                        Failure::Refused(self.refusal(&tame(&message, most).0, &stack))
                    }
                    Came::Imports(_) => Failure::Refused(self.refusal("SyntaxError", &stack)),
                    Came::Value(_) | Came::Thrown(_) => Failure::Exception {
                        message: tame(&message, most).0,
                        line: code::place(&stack).map(|(line, _)| line).filter(|line| *line > 0),
                    },
                },
            },
        }
    }

    fn refusal(&self, message: &str, stack: &str) -> Refusal {
        // On the line of the frame are only the names that the script imports.
        let place = code::place(stack).filter(|(line, _)| *line > 0);
        let place = place.map(|(line, column)| {
            let text = self.imports.body.split('\n').nth(line.saturating_sub(1) as usize);
            // The engine counts bytes.
            let before = text.and_then(|text| text.get(..column.saturating_sub(1) as usize));
            let after = text.and_then(|text| text.get(column.saturating_sub(1) as usize..));
            let column = before.map_or(column as usize, |before| before.chars().count() + 1);
            let is_at = |word: &str| {
                before.is_some_and(|text| text.trim_end().ends_with(word))
                    || after.is_some_and(|text| text.starts_with(word))
            };
            let hint = HINTS.iter().find(|(word, _)| is_at(word)).map_or("", |(_, hint)| hint);
            (line, u32::try_from(column).unwrap_or(u32::MAX), hint)
        });
        let first = self.imports.first.map(|(line, column)| (line, column, ""));
        let place = place.or(first);
        let hint = place.map_or("", |(_, _, hint)| hint);
        Refusal {
            message: format!("{message}{hint}"),
            line: place.map(|(line, _, _)| line),
            column: place.map(|(_, column, _)| column),
        }
    }
}

/// What a returned value is in the end.
enum Settled {
    Value(Kept),
    Rejected(Kept),
    Never,
}

fn settle(ctx: &Ctx<'_>, value: Kept) -> Settled {
    let Ok(value) = value.restore(ctx) else { return Settled::Never };
    let Some(promise) = value.as_promise() else {
        return Settled::Value(Persistent::save(ctx, value));
    };
    match promise.state() {
        PromiseState::Pending => Settled::Never,
        _ => match promise.result::<Value<'_>>() {
            Some(Ok(value)) => Settled::Value(Persistent::save(ctx, value)),
            _ => Settled::Rejected(Persistent::save(ctx, ctx.catch())),
        },
    }
}

/// Reads what the prelude's `result` answered.
fn finished(result: &str) -> End {
    match (result.strip_prefix('+'), result.strip_prefix('-')) {
        (Some(json), _) => End::Finished { result: Some(json.to_owned()) },
        (None, Some(message)) => {
            End::Failed(Failure::Output { message: tame(message, message.len() * 8).0 })
        }
        (None, None) => End::Finished { result: None },
    }
}
