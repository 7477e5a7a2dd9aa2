//! Floods of client secrets, which cost a password hash each unless they are limited.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aquaware_tests::Setup;

use super::raise_descriptor_limit;

/// Connections of the flood.
const CONNECTIONS: usize = 320;
/// Threads that serve them.
const THREADS: usize = 8;

/// The lowest parameters that OWASP recommends; the secret is not known here.
const CLIENTS: &str = r#"
[clients.shop]
secret_hash = "$argon2id$v=19$m=19456,t=2,p=1$GAAAAaa/w+h0qVoKkjKtPg$Z9GWvmPyj8qo0XSSNPiPVwrXlZyNWQ3Y0Oxp7l5MyNQ"
grants = ["client_credentials"]
"#;

/// Sends guesses on many connections until `stopped`; returns how many were answered.
fn flood(address: SocketAddr, client: &str, stopped: &AtomicBool, begun: &AtomicUsize) -> usize {
    raise_descriptor_limit();
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS / THREADS)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream
        })
        .collect();
    let mut answered = 0;
    for guess in 0_usize.. {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        let body = format!("token=x&client_id={client}&client_secret=wrong{guess}");
        let request = format!(
            "POST /oauth2/introspect HTTP/1.1\r\nHost: x\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        for stream in &mut streams {
            let _ = stream.write_all(request.as_bytes());
        }
        for stream in &mut streams {
            answered += usize::from(matches!(stream.read(&mut [0; 4096]), Ok(1..)));
        }
        begun.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

#[test]
fn floods_of_client_secrets_do_not_keep_anyone_from_logging_in() {
    let server = Setup::new()
        .with_file("aquaware.toml", CLIENTS)
        .unset("limits.failed_clients_per_address")
        .set("accounts.argon2.memory_kib", "19456")
        .set("accounts.argon2.iterations", "2")
        .set("log.level", "off")
        .start();
    let (client, address) = (server.client(), server.public());
    let person = client.new_person();
    for guessed in ["nobody", "shop"] {
        let (stopped, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let floods: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| flood(address, guessed, &stopped, &begun)))
                .collect();
            while begun.load(Ordering::Relaxed) < THREADS {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let logins: Vec<u16> = (0..10)
                .map(|_| client.try_log_in(&person.email, &person.password).status)
                .collect();
            stopped.store(true, Ordering::Relaxed);
            let answered: usize = floods.into_iter().map(|flood| flood.join().unwrap()).sum();
            assert_eq!(logins, [200; 10], "during a flood for {guessed}");
            assert!(answered >= CONNECTIONS, "{answered} guesses were answered");
        });
    }
}
