//! Attacks on the connections: peers that are silent, slow, greedy, or speak out of turn.
//!
//! Each test states what an honest client still gets, and where a claim is that an attack costs
//! nothing, it measures the processor time of the server itself.

mod framing;
mod log_sinks;
mod silent_readers;
mod slow_requests;

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Server};

/// How long a connection may be without progress in these tests.
const IDLE: Duration = Duration::from_secs(2);

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
