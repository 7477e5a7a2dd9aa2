//! What one connection is doing, shared by its socket, its requests and the accept loops.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The next request; nothing of it has arrived.
    Idle,
    /// The rest of a request's head.
    Head,
    /// A handler. Its reads of the body have deadlines of their own.
    Handler,
}

/// The state of one connection. Its own thread changes it; others read it to find the connection
/// that has been silent for longest.
#[derive(Debug)]
pub(super) struct Activity {
    phase: AtomicU8,
    /// When a byte last moved, in microseconds after `opened`.
    progress: AtomicU64,
    /// When the first byte of the current request arrived, likewise.
    started: AtomicU64,
    opened: Instant,
    idle_timeout: Duration,
    close: Notify,
}

impl Activity {
    /// A connection that was just accepted.
    pub(super) fn new(idle_timeout: Duration) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            progress: AtomicU64::new(0),
            started: AtomicU64::new(0),
            opened: Instant::now(),
            idle_timeout,
            close: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Handler,
        }
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// When a byte last moved.
    pub(super) fn last_progress(&self) -> Instant {
        self.opened + Duration::from_micros(self.progress.load(Ordering::Relaxed))
    }

    /// Bytes were read or written.
    pub(super) fn moved(&self) {
        let now = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.progress.store(now, Ordering::Relaxed);
    }

    /// A request begins with the byte that moved last.
    fn start(&self) {
        self.started.store(self.progress.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Bytes were read: the first ones after a response begin a request.
    pub(super) fn read(&self) {
        self.moved();
        if self.phase() == Phase::Idle {
            self.set_phase(Phase::Head);
            self.start();
        }
    }

    /// A head is complete and its request goes to the application.
    pub(super) fn request(&self) {
        if self.phase() == Phase::Idle {
            // It was read together with the request before it.
            self.moved();
            self.start();
        }
        self.set_phase(Phase::Handler);
    }

    /// The response has been handed to the socket.
    pub(super) fn responded(&self) {
        self.moved();
        self.set_phase(Phase::Idle);
    }

    /// By when the peer must have made progress.
    pub(super) fn progress_deadline(&self) -> Instant {
        self.last_progress() + self.idle_timeout
    }

    /// By when the next byte of the current request must have arrived.
    pub(super) fn request_deadline(&self) -> Instant {
        if self.phase() == Phase::Idle {
            return self.progress_deadline();
        }
        let started = Duration::from_micros(self.started.load(Ordering::Relaxed));
        self.progress_deadline().min(self.opened + started + self.idle_timeout * 2)
    }

    /// Closes the connection at the next opportunity.
    pub(super) fn close(&self) {
        self.close.notify_one();
    }

    /// Returns when [`Activity::close`] was called.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_request_has_twice_the_idle_timeout_however_it_trickles_in() {
        let activity = Activity::new(SECOND * 10);
        let start = Instant::now();
        assert_eq!(activity.request_deadline(), start + SECOND * 10);
        activity.read();
        for second in 1..=19 {
            tokio::time::advance(SECOND).await;
            activity.read();
            let deadline = (start + SECOND * (second + 10)).min(start + SECOND * 20);
            assert_eq!(activity.request_deadline(), deadline, "{second}");
        }
        activity.request();
        activity.responded();
        assert_eq!(activity.phase(), Phase::Idle);
        assert_eq!(activity.request_deadline(), start + SECOND * 29);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipelined_request_starts_when_the_one_before_is_answered() {
        let activity = Activity::new(SECOND * 10);
        activity.read();
        activity.request();
        tokio::time::advance(SECOND * 15).await;
        activity.responded();
        activity.request();
        assert_eq!(activity.request_deadline(), Instant::now() + SECOND * 10);
    }
}
