//! What belongs to a request and what does not: `Upgrade`, `Connection: close`, and requests that
//! cannot be parsed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use aquaware_tests::Setup;

/// Sends `bytes` and returns everything that comes back until the server closes the connection or,
/// after `expected` responses, is silent for a second.
fn exchange(address: SocketAddr, bytes: &[u8], expected: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // A server may answer and close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => all.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let text = String::from_utf8_lossy(&all);
                if responses(&text) >= expected || Instant::now() >= until {
                    return text.into_owned();
                }
            }
            Ok(_) | Err(_) => return String::from_utf8_lossy(&all).into_owned(),
        }
    }
}

/// More responses than there are: the server closes the connection.
const UNTIL_CLOSED: usize = usize::MAX;

fn responses(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[test]
fn upgrade_is_ignored_and_keep_alive_survives_it() {
    let server = Setup::new().start();
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let get = format!(
            "GET /auth/me HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n\
             Connection: Upgrade, HTTP2-Settings\r\n\r\n"
        );
        let post = format!(
            "POST /auth/refresh HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nConnection: upgrade\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n\
             refresh_token=x"
        );
        let text = exchange(server.public(), &[get.as_bytes(), post.as_bytes()].concat(), 2);
        assert_eq!(responses(&text), 2, "{text}");
        assert!(
            text.starts_with("HTTP/1.1 401 ") && text.contains("invalid_refresh_token"),
            "{text}"
        );
        assert!(!text.to_ascii_lowercase().contains("connection: "), "{text}");
    }
}

#[test]
fn nothing_is_processed_after_connection_close() {
    let server = Setup::new().start();
    let next = "GET /auth/me HTTP/1.1\r\nHost: x\r\n\r\n";
    for first in [
        // The client asks for it.
        "GET /auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /auth/me HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n".to_owned(),
        // The server announces it: the body was not read.
        format!(
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\n\r\n{}",
            "x".repeat(100_000)
        ),
    ] {
        let text = exchange(server.public(), format!("{first}{next}").as_bytes(), UNTIL_CLOSED);
        assert_eq!(responses(&text), 1, "{text}");
        assert!(text.contains("connection: close"), "{text}");
    }
}

#[test]
fn errors_below_the_routes_look_like_all_others() {
    let server = Setup::new().start();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(600_000));
    for (request, status, code) in [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "invalid_request"),
        ("\u{1}\u{2}\u{3}\r\n\r\n", 400, "invalid_request"),
        (long.as_str(), 431, "headers_too_large"),
    ] {
        let text = exchange(server.public(), request.as_bytes(), UNTIL_CLOSED);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        for part in [
            "x-request-id: ",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "content-type: application/problem+json",
            "connection: close",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains(&format!("\"code\":\"{code}\"")), "{text}");
    }
}

#[test]
fn a_body_that_no_handler_reads_does_not_end_the_connection() {
    let server = Setup::new().start();
    let post = "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde";
    let chunked = "PUT /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n0\r\n\r\n";
    let text = exchange(server.public(), format!("{post}{chunked}{post}").as_bytes(), 3);
    assert_eq!(responses(&text), 3, "{text}");
}
