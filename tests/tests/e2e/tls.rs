//! TLS on the public listener, and certificates that are renewed while the server runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aquaware_tests::{Server, Setup, wait_for};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Certificate = rcgen::CertifiedKey<rcgen::KeyPair>;

fn certificate() -> Certificate {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn write(made: &Certificate, certificate: &Path, key: &Path) {
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
}

/// The first bytes of a response over TLS, to a client that trusts this certificate alone.
fn fetch(address: SocketAddr, trusted: &Certificate) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}

fn uses(server: &Server, trusted: &Certificate, other: &Certificate) -> bool {
    fetch(server.public(), trusted).is_ok_and(|start| start == "HTTP/1.1 200")
        && fetch(server.public(), other).is_err()
}

#[test]
fn a_renewed_certificate_is_used_after_a_reload_and_an_invalid_one_changes_nothing() {
    let (first, second) = (certificate(), certificate());
    let setup = Setup::new()
        .set("listen.tls.certificate", "certificate.pem")
        .set("listen.tls.private_key", "key.pem");
    let (file, key) = (setup.file("certificate.pem"), setup.file("key.pem"));
    write(&first, &file, &key);
    let server = setup.start();
    assert!(uses(&server, &first, &second));

    write(&second, &file, &key);
    server.ask_to_reload();
    wait_for("the new certificate", Duration::from_secs(60), || {
        uses(&server, &second, &first).then_some(())
    });

    std::fs::write(&key, "no key").unwrap();
    server.ask_to_reload();
    wait_for("the failed reload", Duration::from_secs(60), || {
        server.log().contains("reload failed").then_some(())
    });
    assert!(uses(&server, &second, &first));
}

#[test]
fn a_renewed_certificate_is_noticed_without_a_signal() {
    let (first, second) = (certificate(), certificate());
    let setup = Setup::new()
        .set("listen.tls.certificate", "certificate.pem")
        .set("listen.tls.private_key", "key.pem");
    let (file, key) = (setup.file("certificate.pem"), setup.file("key.pem"));
    write(&first, &file, &key);
    let server = setup.start();
    write(&second, &file, &key);
    wait_for("the new certificate", Duration::from_secs(60), || {
        uses(&server, &second, &first).then_some(())
    });
}
