//! `aquaware doctor`: what an operator has to do, the most urgent first.

use aquaware_tests::{Finished, Setup};
use serde_json::Value;

fn findings(finished: &Finished) -> Vec<Value> {
    let printed = finished.printed_json();
    let findings = printed["findings"].as_array().unwrap().clone();
    let urgent = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(printed["ok"], !urgent);
    finished.is(i32::from(urgent));
    findings
}

/// The severity of the finding about this with this text.
#[track_caller]
fn severity<'a>(findings: &'a [Value], about: &str, text: &str) -> &'a str {
    let is = |finding: &&Value| {
        let is_in = |name: &str, part| finding[name].as_str().unwrap().contains(part);
        is_in("about", about) && is_in("text", text)
    };
    let found = findings.iter().find(is);
    found.unwrap_or_else(|| panic!("{about}, {text}: {findings:#?}"))["severity"].as_str().unwrap()
}

fn doctor(setup: &Setup) -> Finished {
    setup.run(&["doctor", "--json"])
}

#[test]
fn a_running_server_has_nothing_urgent_and_the_secrets_are_not_shown() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let setup = Setup::new()
        .set("issuer", "https://login.aquarium.example/shop")
        // No program listens on this port.
        .set("webhook.url", "http://127.0.0.1:1/secret-path")
        .set("webhook.secret", secret);
    let server = setup.clone().start();
    let setup = setup
        .set("listen.public", &server.public().to_string())
        .set("listen.management", &server.management().to_string());
    let found = findings(&doctor(&setup));
    assert_eq!(severity(&found, "store.sessions", "writable"), "ok");
    assert_eq!(severity(&found, "keys.directory", "signs access tokens with EdDSA"), "ok");
    assert_eq!(severity(&found, "keys.directory", "the next rotation is due in"), "ok");
    assert_eq!(severity(&found, "listen.public", "a server answers"), "ok");
    assert_eq!(severity(&found, "listen.management", "a server is ready"), "ok");
    // Nothing listens there, and that is the only thing to do.
    assert_eq!(severity(&found, "webhook.url", "no connection"), "error");
    assert_eq!(found[0]["about"], "webhook.url", "the most urgent comes first");
    let text = setup.run(&["doctor"]);
    text.is(1);
    assert!(text.stdout.ends_with("\n") && text.stdout.starts_with("error"), "{text:?}");
    assert!(text.stdout.contains("to do now: 1"), "{text:?}");
    assert!(!text.stdout.contains("secret-path") && !text.stdout.contains(secret), "{text:?}");
}

#[test]
fn what_is_missing_is_named_with_its_remedy_and_nothing_is_created() {
    let setup = Setup::new();
    let before = std::fs::read_dir(setup.path()).unwrap().count();
    let found = findings(&doctor(&setup));
    assert_eq!(severity(&found, "store.sessions", "aquaware store migrate"), "error");
    assert_eq!(severity(&found, "keys.directory", "no keys"), "warning");
    assert_eq!(std::fs::read_dir(setup.path()).unwrap().count(), before);

    let invalid = setup.set("store.timeout", "5").run(&["doctor"]);
    invalid.is(1);
    assert!(invalid.stdout.contains("store.timeout"), "{invalid:?}");
}

#[test]
fn addresses_that_other_programs_use_and_keys_that_are_old_are_urgent() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answers = std::thread::spawn(move || drop(other.accept()));
    let setup = Setup::new().migrated();
    drop(setup.clone().start());
    let late = setup.set("listen.management", &address).at_clock("+95d");
    let found = findings(&doctor(&late));
    assert_eq!(severity(&found, "listen.management", "another program"), "error");
    assert_eq!(severity(&found, "keys.directory", "is 5 days overdue"), "error");
    answers.join().unwrap();
}
