//! A connection's socket, which fails when its peer makes no progress, and on which hyper's own
//! error responses look like every other response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquaware_http::Metrics;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Phase};
use super::outside;

/// How long a closed connection may still send what it had under way. Closing at once would reset
/// the connection, and the peer might never see the last response.
const LINGER: Duration = Duration::from_secs(1);

/// The socket of one connection.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    timer: Pin<Box<Sleep>>,
    /// What is written in place of an error response of hyper.
    outside: Vec<u8>,
    linger_until: Option<Instant>,
    metrics: Option<Arc<Metrics>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, metrics: Option<Arc<Metrics>>) -> Self {
        let timer = Box::pin(sleep_until(activity.progress_deadline()));
        Self { stream, activity, timer, outside: Vec::new(), linger_until: None, metrics }
    }

    /// A whole response to a request that never reaches the application.
    fn outside_response(&self, status: u16) -> Vec<u8> {
        if let Some(metrics) = &self.metrics {
            metrics.unrouted(status);
        }
        outside::response(status)
    }

    /// Ready once `deadline` has passed. The timer is moved only when it fires, so progress costs
    /// nothing but the note of its time.
    fn poll_deadline(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.timer.deadline() > deadline || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// `polled`, or an error if it is pending and the peer has made no progress for too long.
    fn or_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            ready!(self.poll_deadline(context, self.activity.progress_deadline()));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }

    /// Tells a client whose request did not arrive in time. Tried once: it may not be reading.
    fn give_up(&mut self, context: &mut Context<'_>) -> io::Error {
        let response = self.outside_response(outside::REQUEST_TIMEOUT);
        let _ = Pin::new(&mut self.stream).poll_write(context, &response);
        let _ = Pin::new(&mut self.stream).poll_flush(context);
        io::ErrorKind::TimedOut.into()
    }

    fn poll_outside(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outside.is_empty() {
            let polled = Pin::new(&mut self.stream).poll_write(context, &self.outside);
            let written = ready!(self.or_stalled(context, polled))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outside.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.activity.read();
            }
            return Poll::Ready(result);
        }
        match this.activity.phase() {
            Phase::Handler => Poll::Pending,
            Phase::Idle => {
                ready!(this.poll_deadline(context, this.activity.request_deadline()));
                // As if the peer had closed it: there is nothing to be told.
                Poll::Ready(Ok(()))
            }
            Phase::Head => {
                ready!(this.poll_deadline(context, this.activity.request_deadline()));
                Poll::Ready(Err(this.give_up(context)))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_outside(context))?;
        if this.activity.phase() != Phase::Handler
            && let Some((sent, status)) = outside::find(bytes)
        {
            // hyper closes the connection after it.
            this.outside = [sent, &this.outside_response(status)].concat();
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(1..)) = polled {
            this.activity.moved();
        }
        this.or_stalled(context, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_outside(context))?;
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.or_stalled(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_outside(context))?;
        let until = match this.linger_until {
            Some(until) => until,
            None => {
                let polled = Pin::new(&mut this.stream).poll_shutdown(context);
                ready!(this.or_stalled(context, polled))?;
                *this.linger_until.insert(Instant::now() + LINGER)
            }
        };
        let mut discarded = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && Instant::now() < until => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(this.poll_deadline(context, until));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}
