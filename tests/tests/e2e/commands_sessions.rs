//! `aquaware sessions`: listing and ending sessions while a server is running.

use std::time::Duration;

use aquaware_tests::{Outcome, Setup, pause};
use serde_json::Value;

#[test]
fn sessions_are_listed_newest_first() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, first) = client.new_session();
    // Sessions of one millisecond are in the order of their ids.
    pause(Duration::from_millis(2));
    let second = client.log_in(&person);
    let _ = client.new_session();
    let list = ["sessions", "list", "--account", person.email.as_str()];
    let json = setup.run(&[&list[..], &["--json"]].concat()).json();
    let sessions = json["sessions"].as_array().unwrap();
    let ids: Vec<&str> = sessions.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&second.session, &first.session]);
    for name in ["created_at", "last_used_at", "expires_at"] {
        assert!(sessions[0][name].as_str().unwrap().ends_with('Z'), "{}", sessions[0]);
    }
    assert_eq!(sessions[0]["client_id"], "web");
    let text = setup.run(&list);
    text.is(0);
    assert!(text.stdout.contains(&first.session) && text.stdout.contains("web"), "{text:?}");
}

#[test]
fn only_the_revoked_session_ends_immediately() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, gone) = client.new_session();
    let stays = client.log_in(&person);
    let revoke = ["sessions", "revoke", gone.session.as_str(), "--json"];
    assert_eq!(setup.run(&revoke).json()["was_live"], true);
    client.me(&gone.access).is_invalid_token();
    client.refresh(gone.refresh(), None).is_problem(401, "session_revoked");
    client.me(&stays.access).is(200);
    assert_eq!(setup.run(&revoke).json()["was_live"], false);
    let list = ["sessions", "list", "--account", person.email.as_str(), "--json"];
    assert_eq!(setup.run(&list).json()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn unknown_sessions_are_reported() {
    let setup = Setup::new().migrated();
    let nobody = setup.run(&["sessions", "list", "--account", "nobody@example.com"]);
    nobody.is_rejected(1, "there is no account");
    setup.run(&["sessions", "list"]).is_rejected(2, "--account");
    // An id may begin with a dash, which clap must not interpret as an option.
    for unknown in ["AAAAAAAAAAAAAAAAAAAAAA", "-AAAAAAAAAAAAAAAAAAAAA", "-hAAAAAAAAAAAAAAAAAAAA"] {
        setup.run(&["sessions", "revoke", unknown]).is_rejected(1, unknown);
    }
    setup.run(&["sessions", "revoke", "nonsense"]).is_rejected(2, "session id");
    let told = setup.run(&["sessions", "revoke", "AAAAAAAAAAAAAAAAAAAAAA", "--json"]);
    let error: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((told.outcome, &error["ok"]), (Outcome::Exit(1), &Value::Bool(false)));
}

#[test]
fn the_sessions_of_an_account_and_all_sessions_are_revoked() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (ann, first) = client.new_session();
    let second = client.log_in_as(&ann, "device");
    let (bob, other) = client.new_session();
    let revoke = |arguments: &[&str]| setup.run(&[&["sessions", "revoke"], arguments].concat());

    let told = revoke(&["--account", &ann.email]);
    told.is(0);
    assert!(told.stdout.contains("ended 2 sessions of"), "{}", told.stdout);
    for tokens in [&first, &second] {
        client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    }
    client.me(&other.access).is(200);
    assert_eq!(revoke(&["--account", &ann.email, "--json"]).json()["revoked"], 0);

    let again = client.log_in(&ann);
    revoke(&["--all"]).is_rejected(2, "--yes");
    client.me(&again.access).is(200);
    let json = revoke(&["--all", "--yes", "--json"]).json();
    assert_eq!((&json["accounts"], &json["revoked"]), (&2.into(), &2.into()), "{json}");
    for tokens in [&again, &other] {
        client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
        client.me(&tokens.access).is_invalid_token();
    }
    client.me(&client.log_in(&bob).access).is(200);

    revoke(&["--account", "nobody@example.com"]).is_rejected(1, "nobody@example.com");
    for wrong in [&[][..], &["--all", "--account", &ann.email], &[&again.session, "--all"]] {
        revoke(wrong).is(2);
    }
}
