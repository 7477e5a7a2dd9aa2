//! Peers that send a request slowly, or half of one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_tests::{Call, Client, Person, Setup, Tokens, wait_for};

use super::{IDLE, costs_nothing, is_closed_within, open};

const HEAD: &[u8] = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// Everything the server sends until it closes the connection.
fn read_to_end(mut stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn half_a_request_is_answered_with_408_and_closed() {
    let server = Setup::new().set("listen.idle_timeout", "2s").start();
    let bodies: [&[u8]; 3] = [
        b"",
        b"Content-Length: 100\r\n\r\n{\"email\":",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\n{\"email\":\r\n",
    ];
    for body in bodies {
        let start = Instant::now();
        let streams = open(server.public(), 1, |mut stream| {
            stream.write_all(&[HEAD, body].concat()).unwrap();
        });
        let (response, elapsed) = (read_to_end(&streams[0]), start.elapsed());
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("x-request-id: "), "{response}");
        assert!(response.contains("x-content-type-options: nosniff"), "{response}");
        assert!(response.contains("\"code\":\"request_timeout\""), "{response}");
        assert!(elapsed >= IDLE && elapsed < IDLE * 10, "{elapsed:?}");
    }
}

#[test]
fn a_request_that_trickles_in_has_twice_the_timeout() {
    let server = Setup::new().set("listen.idle_timeout", "2s").start();
    for head in ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.public()).unwrap();
        stream.write_all(&[HEAD, head.as_bytes()].concat()).unwrap();
        let start = Instant::now();
        let piece: &[u8] = if head.contains("chunked") { b"1\r\n \r\n" } else { b" " };
        while stream.write_all(piece).is_ok() && start.elapsed() < IDLE * 10 {
            if is_closed_within(&mut stream, Duration::from_millis(300)) {
                break;
            }
        }
        assert!(start.elapsed() < IDLE * 8, "{head:?} lasted {:?}", start.elapsed());
    }
}

#[test]
fn slow_peers_cost_no_processor_time() {
    let server = Setup::new().set("listen.idle_timeout", "60s").start();
    let _streams = open(server.public(), 200, |mut stream| {
        stream.write_all(&[HEAD, b"Content-Length: 100\r\n\r\n{"].concat()).unwrap();
    });
    costs_nothing(&server, Duration::from_secs(40));
}

#[test]
fn at_the_limit_of_connections_the_quietest_makes_room_and_management_answers() {
    let setup = Setup::new().set("listen.max_connections", "40").set("listen.workers", "2");
    let server = setup.set("listen.idle_timeout", "120s").start();
    // Some are closed to make room before they have sent anything.
    let _silent = open(server.public(), 200, |mut stream| drop(stream.write_all(b"GET / HT")));
    let client = Client::without_pool(server.public());
    // A client is turned away if the connection that has to make room does not end within a second.
    let answer = |call: &dyn Fn() -> Call| {
        wait_for("room for a client", Duration::from_secs(60), || call().try_send().ok())
    };
    let Person { email, password } = Person::new();
    let body = serde_json::json!({ "email": email, "password": password });
    answer(&|| client.post("/auth/signup").json(&body)).is(201);
    let tokens = Tokens::of(&answer(&|| client.post("/auth/login").json(&body)));
    answer(&|| client.get("/auth/me").bearer(&tokens.access)).is(200);
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
}
