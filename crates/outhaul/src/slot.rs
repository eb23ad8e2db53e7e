//! `outhaul slot`: the process that a server starts for its exports, and what it is told.
//!
//! The plan (catalog, sources, artifact store) travels in a file in memory that the child inherits.
//! So every slot of a server works by the configuration that the server started with, whatever
//! becomes of the file, and secrets stand neither in an argument nor in the environment.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use outhaul_engine::DataFusionEngine;
use outhaul_engine::sources::SourceConfig;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::{Error, SystemClock};
use outhaul_worker::slot::{Parts, serve_process};
use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};

use crate::assemble;
use crate::config::Loaded;

/// Its options.
#[derive(Debug, Args)]
pub struct Options {
    /// The open file with the plan.
    #[arg(long, hide = true)]
    plan_fd: RawFd,
}

/// What a slot works with.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    /// The catalog.
    pub objects: Vec<RawObject>,
    sources: Vec<SourceConfig>,
    artifacts: (String, Vec<(String, String)>),
}

/// A plan in a file in memory, which children inherit.
pub struct SlotPlan(OwnedFd);

impl SlotPlan {
    /// The plan of a configuration.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn new(loaded: &Loaded) -> anyhow::Result<Self> {
        let plan = Plan {
            objects: loaded.config.catalog.objects.clone(),
            sources: assemble::source_configs(loaded),
            artifacts: assemble::artifact_location(loaded),
        };
        // Without the flag that closes it in children.
        let file = rustix::fs::memfd_create("outhaul-plan", MemfdFlags::empty())
            .context("cannot make a file in memory")?;
        let mut file = File::from(file);
        file.write_all(&serde_json::to_vec(&plan)?)?;
        Ok(Self(file.into()))
    }
}

impl AsRawFd for SlotPlan {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Runs this process as a slot.
pub fn run(options: &Options) -> ExitCode {
    crate::allocator::save_memory();
    let fd = options.plan_fd;
    serve_process(|_| {
        let plan = read(fd)?;
        let engine = DataFusionEngine::new(assemble::catalog(&plan)?, plan.sources)?;
        let (location, settings) = &plan.artifacts;
        Ok(Parts {
            engine: Arc::new(engine),
            artifacts: outhaul_delivery::open(location, settings)?,
            clock: Arc::new(SystemClock),
        })
    })
}

fn read(fd: RawFd) -> Result<Plan, Error> {
    let unreadable = || Error::internal("a slot is started by a server, not by hand");
    // Opened anew, so that every slot reads from the beginning.
    let file = File::open(format!("/proc/self/fd/{fd}"));
    let file = file.map_err(|error| unreadable().with_source(error))?;
    serde_json::from_reader(std::io::BufReader::new(file))
        .map_err(|error| unreadable().with_source(error))
}
