//! A bad network in front of a server: a TCP proxy that loses what it is told to lose.
//!
//! It knows no protocol. A *request* is a chunk of bytes from the client, as one read takes it from
//! the connection. Clients here write a request at once, so it is the same in practice, but two
//! requests that are sent back to back may count as one.

mod connection;

use std::collections::VecDeque;
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::ServersError;
use crate::port::Port;
use crate::proxy::connection::Connection;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// All goes well.
    #[default]
    Pass,
    /// The connection is cut, and the server never sees the request.
    CutBefore,
    /// The server has answered, so has done its work; the connection is cut before any byte of the
    /// answer arrives.
    CutAfter,
    /// The same, with so many bytes of the answer delivered. At least the last byte is missing.
    CutWithin(usize),
    /// The request waits so long, and then all goes well.
    Delay(Duration),
    /// The request vanishes. The connection stays open and is silent from then on, both ways.
    BlackHole,
}

/// A proxy to one server. When dropped, it stops listening and cuts all connections.
pub struct Proxy {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the proxy's threads share.
struct Shared {
    port: Port,
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// For requests that the plan says nothing about.
    fault: Fault,
    plan: VecDeque<Step>,
    refusing: bool,
    stopped: bool,
    /// Whether the proxy listens, as its thread says.
    listening: bool,
    connections: Vec<Arc<Connection>>,
    accepted: usize,
    requests: usize,
    faults: usize,
}

/// What becomes of one request to come.
#[derive(Debug)]
struct Step {
    fault: Fault,
    /// It is for a request that contains this.
    contains: Vec<u8>,
}

impl Proxy {
    /// A proxy to `server`, on a port of its own, that lets everything pass.
    ///
    /// # Errors
    /// There is no free port.
    pub fn to(server: SocketAddr) -> Result<Self, ServersError> {
        let port = Port::claim()?;
        let listener = listen(&port)?;
        let state = Mutex::new(State { listening: true, ..State::default() });
        let shared = Arc::new(Shared { port, server, state, changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || serve(&ours, listener)));
        Ok(Self { shared, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.port.address()
    }

    /// What becomes of requests from now on, unless [`Self::next`] says otherwise.
    pub fn set(&self, fault: Fault) {
        self.shared.lock().fault = fault;
    }

    /// What becomes of the next `count` requests, over all connections. Plans line up: the second
    /// begins when the first is used up.
    pub fn next(&self, count: usize, fault: Fault) {
        self.next_with(b"", count, fault);
    }

    /// What becomes of the next `count` requests that contain `bytes`. Until they come, others go
    /// as [`Self::set`] says, and plans behind this one wait.
    pub fn next_with(&self, bytes: &[u8], count: usize, fault: Fault) {
        let steps = (0..count).map(|_| Step { fault, contains: bytes.to_owned() });
        self.shared.lock().plan.extend(steps);
    }

    /// Forgets what was planned by [`Self::next`], and lets everything pass.
    pub fn pass(&self) {
        let mut state = self.shared.lock();
        state.plan.clear();
        state.fault = Fault::Pass;
    }

    /// Refuses connections until [`Self::accept`], as a server that is down does, and cuts those
    /// there are. Returns when it is so.
    pub fn refuse(&self) {
        self.switch(true);
        self.cut();
    }

    /// Takes connections again. Returns when it is so.
    pub fn accept(&self) {
        self.switch(false);
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.lock().connections);
        for connection in connections {
            connection.cut();
        }
    }

    /// How many requests of the plan haven't come yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.lock().plan.len()
    }

    /// How many connections were made, over all time.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().accepted
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.lock().connections.iter().filter(|connection| connection.is_open()).count()
    }

    /// How many requests came, over all time.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// How many requests did not simply pass, over all time.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.shared.lock().faults
    }

    fn switch(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
        self.shared.changed.notify_all();
        self.wake();
        let state = self.shared.lock();
        let waiting = self.shared.changed.wait_while(state, |state| state.listening == refusing);
        drop(waiting);
    }

    /// The thread may be waiting for a connection.
    fn wake(&self) {
        let _ = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.cut();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address())
            .field("server", &self.shared.server)
            .field("state", &*self.shared.lock())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a request that came.
    fn judge(&self, request: &[u8]) -> Fault {
        let mut state = self.lock();
        state.requests += 1;
        let planned = state.plan.front().is_some_and(|step| is_in(&step.contains, request));
        let step = if planned { state.plan.pop_front() } else { None };
        let fault = step.map_or(state.fault, |step| step.fault);
        state.faults += usize::from(fault != Fault::Pass);
        fault
    }

    /// Lets time pass; `None` if the proxy is stopped meanwhile.
    fn delay(&self, span: Duration) -> Option<()> {
        let waiting = self.changed.wait_timeout_while(self.lock(), span, |state| !state.stopped);
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        (!state.stopped).then_some(())
    }
}

fn is_in(needle: &[u8], hay: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

fn listen(port: &Port) -> Result<TcpListener, ServersError> {
    TcpListener::bind(port.address())
        .map_err(|source| ServersError::io(format!("listen at {}", port.address()), source))
}

/// Takes connections until the proxy is stopped, and none while it refuses.
fn serve(shared: &Arc<Shared>, listener: TcpListener) {
    let mut listener = Some(listener);
    while let Some(open) = listener.take() {
        take_connections(shared, &open);
        drop(open);
        let mut state = shared.lock();
        state.listening = false;
        shared.changed.notify_all();
        let resumed = |state: &mut State| state.refusing && !state.stopped;
        state = shared.changed.wait_while(state, resumed).unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return;
        }
        // The port is claimed, so it is still free.
        listener = listen(&shared.port).ok();
        state.listening = listener.is_some();
        shared.changed.notify_all();
    }
}

fn take_connections(shared: &Arc<Shared>, listener: &TcpListener) {
    for client in listener.incoming() {
        let mut state = shared.lock();
        if state.refusing || state.stopped {
            return;
        }
        state.accepted += 1;
        state.connections.retain(|connection| connection.is_open());
        drop(state);
        let Ok(client) = client else { continue };
        let ours = Arc::clone(shared);
        // Connecting to a server that hangs takes time that other clients shouldn't pay.
        thread::spawn(move || connection::carry(&ours, client));
    }
}

#[cfg(test)]
mod tests;
