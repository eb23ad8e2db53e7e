//! Starts the processes of scripts from one thread that lives as long as the sandbox.
//!
//! Such a process asks the system to end it when its parent dies, and the system takes that to be
//! the *thread* that started it. Threads of a runtime come and go, so none of them may start one.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

type Started = oneshot::Sender<io::Result<Child>>;

/// The thread; it ends when this is dropped, and with it every process that still lives.
#[derive(Debug, Clone)]
pub(super) struct Spawner(mpsc::Sender<Started>);

impl Spawner {
    pub(super) fn start(program: PathBuf, arguments: Vec<OsString>) -> io::Result<Self> {
        let (asks, mut asked) = mpsc::channel::<Started>(1);
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        std::thread::Builder::new().name("script-spawner".to_owned()).spawn(move || {
            let _entered = runtime.enter();
            while let Some(reply) = asked.blocking_recv() {
                // Whoever asked may be gone; then the child is dropped, and so killed.
                let _ = reply.send(spawn(&program, &arguments));
            }
        })?;
        Ok(Self(asks))
    }

    pub(super) async fn spawn(&self) -> io::Result<Child> {
        let ended = || io::Error::other("the thread that starts processes has ended");
        let (reply, started) = oneshot::channel();
        self.0.send(reply).await.map_err(|_| ended())?;
        started.await.map_err(|_| ended())?
    }
}

fn spawn(program: &PathBuf, arguments: &[OsString]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        // Without it the time zone of the machine would be read, and would show.
        .env("TZ", "UTC0")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A key pressed at the terminal is for the server.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}
