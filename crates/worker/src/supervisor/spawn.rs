//! Starts slots from one thread that lives as long as the pool.
//!
//! A slot asks the system to end it when its parent dies, and the system takes that to be the
//! *thread* that started it. Threads of a runtime come and go, so none of them may start slots.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use outhaul_exports::{Error, Result};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::SlotSettings;

type Started = oneshot::Sender<io::Result<Child>>;

/// The thread that starts slots. It ends when the last of these is dropped; a slot that still
/// lives then ends with it.
#[derive(Clone)]
pub(super) struct Spawner(mpsc::Sender<Started>);

impl Spawner {
    pub(super) fn start(settings: Arc<SlotSettings>) -> Result<Self> {
        let (asks, mut asked) = mpsc::channel::<Started>(1);
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("slot-spawner".to_owned());
        let started = thread.spawn(move || {
            let _entered = runtime.enter();
            while let Some(reply) = asked.blocking_recv() {
                // Whoever asked may be gone; then the child is dropped, and so killed.
                let _ = reply.send(spawn(&settings));
            }
        });
        started.map_err(|cause| Error::internal("start a thread").with_source(cause))?;
        Ok(Self(asks))
    }

    /// A new process.
    pub(super) async fn spawn(&self) -> io::Result<Child> {
        let ended = || io::Error::other("the thread that starts slots has ended");
        let (reply, started) = oneshot::channel();
        self.0.send(reply).await.map_err(|_| ended())?;
        started.await.map_err(|_| ended())?
    }
}

fn spawn(settings: &SlotSettings) -> io::Result<Child> {
    let command = &settings.command;
    Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A key pressed at the terminal is for the server, which then drains; not for its slots.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}
