//! Events: lines with the target `aquaware::event`, at every log level.

use std::time::Duration;

use aquaware_tests::{Jws, Person, Setup, wait_for};
use serde_json::{Value, json};

/// All events in the log so far.
fn events(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "aquaware::event").collect()
}

#[track_caller]
fn has(events: &[Value], expected: &Value) {
    let fields = expected.as_object().unwrap();
    let matches = |event: &&Value| fields.iter().all(|(name, value)| event[name] == *value);
    let found = events.iter().filter(matches).count();
    assert_eq!(found, 1, "{expected} in {events:#?}");
}

fn ids(access: &str) -> (Value, Value) {
    let claims = Jws::read(access).claims;
    (claims["sub"].clone(), claims["sid"].clone())
}

#[test]
fn events_are_logged_at_every_level_and_carry_ids() {
    for level in ["info", "error", "off"] {
        let server = Setup::new()
            .set("log.format", "json")
            .set("log.level", level)
            .set("clients.web.retry_window", "0s")
            .set("limits.failed_logins_per_account", "2/15m")
            .start();
        let client = server.client();
        let (person, first) = client.new_session();
        let (account, session) = ids(&first.access);
        let second = client.refreshed(first.refresh(), None);
        client.refresh(first.refresh(), None).is(401);
        client.refresh(second.refresh(), None).is(401);
        let last = client.log_in(&person);
        let new = Person::new().password;
        let change = json!({ "current_password": person.password, "new_password": new });
        client.post("/auth/password").bearer(&last.access).json(&change).send().is(204);
        for _ in 0..3 {
            let _ = client.try_log_in(&person.email, "a wrong password");
        }
        let log = server.stop().log();
        let events = events(&log);
        let of = |event: &str, more: Value| {
            let mut expected = json!({ "event": event });
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            has(&events, &expected);
        };
        of("account_created", json!({ "account_id": account }));
        of(
            "login_succeeded",
            json!({ "account_id": account, "session_id": session, "client_id": "web" }),
        );
        of(
            "refresh_token_reused",
            json!({ "account_id": account, "session_id": session, "client_id": "web" }),
        );
        of(
            "session_ended",
            json!({
                "account_id": account, "session_id": session, "client_id": "web", "reason": "reuse",
            }),
        );
        of("password_changed", json!({ "account_id": account }));
        of("account_locked", json!({ "account_id": account, "reason": "failed_logins" }));
        of("login_failed", json!({ "client_id": "web", "reason": "account_locked" }));
        for event in &events {
            let flat = event.as_object().unwrap().values();
            assert!(flat.clone().all(|value| !value.is_object() && !value.is_array()), "{event}");
        }
        assert!(!log.contains(&person.email), "{log}");
    }
}

#[test]
fn a_rotation_is_an_event_of_every_server_that_follows() {
    let setup = Setup::new().set("log.format", "json").set("log.level", "warn");
    let server = setup.clone().start();
    setup.run(&["keys", "rotate", "--type", "access"]).is(0);
    wait_for("the event", Duration::from_secs(30), || {
        (!events(&server.log()).is_empty()).then_some(())
    });
    let events = events(&server.stop().log());
    has(&events, &json!({ "event": "key_rotated", "token_type": "access" }));
    assert_eq!(events.len(), 1, "{events:#?}");
}

#[test]
fn a_repeat_from_elsewhere_is_an_event_without_addresses() {
    for (record, expected) in [("masked", 1), ("full", 1), ("none", 0)] {
        let server = Setup::new()
            .set("log.format", "json")
            .set("log.level", "warn")
            .set("sessions.record", record)
            .set("listen.trusted_proxies", "127.0.0.1")
            .start();
        let client = server.client();
        let (_, tokens) = client.new_session();
        let present = |address: &str| {
            let call = client.refresh_call(tokens.refresh(), Some("0123456789abcdef"));
            call.header("x-forwarded-for", address).send().is(200);
        };
        present("203.0.113.7");
        present("203.0.113.7");
        present("198.51.100.9");
        let (account, session) = ids(&tokens.access);
        let log = server.stop().log();
        let found: Vec<Value> = events(&log)
            .into_iter()
            .filter(|event| event["event"] == "refresh_repeated_elsewhere")
            .collect();
        assert_eq!(found.len(), expected, "{record}: {found:?}");
        for event in found {
            assert_eq!(event["level"], "warn", "{event}");
            assert_eq!((&event["account_id"], &event["session_id"]), (&account, &session));
            assert_eq!(event["client_id"], "web");
            assert_eq!(event["first_network"], "203.0.113.0/24");
            assert_eq!(event["repeat_network"], "198.51.100.0/24");
        }
        assert!(!log.contains(tokens.refresh()) && !log.contains("198.51.100.9"), "{log}");
    }
}

#[test]
fn commands_write_their_events_to_standard_error() {
    let setup = Setup::new().migrated().set("log.level", "off");
    let server = setup.clone().start();
    let (person, tokens) = server.client().new_session();
    let (account, session) = ids(&tokens.access);
    let revoked = setup.run(&["sessions", "revoke", tokens.session.as_str(), "--json"]);
    assert_eq!(revoked.json()["was_live"], true);
    let ended = json!({ "event": "session_ended", "session_id": session, "reason": "revoked" });
    has(&events(&revoked.stderr), &ended);
    let disabled = setup.run(&["accounts", "disable", &person.email]);
    disabled.is(0);
    let expected = json!({ "event": "account_disabled", "account_id": account });
    has(&events(&disabled.stderr), &expected);
    let deleted = setup.run(&["accounts", "delete", &person.email, "--yes"]);
    deleted.is(0);
    has(&events(&deleted.stderr), &json!({ "event": "account_deleted", "account_id": account }));
    assert!(!format!("{deleted:?}{disabled:?}").contains("password"), "{deleted:?}");
    assert!(events(&server.stop().log()).iter().all(|event| event["event"] != "account_deleted"));
}
