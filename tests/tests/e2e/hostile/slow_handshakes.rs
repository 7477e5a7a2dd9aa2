//! Peers that begin a TLS handshake and do not finish it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use aquaware_tests::{Client, Setup};

use super::{IDLE, is_closed_within, open, processor_share};

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
        .set("listen.idle_timeout", "2s")
        .start();
    let start = Instant::now();
    let mut streams = open(server.public(), 100, |mut stream| {
        stream.write_all(HALF_A_HELLO).unwrap();
    });
    let share = processor_share(&server, IDLE / 2);
    assert!(share < 0.05, "{share} of a core for half handshakes");
    Client::without_pool(server.management()).get("/health/ready").send().is(200);
    for stream in &mut streams {
        assert!(is_closed_within(stream, IDLE * 4), "half a handshake is kept");
    }
    assert!(start.elapsed() >= IDLE / 2 && start.elapsed() < Duration::from_secs(20));
    let _ = server.stop();
}
