//! A sink that encrypts what it is given, with memory that does not grow with the file.
//!
//! The library takes its content from a reader and writes the message itself, so it runs on a thread
//! of its own behind a short queue; encrypting then also happens beside compressing. The end of
//! the content is said. A queue that just closes means that whoever wrote has failed, and the
//! message is left without its end.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::PublicKey;
use crate::error::{Error, Result};

/// Bytes that are handed to the thread together.
const PIECE_BYTES: usize = 128 * 1024;

/// Pieces between the packing and the thread.
const PIECES_WAITING: usize = 2;

/// Length of the message's packets but the last, in bytes: a power of two, and the library holds
/// two of them. Longer ones save nothing that could be measured.
const PACKET_BYTES: u32 = 128 * 1024;

/// What is handed to the thread.
enum Step {
    Bytes(Vec<u8>),
    End,
}

/// Encrypts what is written and gives the message to a sink. Dropping it before `finish` leaves the
/// message without its end.
pub(crate) struct Encrypted {
    steps: Option<SyncSender<Step>>,
    held: Vec<u8>,
    bytes: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Encrypted {
    /// Starts the thread. Nothing is written before there is content.
    pub(crate) fn new(key: PublicKey, sink: Box<dyn Write + Send>) -> Result<Self> {
        let (steps, content) = sync_channel(PIECES_WAITING);
        let bytes = Arc::<AtomicU64>::default();
        let output = Output { sink, bytes: bytes.clone(), fault: None };
        let thread = Builder::new()
            .name("encrypt".to_owned())
            .spawn(move || encrypt(&key, Content::new(content), output))?;
        Ok(Self { steps: Some(steps), held: Vec::new(), bytes, thread: Some(thread) })
    }

    /// Bytes given to the sink so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes the next bytes of the content. Waits while the sink does not keep up.
    ///
    /// # Errors
    /// `Sink` when the sink failed, `RecipientKey` and `Encrypt` when encrypting did.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.held.capacity() == 0 {
                self.held.reserve_exact(PIECE_BYTES);
            }
            let (own, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.held.len()));
            self.held.extend_from_slice(own);
            bytes = rest;
            if self.held.len() == PIECE_BYTES {
                self.send_held()?;
            }
        }
        Ok(())
    }

    /// Ends the message and waits until it is in the sink. Answers its length in bytes.
    ///
    /// # Errors
    /// What `write` says.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.send_held()?;
        self.send(Step::End)?;
        self.join()?;
        Ok(self.bytes())
    }

    fn send_held(&mut self) -> Result<()> {
        let piece = std::mem::take(&mut self.held);
        if piece.is_empty() { Ok(()) } else { self.send(Step::Bytes(piece)) }
    }

    fn send(&mut self, step: Step) -> Result<()> {
        let steps = self.steps.as_ref().ok_or(Error::Usage("the message has ended"))?;
        if steps.send(step).is_ok() {
            return Ok(());
        }
        // The thread has ended before its time, and says why.
        self.join()?;
        Err(Error::Encrypt("it ended before its content did".to_owned()))
    }

    fn join(&mut self) -> Result<()> {
        self.steps = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or(Err(Error::Panicked("encrypting")))
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        // Whoever drops it has an error already, or wants none.
        let _ = self.join();
    }
}

/// What the thread does.
fn encrypt(key: &PublicKey, content: Content, mut output: Output) -> Result<()> {
    let mut message = key.encrypt_stream(content)?;
    let refuse = |why: pgp::errors::Error| Error::Encrypt(why.to_string());
    message.partial_chunk_size(PACKET_BYTES).map_err(refuse)?;
    let made = message.to_writer(rand_08::thread_rng(), &mut output);
    if let Some(fault) = output.fault {
        return Err(Error::Sink(fault));
    }
    made.map_err(refuse)?;
    output.sink.flush()?;
    Ok(())
}

/// The content, as the library reads it. An error of it never has the kind `Interrupted`, upon which
/// readers try again.
struct Content {
    steps: Receiver<Step>,
    piece: Vec<u8>,
    read: usize,
    ended: bool,
}

impl Content {
    fn new(steps: Receiver<Step>) -> Self {
        Self { steps, piece: Vec::new(), read: 0, ended: false }
    }
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() && !self.ended {
            match self.steps.recv() {
                Ok(Step::Bytes(piece)) => (self.piece, self.read) = (piece, 0),
                Ok(Step::End) => self.ended = true,
                Err(_) => {
                    let text = "the content was given up";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
                }
            }
        }
        if self.ended {
            return Ok(0);
        }
        let rest = &self.piece[self.read..];
        let taken = rest.len().min(buf.len());
        buf[..taken].copy_from_slice(&rest[..taken]);
        self.read += taken;
        Ok(taken)
    }
}

/// The sink, as the library writes to it: counts, and keeps the sink's own error.
struct Output {
    sink: Box<dyn Write + Send>,
    bytes: Arc<AtomicU64>,
    fault: Option<io::Error>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.sink.write_all(bytes) {
            Ok(()) => {
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes.len())
            }
            Err(fault) => {
                let kind = match fault.kind() {
                    // It would be tried again.
                    io::ErrorKind::Interrupted => io::ErrorKind::Other,
                    kind => kind,
                };
                self.fault = Some(fault);
                Err(io::Error::new(kind, "the sink failed"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
