//! Many hostile connections of each kind at once, and too few descriptors for them.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup};
use nix::sys::socket::{setsockopt, sockopt};

use super::{open, processor_share, raise_descriptor_limit};

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

/// The median time of a refresh on a new connection.
fn median_refresh(client: &Client, refresh: &str) -> Duration {
    let mut token = refresh.to_owned();
    let refreshes = (0..41).map(|_| {
        let start = Instant::now();
        token = client.refreshed(&token, None).refresh().to_owned();
        start.elapsed()
    });
    let mut times: Vec<Duration> = refreshes.collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn two_hundred_and_fifty_hostile_connections_of_each_kind_slow_down_no_honest_client() {
    raise_descriptor_limit();
    let server = Setup::new().set("listen.idle_timeout", "120s").set("log.level", "off").start();
    let client = Client::without_pool(server.public());
    let (_, tokens) = client.new_session();
    let quiet = median_refresh(&client, tokens.refresh());
    let kinds = [silent, half_a_head, half_a_body, half_a_chunk, never_reading];
    let mut crowds = Vec::new();
    for kind in kinds {
        crowds.push(open(server.public(), CROWD, kind));
    }
    // What was sent ahead is answered as far as the buffers take it.
    let settled = Instant::now() + Duration::from_secs(20);
    while processor_share(&server, Duration::from_secs(1)) > 0.05 && Instant::now() < settled {}
    let share = processor_share(&server, Duration::from_secs(2));
    assert!(share < 0.05, "{share} of a core for {} silent peers", kinds.len() * CROWD);
    let (_, tokens) = client.new_session();
    let crowded = median_refresh(&client, tokens.refresh());
    assert!(crowded < quiet + Duration::from_millis(100), "{quiet:?} became {crowded:?}");
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
    let stopped = Instant::now();
    let _ = server.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
}

#[test]
fn with_its_descriptors_used_up_a_server_still_serves_and_stops() {
    let server = Setup::new().with_descriptors(128).start();
    let streams = open(server.public(), 400, half_a_head);
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
