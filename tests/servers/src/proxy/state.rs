//! What the threads of a proxy share: the planned faults and the connections.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::port::Port;

/// Responses are not cut.
pub(super) const WHOLE: usize = usize::MAX;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It is forwarded.
    #[default]
    Pass,
    /// The connection is cut, and the server never sees the request.
    CutBefore,
    /// The server executes the request; the connection is cut before any byte of the response
    /// arrives.
    CutAfter,
    /// The same, after this many bytes of the response. At least the last byte is missing.
    CutWithin(usize),
    /// The request is forwarded after this delay.
    Delay(Duration),
    /// The request is dropped. The connection stays open, but forwards nothing from then on.
    BlackHole,
}

/// What the proxy's threads share.
pub(super) struct Shared {
    pub(super) port: Port,
    pub(super) server: SocketAddr,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// For requests that are not in the plan.
    pub(super) fault: Fault,
    pub(super) plan: VecDeque<Planned>,
    pub(super) refusing: bool,
    pub(super) stopped: bool,
    /// Whether the proxy is listening.
    pub(super) listening: bool,
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) accepted: usize,
    pub(super) requests: usize,
    pub(super) faults: usize,
}

/// A fault planned for one future request.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    /// Bytes that the request must contain.
    pub(super) contains: Vec<u8>,
}

/// Both ends of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
    /// How many bytes of the next response are delivered before the connection is cut.
    pub(super) deliver: AtomicUsize,
    pub(super) silent: AtomicBool,
    pub(super) open: AtomicBool,
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes it in both directions.
    pub(super) fn cut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for stream in [&self.client, &self.server] {
            // The peer may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request and returns its fault.
    pub(super) fn next_fault(&self, request: &[u8]) -> Fault {
        let mut state = self.lock();
        state.requests += 1;
        let planned = state.plan.front().is_some_and(|planned| is_in(&planned.contains, request));
        let step = if planned { state.plan.pop_front() } else { None };
        let fault = step.map_or(state.fault, |planned| planned.fault);
        state.faults += usize::from(fault != Fault::Pass);
        fault
    }

    /// Waits; `None` if the proxy is stopped in the meantime.
    pub(super) fn delay(&self, span: Duration) -> Option<()> {
        let waiting = self.changed.wait_timeout_while(self.lock(), span, |state| !state.stopped);
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        (!state.stopped).then_some(())
    }
}

fn is_in(needle: &[u8], hay: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}
