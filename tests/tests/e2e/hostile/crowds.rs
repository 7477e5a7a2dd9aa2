//! Many hostile connections of each kind at once, and too few descriptors for them.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup};
use nix::sys::socket::{setsockopt, sockopt};

use super::{costs_nothing, is_not_slowed_down, open, refresh_times};

/// Connections of each kind.
const CROWD: usize = 250;

const HEAD: &str = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

fn silent(_: &TcpStream) {}

fn half_a_head(mut stream: &TcpStream) {
    stream.write_all(HEAD.as_bytes()).unwrap();
}

fn half_a_body(mut stream: &TcpStream) {
    stream.write_all(format!("{HEAD}Content-Length: 100\r\n\r\n{{").as_bytes()).unwrap();
}

fn half_a_chunk(mut stream: &TcpStream) {
    let start = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\n{{");
    stream.write_all(start.as_bytes()).unwrap();
}

fn never_reading(mut stream: &TcpStream) {
    setsockopt(stream, sockopt::RcvBuf, &1024).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let requests = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    let _ = stream.write_all(&requests);
}

#[test]
fn two_hundred_and_fifty_hostile_connections_of_each_kind_slow_down_no_honest_client() {
    let server = Setup::new().set("listen.idle_timeout", "300s").set("log.level", "off").start();
    let client = Client::without_pool(server.public());
    let quiet = refresh_times(&client, 41)[20];
    let kinds = [silent, half_a_head, half_a_body, half_a_chunk, never_reading];
    let mut crowds = Vec::new();
    for kind in kinds {
        crowds.push(open(server.public(), CROWD, kind));
    }
    // What was sent ahead is answered as far as the buffers take it, which takes a busy machine a while.
    costs_nothing(&server, Duration::from_secs(200));
    is_not_slowed_down(&client, quiet, Duration::from_millis(100));
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
}

#[test]
fn with_its_descriptors_used_up_a_server_still_serves_and_stops() {
    let server = Setup::new().with_descriptors(128).start();
    // Some are closed to make room before they have sent anything.
    let streams = open(server.public(), 400, |mut stream| drop(stream.write_all(HEAD.as_bytes())));
    let client = Client::without_pool(server.public());
    let (_, tokens) = client.new_session();
    let _ = client.refreshed(tokens.refresh(), None);
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
    assert!(server.descriptors() <= 128, "{}", server.descriptors());
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
    drop(streams);
}
