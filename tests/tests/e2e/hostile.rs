//! Attacks on the connections: peers that are silent, slow, greedy, or speak out of turn.
//!
//! Each test states what an honest client still gets, and where a claim is that an attack costs
//! nothing, it measures the processor time of the server itself.

mod crowds;
mod framing;
mod log_sinks;
mod secret_floods;
mod silent_readers;
mod slow_handshakes;
mod slow_requests;

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Server};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How long a connection may be without progress in these tests.
const IDLE: Duration = Duration::from_secs(2);

/// Lets this process have as many descriptors as the system allows.
fn raise_descriptor_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// Opens `count` connections and does `begin` with each.
fn open(address: SocketAddr, count: usize, begin: impl Fn(&TcpStream)) -> Vec<TcpStream> {
    let connect = |_| {
        let stream = TcpStream::connect(address).unwrap();
        begin(&stream);
        stream
    };
    (0..count).map(connect).collect()
}

/// The share of one core that the server uses during `span`.
fn processor_share(server: &Server, span: Duration) -> f64 {
    let (before, start) = (server.processor_time(), Instant::now());
    std::thread::park_timeout(span);
    let used = server.processor_time() - before;
    used.as_secs_f64() / start.elapsed().as_secs_f64()
}

/// An honest client refreshes on connections of its own; the slowest refresh is returned.
fn slowest_refresh(client: &Client, refresh: &str, count: usize) -> Duration {
    let mut token = refresh.to_owned();
    let refreshes = (0..count).map(|_| {
        let start = Instant::now();
        token = client.refreshed(&token, None).refresh().to_owned();
        start.elapsed()
    });
    refreshes.max().unwrap()
}

/// Whether the peer resets the connection within `patience`. Reads nothing: room in the buffers would
/// let the peer go on.
fn is_reset_within(stream: &TcpStream, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if stream.take_error().unwrap().is_some() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    false
}

/// Whether the peer has closed the connection, within `patience`.
fn is_closed_within(stream: &mut TcpStream, patience: Duration) -> bool {
    use std::io::{ErrorKind, Read as _};
    let until = Instant::now() + patience;
    let mut buffer = [0; 4096];
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while Instant::now() < until {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}
