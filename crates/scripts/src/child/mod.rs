//! The process that runs a script: it limits itself, reads one script, runs it, and waits for its
//! end. It knows nothing of exports, and has nothing but two pipes.

mod code;
mod confine;
mod engine;
pub(crate) mod imports;
mod run;
mod state;
mod wire;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use engine::Engine;
use state::State;
use wire::Wire;

use crate::host::Module;
use crate::protocol::{Job, Said, Setup, VERSION};

/// The module that needs no host.
pub(crate) const LOGGER: &str = "logger";

/// Runs this process as the sandbox of one script. To be called first thing in `main`, before any
/// other thread exists: the limits are those of the thread that calls it.
///
/// It is started by [`Sandbox`](crate::Sandbox), with pipes as standard input and output.
pub fn child_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a script's process is started by the server, not by hand: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    confine::bind_to_parent()?;
    let mut wire = Wire::standard();
    let setup: Setup = wire.hear()?;
    if setup.version != VERSION {
        let text = format!("the server speaks version {}, this process {VERSION}", setup.version);
        return Err(io::Error::other(text));
    }
    confine::apply(&setup.limits)?;
    let state = Rc::new(State::new(setup.limits, wire));
    let engine = Engine::start(Rc::clone(&state)).map_err(io::Error::other)?;
    confine::seal()?;
    state.say(&Said::Ready { version: VERSION });
    let job: Job = state.hear();
    state.say(&Said::Done(run::job(&engine, &job)));
    state.wait_for_the_end();
    // Nothing of the engine is taken down: a script's finalizers have no business any more.
    std::process::exit(0)
}

/// What is said of a module that does not exist.
fn no_module(name: &str, modules: &[Module]) -> String {
    let mut names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    if !names.contains(&LOGGER) {
        names.insert(0, LOGGER);
    }
    format!("there is no module '{name}'; there are: {}", names.join(", "))
}
