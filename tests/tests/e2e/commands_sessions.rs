//! `aquaware sessions`: listing and ending sessions while a server is running.

use aquaware_tests::{Outcome, Setup};
use serde_json::Value;

#[test]
fn sessions_are_listed_newest_first() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, first) = client.new_session();
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
