//! A connection whose reader may not fall asleep: when nothing can be written for a while, it
//! breaks, so that clients that stop reading do not fill the server.
//!
//! It also gives words to the answers of the HTTP library itself, to heads that it cannot read:
//! they have no body, and a client would see nothing but a number. Before the first request of a
//! connection was handed on, whatever is written in HTTP/1 is such an answer; later ones stay as
//! they are, because here they could not be told from a file's bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What says that an answer has no body.
const NO_BODY: &str = "content-length: 0\r\n";

/// The stream.
pub struct PatientStream {
    tcp: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Whether a request was handed on.
    asked: Arc<AtomicBool>,
    /// What is written instead of an answer without words, and how much of it was.
    instead: Option<(Vec<u8>, usize)>,
}

impl PatientStream {
    /// Breaks when a write waits longer than `patience`. `asked` is set when the first request of
    /// the connection is handed on.
    pub fn new(tcp: TcpStream, patience: Duration, asked: Arc<AtomicBool>) -> Self {
        Self { tcp, patience, waiting: None, asked, instead: None }
    }

    /// Writes an answer with words for one without; it counts as written when all of it is.
    fn poll_instead(
        &mut self,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.asked.load(Ordering::Relaxed) {
            return None;
        }
        let given: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let (answer, mut written) =
            self.instead.take().or_else(|| Some((with_words(&given)?, 0)))?;
        while written < answer.len() {
            match Pin::new(&mut self.tcp).poll_write(context, &answer[written..]) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Ok(0))),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => {
                    self.instead = Some((answer, written));
                    return Some(Poll::Pending);
                }
            }
        }
        Some(Poll::Ready(Ok(given.len())))
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let end = Instant::now() + self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let instead = self.poll_instead(context, &[io::IoSlice::new(bytes)]);
        let result = instead.unwrap_or_else(|| Pin::new(&mut self.tcp).poll_write(context, bytes));
        self.watch(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let instead = self.poll_instead(context, slices);
        let result =
            instead.unwrap_or_else(|| Pin::new(&mut self.tcp).poll_write_vectored(context, slices));
        self.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

/// An answer without a body as one that says what is wrong and what to do.
fn with_words(answer: &[u8]) -> Option<Vec<u8>> {
    let answer = std::str::from_utf8(answer).ok()?;
    let words = match answer.strip_prefix("HTTP/1.1 ")?.get(..3)? {
        "400" => "the head of the request is not HTTP/1.1: mend its first line or its headers\n",
        "414" => "the request's path is too long: send what is long in its body\n",
        "431" => "the request has too many or too long headers: send less of them\n",
        _ => return None,
    };
    if !answer.contains(NO_BODY) || !answer.ends_with("\r\n\r\n") {
        return None;
    }
    let length = words.len();
    let body = format!("content-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n");
    Some((answer.replace(NO_BODY, &body) + words).into_bytes())
}
