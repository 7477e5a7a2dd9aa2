//! Traces over OTLP/HTTP: a request is one span, which continues the caller's trace.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aquaware_tests::{Jws, Setup, wait_for};
use serde_json::{Value, json};

/// The example of the W3C recommendation on trace contexts.
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE_ID_BYTES: [u8; 16] = [
    0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36,
];

/// A collector that keeps the bodies of exports.
struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, bodies) = (listener.local_addr().unwrap(), Arc::default());
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || keep(stream, &kept));
            }
        });
        Self { address, bodies }
    }

    fn has(&self, part: &[u8]) -> bool {
        self.bodies.lock().unwrap().windows(part.len()).any(|window| window == part)
    }
}

/// Keeps the body of every export on a connection.
fn keep(stream: TcpStream, bodies: &Mutex<Vec<u8>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        assert_eq!(line, "POST /v1/traces HTTP/1.1\r\n");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "content-type" => assert_eq!(value, "application/x-protobuf"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        bodies.lock().unwrap().extend(body);
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        line.clear();
    }
}

#[test]
fn a_request_is_a_span_of_the_callers_trace() {
    let collector = Collector::start();
    let server = Setup::new()
        .set("log.format", "json")
        .set("telemetry.otlp_endpoint", &format!("http://{}", collector.address))
        .start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let next = client
        .refresh_call(tokens.refresh(), None)
        .header("traceparent", &format!("00-{TRACE_ID}-00f067aa0ba902b7-01"))
        .send()
        .expect(200);
    wait_for("the span", Duration::from_secs(60), || collector.has(&TRACE_ID_BYTES).then_some(()));
    for text in ["POST /auth/refresh", "POST /auth/signup", "aquaware", "http.route"] {
        wait_for(text, Duration::from_secs(60), || collector.has(text.as_bytes()).then_some(()));
    }
    let json = next.json();
    let secrets = [
        tokens.access.clone(),
        Jws::read(tokens.refresh()).parts[2].clone(),
        json["refresh_token"].as_str().unwrap().to_owned(),
        person.password.clone(),
        person.email.clone(),
    ];
    for secret in &secrets {
        assert!(!collector.has(secret.as_bytes()), "{secret}");
    }
    wait_for("the log of the refresh", Duration::from_secs(20), || {
        server.log().contains(TRACE_ID).then_some(())
    });
    let log = server.stop().log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answered: Vec<Value> = lines.filter(|line| line["message"] == "answered").collect();
    let of = |route: &str| answered.iter().find(|line| line["route"] == route).unwrap().clone();
    assert_eq!(of("/auth/refresh")["trace_id"], TRACE_ID);
    let other = of("/auth/login")["trace_id"].clone();
    assert!(other.as_str().is_some_and(|id| id.len() == 32 && id != TRACE_ID), "{other}");
}

#[test]
fn a_collector_that_is_away_costs_no_request_and_no_stop_anything() {
    // Nothing accepts on this listener, so an export hangs.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [silent.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 9))] {
        let server =
            Setup::new().set("telemetry.otlp_endpoint", &format!("http://{address}")).start();
        let client = server.client();
        let start = Instant::now();
        for _ in 0..20 {
            let (_, tokens) = client.new_session();
            client.log_out(tokens.refresh()).is(204);
        }
        // Waiting for an export, which takes up to 5 s, would cost minutes.
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        let start = Instant::now();
        let _ = server.stop();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

#[test]
fn a_malformed_traceparent_is_ignored() {
    let collector = Collector::start();
    let server = Setup::new()
        .set("telemetry.otlp_endpoint", &format!("http://{}", collector.address))
        .start();
    let client = server.client();
    let person = client.new_person();
    let body = json!({ "email": person.email, "password": person.password });
    for value in ["", "00", "00-x-y-01", &format!("ff-{TRACE_ID}-00f067aa0ba902b7-01")] {
        client.post("/auth/login").header("traceparent", value).json(&body).send().is(200);
    }
    let log = server.stop().log();
    // The end of the process sends the last spans, but does not wait long for a busy collector.
    if !log.contains("the last spans were not exported") {
        wait_for("the spans", Duration::from_secs(20), || {
            collector.has(b"POST /auth/login").then_some(())
        });
    }
    assert!(!collector.has(&TRACE_ID_BYTES));
}
