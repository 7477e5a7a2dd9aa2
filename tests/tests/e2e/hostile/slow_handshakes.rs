//! Peers that begin a TLS handshake and do not finish it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup};

use super::{costs_nothing, is_closed_within, open};

/// How long a handshake may take.
const IDLE: Duration = Duration::from_secs(10);

/// The beginning of a ClientHello: a record that announces 512 bytes.
const HALF_A_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00];

#[test]
fn half_a_handshake_costs_nothing_and_is_closed_in_time() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = Setup::new()
        .with_file("certificate.pem", &made.cert.pem())
        .with_file("key.pem", &made.signing_key.serialize_pem())
        .set("listen.tls.certificate", "certificate.pem")
        .set("listen.tls.private_key", "key.pem")
        .set("listen.idle_timeout", "10s")
        .start();
    let start = Instant::now();
    let mut streams = open(server.public(), 100, |mut stream| {
        stream.write_all(HALF_A_HELLO).unwrap();
    });
    costs_nothing(&server, IDLE * 3 / 4);
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
    for stream in &mut streams {
        assert!(is_closed_within(stream, IDLE * 3), "half a handshake is kept");
    }
    assert!(start.elapsed() >= IDLE, "{:?}", start.elapsed());
    let _ = server.stop();
}
