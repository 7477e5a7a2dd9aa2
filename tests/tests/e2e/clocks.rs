//! Servers with a wrong clock.

use std::time::Duration;

use aquaware_tests::{Client, Setup, wait_for};

#[test]
fn a_start_with_a_clock_far_ahead_deletes_nothing_and_keeps_everyone_logged_in() {
    let server = Setup::new().start();
    let (_, tokens) = server.client().new_session();
    let files = |directory: std::path::PathBuf| {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let keys = files(server.file("keys"));
    let setup = server.stop().setup();
    let ahead = setup.clone().at_clock("+45d").start();
    // Longer than the first round of maintenance takes.
    std::thread::park_timeout(Duration::from_secs(2));
    ahead.client().refresh(tokens.refresh(), None).is(401);
    let _ = ahead.stop();
    let server = setup.at_clock("+0").start();
    let after = files(server.file("keys"));
    assert!(keys.iter().all(|key| after.contains(key)), "{keys:?} became {after:?}");
    let renewed = server.client().refreshed(tokens.refresh(), None);
    server.client().me(&renewed.access).is(200);
}

#[test]
fn while_the_clock_is_before_the_creation_of_its_keys_a_server_signs_nothing_and_says_so() {
    let server = Setup::new().start();
    let (person, tokens) = server.client().new_session();
    let setup = server.stop().setup();
    let behind = setup.clone().at_clock("-3d").start_unready();
    let client = behind.client();
    for response in
        [client.try_log_in(&person.email, &person.password), client.refresh(tokens.refresh(), None)]
    {
        response.is_problem(503, "clock_unreliable");
        assert!(response.header("retry-after").is_some(), "{}", response.describe());
    }
    let ready = Client::of(behind.management()).get("/health/ready").send();
    ready.is(503);
    assert!(ready.text().contains("clock"), "{}", ready.describe());
    wait_for("the log to name the clock", Duration::from_secs(30), || {
        behind.log().contains("clock").then_some(())
    });
    let _ = behind.stop();
    // The refused refresh has used nothing up.
    let server = setup.at_clock("+0").start();
    let _ = server.client().refreshed(tokens.refresh(), None);
}

#[test]
fn a_refresh_with_a_clock_that_lags_does_not_shorten_the_session() {
    let server = Setup::new().start();
    let (_, tokens) = server.client().new_session();
    let setup = server.stop().setup();
    // Less than a day: the server still signs.
    let behind = setup.clone().at_clock("-20h").start();
    let listed = |client: &Client, access: &str| client.sessions(access)[0]["expires_at"].clone();
    let lagging = behind.client().refreshed(tokens.refresh(), Some("0123456789abcdef"));
    let _ = behind.stop();
    let server = setup.at_clock("+0").start();
    let renewed = server.client().refreshed(lagging.refresh(), None);
    assert!(listed(&server.client(), &renewed.access).is_string());
}
