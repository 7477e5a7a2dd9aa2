//! One connection through the proxy: a thread for each direction.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use crate::proxy::state::{Connection, Fault, Shared, WHOLE};

/// The largest request or response that is read at once.
const CHUNK: usize = 64 * 1024;
/// Forwards a connection until either side or a fault closes it.
pub(super) fn carry(shared: &Arc<Shared>, client: TcpStream) {
    let second = Duration::from_secs(1);
    let Ok(server) = TcpStream::connect_timeout(&shared.server, second) else {
        // The client sees a connection that is closed immediately, as from a server that is down.
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let connection = Arc::new(Connection {
        client,
        server,
        deliver: AtomicUsize::new(WHOLE),
        silent: AtomicBool::new(false),
        open: AtomicBool::new(true),
    });
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.refusing || state.stopped {
        drop(state);
        return connection.cut();
    }
    state.connections.push(Arc::clone(&connection));
    drop(state);
    let ours = Arc::clone(&connection);
    thread::spawn(move || {
        let _ = responses(&ours);
        ours.cut();
    });
    let _ = requests(shared, &connection);
    connection.cut();
}

/// From the client to the server.
fn requests(shared: &Shared, connection: &Connection) -> Option<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let request = read(&connection.client, &mut buffer)?;
        if connection.silent.load(Ordering::SeqCst) {
            continue;
        }
        match shared.next_fault(request) {
            Fault::Pass => {}
            Fault::CutBefore => return None,
            Fault::CutAfter => connection.deliver.store(0, Ordering::SeqCst),
            Fault::CutWithin(bytes) => connection.deliver.store(bytes, Ordering::SeqCst),
            Fault::Delay(span) => shared.delay(span)?,
            Fault::BlackHole => {
                connection.silent.store(true, Ordering::SeqCst);
                continue;
            }
        }
        (&connection.server).write_all(request).ok()?;
    }
}

/// From the server to the client.
fn responses(connection: &Connection) -> Option<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let response = read(&connection.server, &mut buffer)?;
        if connection.silent.load(Ordering::SeqCst) {
            continue;
        }
        let bytes = connection.deliver.load(Ordering::SeqCst);
        if bytes != WHOLE {
            let delivered = bytes.min(response.len().saturating_sub(1));
            (&connection.client).write_all(response.get(..delivered)?).ok()?;
            return None;
        }
        (&connection.client).write_all(response).ok()?;
    }
}

/// The next bytes; `None` at the end.
fn read<'a>(mut stream: &TcpStream, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match stream.read(buffer) {
        Ok(0) | Err(_) => None,
        Ok(length) => buffer.get(..length),
    }
}
