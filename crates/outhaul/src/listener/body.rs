//! A request's body that may not pause too long nor take too long in all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It paused or took too long.
    #[error("the request's body did not arrive in time")]
    TooSlow,
    /// The connection broke.
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
}

/// The body.
pub struct TimedBody {
    inner: Incoming,
    idle: Duration,
    end: Instant,
    alarm: Pin<Box<Sleep>>,
    /// Whether the time was over.
    late: Arc<AtomicBool>,
}

impl TimedBody {
    /// A body that may pause for `idle` and take `whole`. `late` is set when it does not.
    pub fn new(inner: Incoming, idle: Duration, whole: Duration, late: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        let end = now + whole;
        let alarm = Box::pin(tokio::time::sleep_until(end.min(now + idle)));
        Self { inner, idle, end, alarm, late }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            let next = self.end.min(Instant::now() + self.idle);
            self.alarm.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        if self.alarm.as_mut().poll(context).is_ready() {
            self.late.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
