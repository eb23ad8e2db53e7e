//! A slot: a process that runs one export at a time and may be killed at any moment.
//!
//! Planning and running a customer's query can take any amount of memory and time, and some
//! queries abort the process that plans them. So that happens here, in a process that has limits,
//! knows nothing of the store, and writes nothing but spill files and the objects of its attempt.
//! Losing it costs one attempt of one export.

mod archive;
mod documents;
mod encode;
mod failure;
mod flat;
mod limits;
pub(crate) mod lines;
pub(crate) mod naming;
mod numbers;
mod parts;
mod preview;
pub mod protocol;
pub mod run;
mod serve;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;

use outhaul_exports::ports::{ArtifactStore, Engine};
use outhaul_exports::{Clock, Error, Result};

use protocol::{REQUEST_BYTES_MAX, Setup, VERSION};

/// Threads for work that blocks: encoding, hashing, reading files.
const BLOCKING_THREADS_MAX: usize = 64;

/// What a slot works with.
#[derive(Clone)]
pub struct Parts {
    /// What finds rows.
    pub engine: Arc<dyn Engine>,
    /// Where files go.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Runs this process as a slot, until its standard input ends. To be called first thing in `main`,
/// before any thread exists. `assemble` is called after the limits are in force, in the context of
/// the runtime that will do the work.
pub fn serve_process(assemble: impl FnOnce(&Setup) -> Result<Parts>) -> ExitCode {
    match serve_or_fail(assemble) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.chain(), "the slot cannot work");
            // The supervisor keeps the end of this for its log.
            eprintln!("the slot cannot work: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn serve_or_fail(assemble: impl FnOnce(&Setup) -> Result<Parts>) -> Result<()> {
    let at = |what: &'static str| move |cause: io::Error| Error::internal(what).with_source(cause);
    limits::confine().map_err(at("confine the process"))?;
    let answers = limits::take_stdout().map_err(at("take the standard output"))?;
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(at("take the input"))?;
    let mut input = File::from(input);
    let setup = read_setup(&mut input)?;
    limits::apply(&setup).map_err(at("apply the limits"))?;

    // The work has threads of its own, so that a query that keeps all of them busy without a
    // pause cannot keep the slot from hearing that it is to stop.
    let work = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setup.threads.max(1))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("slot-work")
        .enable_all()
        .build()
        .map_err(at("start the threads"))?;
    let parts = {
        let _entered = work.enter();
        assemble(&setup)?
    };
    let talk = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(at("start the threads"))?;
    let served = {
        let _entered = talk.enter();
        let input = tokio::net::unix::pipe::Receiver::from_owned_fd(input.into());
        let input = input.map_err(at("a slot is started by the server, not by hand"))?;
        talk.block_on(serve::serve(parts, setup, work.handle().clone(), input, answers))
    };
    // Whatever is still being done is of no use to anybody.
    work.shutdown_background();
    served.map_err(at("talk to the server"))
}

/// Reads the first line byte by byte: what follows belongs to somebody else.
fn read_setup(input: &mut impl Read) -> Result<Setup> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= REQUEST_BYTES_MAX {
        let count = input.read(&mut byte);
        match count.map_err(|cause| Error::internal("read the setup").with_source(cause))? {
            0 => break,
            _ if byte == [b'\n'] => break,
            _ => line.extend_from_slice(&byte),
        }
    }
    let setup: Setup = serde_json::from_slice(&line).map_err(|cause| {
        Error::internal("a slot is started by the server, not by hand").with_source(cause)
    })?;
    if setup.version != VERSION {
        let text = format!("the server speaks version {}, this slot {VERSION}", setup.version);
        return Err(Error::internal(text));
    }
    Ok(setup)
}
