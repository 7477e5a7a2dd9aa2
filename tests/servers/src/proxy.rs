//! A bad network in front of a server: a TCP proxy that injects faults.
//!
//! It does not depend on a protocol. A *request* is the bytes that one read takes from the client's
//! connection. The clients here write a request at once, so this is the same in practice, but two
//! requests that are sent back to back may count as one.

mod connection;
mod state;

use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::ServersError;
use crate::port::Port;
pub use crate::proxy::state::Fault;
use crate::proxy::state::{Planned, Shared, State};

/// A proxy to one server. When dropped, it stops listening and cuts all connections.
pub struct Proxy {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy to `server` that forwards everything.
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

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.port.address()
    }

    /// Applies a fault to all requests from now on, except those planned by [`Self::next`].
    pub fn set(&self, fault: Fault) {
        self.shared.lock().fault = fault;
    }

    /// Applies a fault to the next `count` requests of all connections. Plans are queued: the
    /// second begins when the first is used up.
    pub fn next(&self, count: usize, fault: Fault) {
        self.next_with(b"", count, fault);
    }

    /// Applies a fault to the next `count` requests that contain `bytes`. Until they arrive, other
    /// requests are handled as by [`Self::set`], and later plans wait.
    pub fn next_with(&self, bytes: &[u8], count: usize, fault: Fault) {
        let planned = (0..count).map(|_| Planned { fault, contains: bytes.to_owned() });
        self.shared.lock().plan.extend(planned);
    }

    /// Forgets all plans, and forwards everything.
    pub fn pass(&self) {
        let mut state = self.shared.lock();
        state.plan.clear();
        state.fault = Fault::Pass;
    }

    /// Refuses connections until [`Self::accept`], like a server that is down, and cuts existing
    /// ones. Returns when this is done.
    pub fn refuse(&self) {
        self.switch(true);
        self.cut();
    }

    /// Accepts connections again. Returns when this is done.
    pub fn accept(&self) {
        self.switch(false);
    }

    /// Cuts all existing connections.
    pub fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.lock().connections);
        for connection in connections {
            connection.cut();
        }
    }

    /// How many planned requests have not arrived yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.lock().plan.len()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().accepted
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.lock().connections.iter().filter(|connection| connection.is_open()).count()
    }

    /// How many requests arrived so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// How many requests had a fault so far.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.shared.lock().faults
    }

    fn switch(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
        self.shared.changed.notify_all();
        if refusing {
            self.wake();
        }
        let state = self.shared.lock();
        let waiting = self.shared.changed.wait_while(state, |state| state.listening == refusing);
        drop(waiting);
    }

    /// The thread may be waiting for a connection. This one is not counted, because the thread sees
    /// first that it must end.
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

fn listen(port: &Port) -> Result<TcpListener, ServersError> {
    TcpListener::bind(port.address())
        .map_err(|source| ServersError::io(format!("listen at {}", port.address()), source))
}

/// Accepts connections until the proxy is stopped, and none while it refuses.
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
        // Connecting to a server that hangs must not delay other clients.
        thread::spawn(move || connection::carry(&ours, client));
    }
}

#[cfg(test)]
mod tests;
