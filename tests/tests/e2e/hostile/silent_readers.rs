//! Peers that send requests and never read a response.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup, wait_for};
use nix::sys::socket::{setsockopt, sockopt};

use super::{
    IDLE, costs_nothing, is_closed_within, is_not_slowed_down, is_reset_within, open, refresh_times,
};

/// Requests without end, as far as the server takes them.
fn flood(stream: &TcpStream) {
    // A small window on this side is what fills the buffers of the server.
    setsockopt(stream, sockopt::RcvBuf, &1024).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
    let mut stream = stream;
    let _ = stream.write_all(&requests);
}

#[test]
fn a_peer_that_never_reads_is_answered_little_costs_nothing_and_loses_its_connection() {
    let server = Setup::new().set("listen.idle_timeout", "20s").start();
    let (before, start) = (server.descriptors(), Instant::now());
    let streams = open(server.public(), 3, flood);
    // Few of the 60,000 requests are answered, so this is over soon, and long before the timeout.
    let second = Duration::from_secs(1);
    costs_nothing(&server, second * 15);
    let answered = server.log().matches("\"status\":200").count();
    assert!(answered < 3_000, "{answered} requests of silent peers were answered");
    for stream in &streams {
        assert!(is_reset_within(stream, second * 60), "a silent peer is kept");
    }
    assert!(start.elapsed() >= second * 20, "{:?}", start.elapsed());
    // The system may reset a connection before the server closes it.
    wait_for("the descriptors to be released", second * 30, || {
        (server.descriptors() <= before).then_some(())
    });
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < second * 30);
}

#[test]
fn honest_clients_do_not_notice_silent_readers() {
    let server = Setup::new().set("listen.idle_timeout", "60s").start();
    let client = Client::without_pool(server.public());
    let quiet = refresh_times(&client, 5)[2];
    let _streams = open(server.public(), 20, flood);
    std::thread::park_timeout(Duration::from_secs(1));
    // One that waited for a silent reader would wait for its timeout.
    let slowest = refresh_times(&client, 20)[19];
    assert!(slowest < quiet + Duration::from_secs(20), "{quiet:?} became {slowest:?}");
    is_not_slowed_down(&client, quiet, Duration::from_millis(500));
    // A stop does not wait for peers that will never read.
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
}

#[test]
fn idle_connections_are_closed_after_the_timeout_and_not_before() {
    let server = Setup::new().set("listen.idle_timeout", "2s").start();
    let start = Instant::now();
    let mut streams = open(server.public(), 2, |_| {});
    for stream in &mut streams {
        assert!(is_closed_within(stream, Duration::from_secs(30)), "kept open");
        assert!(start.elapsed() >= IDLE, "closed early, after {:?}", start.elapsed());
    }
}
