//! Listing and ending sessions: the list, the deletion, the three ways to log out.

use aquaware_tests::{Client, Setup, Store, on_every_store};
use serde_json::json;

on_every_store!(
    sessions_are_listed_newest_first_with_the_current_one_marked,
    a_session_ends_from_another_one,
    nobody_ends_the_session_of_somebody_else,
);

fn sessions_are_listed_newest_first_with_the_current_one_marked(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (person, oldest) = client.new_session();
    let body = json!({
        "email": person.email, "password": person.password, "client_id": "device",
        "device_name": "kitchen tank 🐠",
    });
    let named = client.post("/auth/login").json(&body).header("user-agent", "Sketch/1.0").send();
    let newest = client.log_in(&person);
    let _ = client.new_session();

    let listed = client.sessions(&newest.access);
    let ids: Vec<_> = listed.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&newest.session, &named.text_of("session_id"), &oldest.session]);
    let current: Vec<_> = listed.iter().map(|session| session["current"].clone()).collect();
    assert_eq!(current, [true, false, false]);
    let device = &listed[1];
    assert_eq!(device["client_id"], "device");
    assert_eq!(device["device_name"], "kitchen tank 🐠");
    assert_eq!(device["ip"], "127.0.0.0/24");
    assert_eq!(device["user_agent"], "Sketch");
    for session in &listed {
        let time = |name: &str| session[name].as_str().expect("a time").to_owned();
        assert!(time("created_at") <= time("last_used_at"), "{session}");
        assert!(time("last_used_at") < time("expires_at"), "{session}");
    }
    let mut names: Vec<_> = device.as_object().unwrap().keys().collect();
    names.sort();
    let expected = [
        "client_id",
        "created_at",
        "current",
        "device_name",
        "expires_at",
        "id",
        "ip",
        "last_used_at",
        "user_agent",
    ];
    assert_eq!(names, expected);

    let renewed = client.refreshed(oldest.refresh(), None);
    let after = client.sessions(&renewed.access);
    assert_eq!(after[2]["current"], true);
    assert!(after[2]["last_used_at"].as_str() > listed[2]["last_used_at"].as_str());
}

fn a_session_ends_from_another_one(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (person, here) = client.new_session();
    let there = client.log_in(&person);
    end(&client, &there.session, &here.access).is(204);
    client.me(&there.access).is_invalid_token();
    client.refresh(there.refresh(), None).is_problem(401, "session_revoked");
    assert_eq!(client.sessions(&here.access).len(), 1);
    end(&client, &there.session, &here.access).is_problem(404, "not_found");
    client.me(&here.access).is(200);
    end(&client, &here.session, &here.access).is(204);
    client.me(&here.access).is_invalid_token();
}

fn nobody_ends_the_session_of_somebody_else(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (_, mine) = client.new_session();
    let (_, theirs) = client.new_session();
    let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
    let not_one = ["nonsense", "%00", "..%2F..", "A".repeat(3000).leak(), "%F0%9F%90%A0"];
    for id in not_one.into_iter().chain([theirs.session.as_str(), unknown]) {
        end(&client, id, &mine.access).is_problem(404, "not_found");
    }
    client.me(&theirs.access).is(200);
    let _ = client.refreshed(theirs.refresh(), None);
    client.call("DELETE", &format!("/auth/sessions/{}", theirs.session)).send().is(401);
}

#[test]
fn logging_out_works_with_either_token_repeatedly() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    client.post("/auth/logout").bearer(&tokens.access).send().is(204);
    client.me(&tokens.access).is_invalid_token();
    client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    client.post("/auth/logout").bearer(&tokens.access).send().is(204);
    client.log_out(tokens.refresh()).is(204);
}

#[test]
fn logging_out_with_a_superseded_token_ends_the_session() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, old) = client.new_session();
    let new = client.refreshed(old.refresh(), None);
    client.log_out(old.refresh()).is(204);
    client.me(&new.access).is_invalid_token();
    client.refresh(new.refresh(), None).is_problem(401, "session_revoked");
}

#[test]
fn logging_out_with_garbage_does_nothing() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for garbage in ["garbage", "a.b.c", &tokens.access, &tokens.refresh()[..200]] {
        client.log_out(garbage).is(204);
    }
    client.me(&tokens.access).is(200);
}

fn end(client: &Client, id: &str, access: &str) -> aquaware_tests::Response {
    client.call("DELETE", &format!("/auth/sessions/{id}")).bearer(access).send()
}
