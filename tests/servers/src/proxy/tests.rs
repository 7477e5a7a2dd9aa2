//! The proxy in front of a server that echoes each line and counts them.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::wait::{TIMEOUT, until};

struct Echo {
    address: SocketAddr,
    heard: Arc<AtomicUsize>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || echo(&stream, &counter));
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

fn echo(mut stream: &TcpStream, heard: &AtomicUsize) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        heard.fetch_add(1, Ordering::SeqCst);
        if stream.write_all(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
    }
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Reads the response until it is complete or the connection ends.
fn say(mut stream: &TcpStream, line: &str) -> String {
    let _ = stream.write_all(format!("{line}\n").as_bytes());
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\n") && matches!(stream.read(&mut byte), Ok(1)) {
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn without_a_fault_everything_passes_and_is_counted() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    let stream = connect(&proxy);
    assert_eq!(say(&stream, "one"), "one\n");
    assert_eq!(say(&stream, "two"), "two\n");
    assert_eq!(say(&connect(&proxy), "three"), "three\n");
    let counts = (proxy.connections(), proxy.requests(), proxy.faults(), echo.heard());
    assert_eq!(counts, (2, 3, 0, 3));
}

#[test]
fn a_request_cut_before_forwarding_never_reaches_the_server() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    proxy.next(1, Fault::CutBefore);
    let stream = connect(&proxy);
    assert_eq!(say(&stream, "one"), "");
    assert_eq!(say(&connect(&proxy), "two"), "two\n");
    assert_eq!((echo.heard(), proxy.faults(), proxy.pending()), (1, 1, 0));
}

#[test]
fn a_request_cut_after_forwarding_reaches_the_server_but_gets_no_response() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    let stream = connect(&proxy);
    proxy.next(1, Fault::Pass);
    proxy.next(1, Fault::CutAfter);
    assert_eq!(say(&stream, "one"), "one\n");
    assert_eq!(say(&stream, "two"), "");
    assert_eq!(echo.heard(), 2);
}

#[test]
fn a_response_is_cut_at_the_requested_byte() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    for (bytes, delivered) in [(0, ""), (2, "an"), (7, "answer"), (1000, "answer")] {
        proxy.next(1, Fault::CutWithin(bytes));
        assert_eq!(say(&connect(&proxy), "answer"), delivered, "{bytes}");
    }
    assert_eq!(echo.heard(), 4);
}

#[test]
fn a_delay_lasts_as_long_as_requested() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    proxy.next(1, Fault::Delay(Duration::from_millis(300)));
    let stream = connect(&proxy);
    let start = Instant::now();
    assert_eq!(say(&stream, "slow"), "slow\n");
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_black_hole_forwards_nothing_and_closes_nothing() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    proxy.set(Fault::BlackHole);
    let stream = connect(&proxy);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    (&stream).write_all(b"lost\n").unwrap();
    let error = (&stream).read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    until(TIMEOUT, || Ok((proxy.faults() == 1).then_some(()))).unwrap().unwrap();
    proxy.pass();
    (&stream).write_all(b"lost as well\n").unwrap();
    assert!((&stream).read(&mut [0]).is_err());
    assert_eq!(say(&connect(&proxy), "new"), "new\n");
    assert_eq!(echo.heard(), 1);
}

#[test]
fn a_fault_can_be_scheduled_for_a_later_request() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    proxy.next_with(b"UPDATE", 1, Fault::CutBefore);
    let stream = connect(&proxy);
    assert_eq!(say(&stream, "SELECT 1"), "SELECT 1\n");
    assert_eq!(proxy.pending(), 1);
    assert_eq!(say(&stream, "an UPDATE of x"), "");
    assert_eq!((echo.heard(), proxy.pending()), (1, 0));
}

#[test]
fn a_refusing_proxy_cuts_connections_and_can_accept_again() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    let stream = connect(&proxy);
    assert_eq!(say(&stream, "one"), "one\n");
    proxy.refuse();
    assert_eq!(say(&stream, "two"), "");
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.accept();
    assert_eq!(say(&connect(&proxy), "three"), "three\n");
    assert_eq!(proxy.connections(), 2, "the proxy's own connections are not counted");
}

#[test]
fn a_cut_ends_existing_connections_only() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    let stream = connect(&proxy);
    assert_eq!(say(&stream, "one"), "one\n");
    assert_eq!(proxy.open(), 1);
    proxy.cut();
    assert_eq!(say(&stream, "two"), "");
    assert_eq!(proxy.open(), 0);
    assert_eq!(say(&connect(&proxy), "three"), "three\n");
}

#[test]
fn a_dropped_proxy_frees_its_port_and_cuts_delayed_connections() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    let address = proxy.address();
    proxy.set(Fault::Delay(Duration::from_secs(1000)));
    let mut stream = connect(&proxy);
    stream.write_all(b"late\n").unwrap();
    until(TIMEOUT, || Ok((proxy.faults() == 1).then_some(()))).unwrap().unwrap();
    drop(proxy);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_stopped_server_looks_like_a_connection_closed_immediately() {
    let port = Port::claim().unwrap();
    let proxy = Proxy::to(port.address()).unwrap();
    assert_eq!(say(&connect(&proxy), "hello"), "");
}
