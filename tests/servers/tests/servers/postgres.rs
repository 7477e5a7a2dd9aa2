//! PostgreSQL. The tests use a client of a few lines, since no client
//! program needs to be installed. It connects far enough to show whether the database exists.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquaware_servers::{Durability, Postgres, PostgresOptions};

use crate::certificate;
use crate::traces::{assert_nothing_is_left, processes_in};

/// The first message of the server to a client: `R10` requests a password by SCRAM.
fn greeting(postgres: &Postgres) -> String {
    let mut stream = connection(postgres);
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    format!("{}{}", char::from(answer[0]), answer[8])
}

/// A connection that waits for its password.
fn connection(postgres: &Postgres) -> TcpStream {
    let mut stream = TcpStream::connect(postgres.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let parameters = b"user\0aquaware\0database\0aquaware\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &[0, 3, 0, 0], parameters].concat()).unwrap();
    stream
}

#[test]
fn it_can_be_stopped_killed_and_restarted_on_the_same_data_and_port() {
    let mut postgres = Postgres::start(PostgresOptions::default()).unwrap();
    let (address, directory) = (postgres.address(), postgres.directory().to_owned());
    let expected = format!("postgres://aquaware:{}@{address}/aquaware", postgres.password());
    assert_eq!(postgres.url(), expected);
    assert_eq!(greeting(&postgres), "R10");

    for stop in [Postgres::stop_immediate, Postgres::kill, Postgres::stop] {
        let held = connection(&postgres);
        stop(&mut postgres).unwrap();
        assert!(TcpStream::connect(address).is_err());
        drop(held);
        postgres.restart().unwrap();
        assert_eq!(postgres.address(), address);
        assert_eq!(greeting(&postgres), "R10");
    }
    let log = std::fs::read_to_string(directory.join("log")).unwrap();
    assert_eq!(log.matches("database system was not properly shut down").count(), 2, "{log}");
    assert!(log.contains("received immediate shutdown request"), "{log}");
    drop(postgres);
    assert_nothing_is_left(&directory);
}

#[test]
fn a_paused_server_does_not_respond_until_it_is_resumed() {
    // It gives its children five seconds to end. A machine that is busy may take seconds too, but
    // not every time.
    let quick = (0..3).any(|_| time_to_end_after_a_pause() < Duration::from_secs(4));
    assert!(quick);
}

fn time_to_end_after_a_pause() -> Duration {
    let mut postgres = Postgres::start(PostgresOptions::default()).unwrap();
    let directory = postgres.directory().to_owned();
    postgres.pause().unwrap();
    let mut paused = connection(&postgres);
    paused.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(paused.read_exact(&mut [0]).is_err());
    postgres.resume().unwrap();
    assert_eq!(greeting(&postgres), "R10");
    postgres.pause().unwrap();
    let start = Instant::now();
    drop(postgres);
    let taken = start.elapsed();
    assert_nothing_is_left(&directory);
    taken
}

#[test]
fn changed_settings_apply_from_the_next_start() {
    let settings = vec![("log_connections".to_owned(), "on".to_owned())];
    let mut postgres = Postgres::start(PostgresOptions { settings, ..Default::default() }).unwrap();
    let server = |postgres: &Postgres| {
        let all = processes_in(postgres.directory());
        let id = format!("{} ", postgres.id().unwrap());
        all.into_iter().find(|line| line.starts_with(&id)).unwrap()
    };
    assert!(postgres.log().contains("connection received"), "{}", postgres.log());
    assert!(!server(&postgres).contains("read_only"));
    postgres.set("default_transaction_read_only", "on");
    postgres.stop().unwrap();
    postgres.restart().unwrap();
    assert!(server(&postgres).contains("-c default_transaction_read_only=on"));
}

#[test]
fn an_invalid_setting_is_an_error_with_the_log() {
    let settings = vec![("no_such_setting".to_owned(), "on".to_owned())];
    let options = PostgresOptions { settings, ..PostgresOptions::default() };
    let error = Postgres::start(options).unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn with_a_certificate_it_offers_tls() {
    for (tls, offered) in [(Some(certificate()), b"S"), (None, b"N")] {
        let durability = Durability::Fast;
        let options = PostgresOptions { tls, durability, ..PostgresOptions::default() };
        let postgres = Postgres::start(options).unwrap();
        let mut stream = TcpStream::connect(postgres.address()).unwrap();
        // SSLRequest.
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, offered);
    }
}
