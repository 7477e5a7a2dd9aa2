//! Peers that send requests and never read a response.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup};
use nix::sys::socket::{setsockopt, sockopt};

use super::{IDLE, is_closed_within, is_reset_within, open, processor_share, slowest_refresh};

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
    let server = Setup::new().set("listen.idle_timeout", "8s").start();
    let (before, start) = (server.descriptors(), Instant::now());
    let streams = open(server.public(), 3, flood);
    // Few of the 60,000 requests are answered, so this is over soon.
    let second = Duration::from_secs(1);
    let settled = Instant::now() + second * 4;
    while processor_share(&server, second) > 0.05 && Instant::now() < settled {}
    let answered = server.log().matches("\"status\":200").count();
    assert!(answered < 3_000, "{answered} requests of silent peers were answered");
    let share = processor_share(&server, second);
    assert!(share < 0.05, "{share} of a core for silent peers");
    for stream in &streams {
        assert!(is_reset_within(stream, second * 30), "a silent peer is kept");
    }
    assert!(start.elapsed() >= second * 8, "{:?}", start.elapsed());
    assert!(server.descriptors() <= before, "the descriptors are not released");
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < second * 30);
}

#[test]
fn honest_clients_do_not_notice_silent_readers() {
    let server = Setup::new().set("listen.idle_timeout", "30s").start();
    let client = Client::without_pool(server.public());
    let (_, tokens) = client.new_session();
    let token = tokens.refresh();
    let quiet = slowest_refresh(&client, token, 1);
    let _streams = open(server.public(), 20, flood);
    std::thread::park_timeout(Duration::from_secs(1));
    let (_, tokens) = client.new_session();
    let slowest = slowest_refresh(&client, tokens.refresh(), 20);
    assert!(slowest < quiet + Duration::from_secs(2), "{quiet:?} became {slowest:?}");
    // A stop does not wait for peers that will never read.
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
}

#[test]
fn idle_connections_are_closed_after_the_timeout_and_not_before() {
    let server = Setup::new().set("listen.idle_timeout", "2s").start();
    let mut streams = open(server.public(), 2, |_| {});
    assert!(!is_closed_within(&mut streams[0], IDLE / 2), "closed early");
    assert!(is_closed_within(&mut streams[0], IDLE * 2), "kept open");
}
