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
    raise_descriptor_limit();
    let connect = |_| {
        let stream = TcpStream::connect(address).unwrap();
        begin(&stream);
        stream
    };
    (0..count).map(connect).collect()
}

/// Asserts that peers cost nothing: within `patience`, there are two seconds in which the server uses
/// less than a twentieth of a core. Before that, it may still be busy with what it was sent.
#[track_caller]
fn costs_nothing(server: &Server, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        let (before, start) = (server.processor_time(), Instant::now());
        std::thread::park_timeout(Duration::from_secs(2));
        let used = server.processor_time() - before;
        let share = used.as_secs_f64() / start.elapsed().as_secs_f64();
        if share < 0.05 {
            return;
        }
        assert!(Instant::now() < until, "{share} of a core after {patience:?}");
    }
}

/// The times of `count` refreshes of a new session, each on a connection of its own, in ascending order.
fn refresh_times(client: &Client, count: usize) -> Vec<Duration> {
    let mut token = client.new_session().1.refresh().to_owned();
    let refreshes = (0..count).map(|_| {
        let start = Instant::now();
        token = client.refreshed(&token, None).refresh().to_owned();
        start.elapsed()
    });
    let mut times: Vec<Duration> = refreshes.collect();
    times.sort();
    times
}

/// Asserts that the median time of a refresh is at most `margin` above `quiet`. A busy machine is slow
/// now and then, so it is measured again; a server that its peers slow down is slow every time.
#[track_caller]
fn is_not_slowed_down(client: &Client, quiet: Duration, margin: Duration) {
    let mut medians = Vec::new();
    for _ in 0..10 {
        let median = refresh_times(client, 41)[20];
        if median < quiet + margin {
            return;
        }
        medians.push(median);
    }
    panic!("{quiet:?} became {medians:?}");
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
