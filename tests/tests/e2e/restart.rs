//! Stopping, restarting, and restoring an older copy of a store.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aquaware_tests::{Client, Jws, Server, Setup, Stopped, retry_key, wait_for};
use serde_json::json;

#[test]
fn a_second_start_keeps_accounts_sessions_and_keys() {
    let server = Setup::new().start();
    let (person, tokens) = server.client().new_session();
    let keys = server.client().get("/.well-known/jwks.json").send().text().to_owned();

    let server = server.stop().start();
    let client = server.client();
    assert_eq!(client.get("/.well-known/jwks.json").send().text(), keys);
    client.me(&tokens.access).is(200);
    let next = client.refreshed(tokens.refresh(), None);
    assert_eq!(next.session, tokens.session);
    let again = client.log_in(&person);
    let kid = |token: &str| Jws::read(token).header["kid"].clone();
    assert_eq!(kid(&again.access), kid(&tokens.access));
    assert_eq!(kid(again.refresh()), kid(tokens.refresh()));
    assert_eq!(client.sessions(&again.access).len(), 2);
}

#[test]
fn the_memory_store_loses_sessions_and_reports_unknown_tokens() {
    let server = Setup::on(aquaware_tests::Store::MEMORY).start();
    let (person, tokens) = server.client().new_session();
    let server = server.stop().start();
    let client = server.client();
    client.me(&tokens.access).is_invalid_token();
    client.refresh(tokens.refresh(), None).is_problem(401, "invalid_refresh_token");
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
}

#[test]
fn restoring_an_older_copy_of_the_store_logs_no_client_out() {
    let setup = Setup::new().set("clients.web.retry_window", "0s");
    let server = setup.start();
    let client = server.client();
    let sessions: Vec<_> = (0..3).map(|_| client.new_session().1).collect();
    let copied: Vec<_> =
        sessions.iter().map(|tokens| client.refreshed(tokens.refresh(), None)).collect();
    let device = client.log_in_as(&client.new_person(), "device");

    let stopped = server.stop();
    let copy = copy_of_store(&stopped);
    let server = stopped.start();
    let client = server.client();
    let ahead: Vec<_> = copied
        .iter()
        .enumerate()
        .map(|(place, tokens)| {
            let mut history = vec![tokens.clone()];
            for _ in 0..place + 2 {
                let next = client.refreshed(history.last().unwrap().refresh(), Some(&retry_key()));
                history.push(next);
            }
            history
        })
        .collect();
    let (_, newcomer) = client.new_session();

    let stopped = server.stop();
    put_back(&stopped, &copy);
    let server = stopped.start();
    let client = server.client();
    for history in &ahead {
        let [.., before, last] = history.as_slice() else { panic!("there is a history") };
        let key = retry_key();
        let next = client.refreshed(last.refresh(), Some(&key));
        assert_eq!(next.session, last.session);
        assert_eq!(next.generation(), last.generation() + 1);
        client.me(&next.access).is(200);
        assert_eq!(client.refreshed(last.refresh(), Some(&key)).refresh, next.refresh);
        let after = client.refreshed(next.refresh(), None);
        // From here on the usual rules apply again.
        client.refresh(before.refresh(), None).is_problem(401, "refresh_token_reused");
        client.refresh(after.refresh(), None).is_problem(401, "session_revoked");
    }
    let _ = client.refreshed(device.refresh(), None);
    // Sessions opened after the copy was made are unknown.
    client.refresh(newcomer.refresh(), None).is_problem(401, "invalid_refresh_token");
    client.me(&newcomer.access).is_invalid_token();
}

type Copy = Vec<(String, Vec<u8>)>;

fn files_of_store(stopped: &Stopped) -> Vec<String> {
    let names = fs::read_dir(stopped.file("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("aquaware.db")).collect()
}

fn copy_of_store(stopped: &Stopped) -> Copy {
    let read = |name: String| (name.clone(), fs::read(stopped.file(&name)).unwrap());
    files_of_store(stopped).into_iter().map(read).collect()
}

fn put_back(stopped: &Stopped, copy: &Copy) {
    for name in files_of_store(stopped) {
        fs::remove_file(stopped.file(&name)).unwrap();
    }
    for (name, bytes) in copy {
        let path = stopped.file(name);
        fs::write(&path, bytes).unwrap();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, owner_only).unwrap();
    }
}

/// How often an account was looked up so far.
fn lookups(server: &Server) -> u64 {
    let metrics = Client::of(server.management()).get("/metrics").send();
    let is_one = |line: &&str| {
        line.starts_with("aquaware_store_operations_total") && line.contains("store=\"accounts\"")
    };
    let lines = metrics.text().lines().filter(is_one);
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn requests_in_flight_are_answered_before_the_server_stops() {
    let server = Setup::new()
        .set("accounts.argon2.memory_kib", "65536")
        .set("accounts.argon2.iterations", "12")
        .start();
    let person = server.client().new_person();
    let body = json!({ "email": person.email, "password": person.password }).to_string();
    let request = format!(
        "POST /auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.public()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // On a connection that the server has already accepted.
    stream.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0; 8192]).unwrap() > 0);
    let before = lookups(&server);
    stream.write_all(request.as_bytes()).unwrap();
    // It was read and its account was looked up, but its password is still being hashed.
    wait_for("the request to be read", Duration::from_secs(20), || {
        (lookups(&server) > before).then_some(())
    });
    server.ask_to_stop();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.contains("HTTP/1.1 200"), "{response}");
    assert!(response.contains("\"access_token\""), "{response}");
    let address = server.public();
    wait_for("the end of listening", Duration::from_secs(30), || {
        TcpStream::connect(address).is_err().then_some(())
    });
    let _ = server.stop();
}

#[test]
fn idle_connections_do_not_delay_the_shutdown() {
    let server = Setup::new().start();
    let mut idle = TcpStream::connect(server.public()).unwrap();
    idle.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut buffer = [0; 64];
    assert!(idle.read(&mut buffer).unwrap() > 0);
    let started = std::time::Instant::now();
    let _ = server.stop();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn sigint_stops_the_server_too() {
    let server = Setup::new().start();
    let (_, tokens) = server.client().new_session();
    let server = server.interrupt().start();
    server.client().me(&tokens.access).is(200);
}

#[test]
fn sighup_reloads_the_client_profiles_and_keeps_them_after_a_mistake() {
    let profile = |lifetime: &str| format!("[clients.web]\naccess_lifetime = \"{lifetime}\"\n");
    let server = Setup::new().with_file("aquaware.toml", &profile("7m")).start();
    let client = server.client();
    let (person, first) = client.new_session();
    assert_eq!(first.body["expires_in"], 420);
    let reload = |text: &str, seconds: u64| {
        fs::write(server.file("aquaware.toml"), text).unwrap();
        server.ask_to_reload();
        wait_for("the new profile", Duration::from_secs(20), || {
            (client.log_in(&person).body["expires_in"] == seconds).then_some(())
        });
    };
    reload(&profile("9m"), 540);
    fs::write(server.file("aquaware.toml"), profile("soon")).unwrap();
    server.ask_to_reload();
    wait_for("a word about the mistake", Duration::from_secs(20), || {
        server.log().contains("access_lifetime").then_some(())
    });
    assert_eq!(client.log_in(&person).body["expires_in"], 540);
    reload(&profile("11m"), 660);
    client.me(&first.access).is(200);
    let _ = client.refreshed(first.refresh(), None);
}
