//! Every kind of server, started, disturbed, and removed without a trace.
#![allow(clippy::unwrap_used, reason = "what goes wrong here is a test that fails")]

mod mariadb;
mod postgres;
mod redis;
mod sentinel_and_cluster;
mod traces;

use aquaware_servers::Tls;

/// A certificate for the loopback.
fn certificate() -> Tls {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    Tls { certificate: made.cert.pem(), private_key: made.signing_key.serialize_pem() }
}
