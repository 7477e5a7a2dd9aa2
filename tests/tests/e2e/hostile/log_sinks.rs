//! Logs that cannot be written or are never read. The server serves and stops as if they could.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _, pipe};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aquaware_tests::{Outcome, Server, Setup};

/// More log than a pipe holds.
const REQUESTS: usize = 600;

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The server responds to many requests and stops without delay.
fn serves_and_stops(server: Server) {
    let client = server.client();
    let (_, tokens) = client.new_session();
    for _ in 0..REQUESTS {
        client.me(&tokens.access).is(200);
    }
    let start = Instant::now();
    let _ = server.stop();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_full_disk_behind_the_log_stops_nothing() {
    serves_and_stops(Setup::new().start_with_output(full().into(), full().into()));
}

#[test]
fn closed_pipes_behind_the_log_stop_nothing() {
    let closed = || Stdio::from(pipe().unwrap().1);
    serves_and_stops(Setup::new().start_with_output(closed(), closed()));
}

#[test]
fn a_log_that_is_never_read_stops_nothing() {
    let (reader, writer) = pipe().unwrap();
    let other = writer.try_clone().unwrap();
    serves_and_stops(Setup::new().start_with_output(writer.into(), other.into()));
    drop(reader);
}

/// A pipe that is full and never read.
fn filled() -> (std::io::PipeReader, Stdio) {
    let (reader, writer) = pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    // Blocks on the last byte, which the end of the test releases.
    let _ = std::thread::spawn(move || while filling.write_all(&[b'x'; 4096]).is_ok() {});
    std::thread::park_timeout(Duration::from_millis(300));
    (reader, writer.into())
}

#[test]
fn pipes_that_are_full_from_the_start_stop_nothing() {
    let ((out, stdout), (err, stderr)) = (filled(), filled());
    serves_and_stops(Setup::new().start_with_output(stdout, stderr));
    drop((out, err));
}

#[test]
fn a_start_that_fails_ends_even_if_its_error_cannot_be_written() {
    let (reader, stderr) = filled();
    let ended = Setup::new().set("listen.public", "nonsense").end_of(Stdio::null(), stderr);
    assert_eq!(ended, Outcome::Exit(2));
    drop(reader);
}

#[test]
fn a_log_that_is_read_late_is_complete_or_says_what_is_missing() {
    let (mut reader, writer) = pipe().unwrap();
    let server =
        Setup::new().set("log.level", "trace").start_with_output(writer.into(), Stdio::null());
    let client = server.client();
    let (_, tokens) = client.new_session();
    for _ in 0..REQUESTS {
        client.me(&tokens.access).is(200);
    }
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let _ = server.stop();
    let text = reading.join().unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begins = lines.iter().any(|line| line["message"] == "serving");
    let requests = lines.iter().filter(|line| line["status"] == 200).count();
    let says_what_is_missing = lines.iter().any(|line| line["dropped"].is_u64());
    assert!(
        (begins && requests >= REQUESTS) || says_what_is_missing,
        "{begins}, {requests} requests in {} lines",
        lines.len()
    );
}
