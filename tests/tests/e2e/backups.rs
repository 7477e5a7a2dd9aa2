//! What a restored backup revives, and which commands close that, on each store.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aquaware_tests::{
    Client, Database, Person, Receiver, Response, Setup, Store, Tokens, wait_for,
};
use serde_json::json;

use crate::commands_keys::{keys, kid};

#[test]
fn what_a_restore_revives_can_be_closed_on_sqlite() {
    what_a_restore_revives_can_be_closed(Store::SQLITE);
}

#[test]
fn what_a_restore_revives_can_be_closed_on_postgres() {
    what_a_restore_revives_can_be_closed(Store::POSTGRES);
}

#[test]
fn what_a_restore_revives_can_be_closed_on_mariadb() {
    what_a_restore_revives_can_be_closed(Store::MARIADB);
}

#[test]
fn what_a_restore_revives_can_be_closed_on_redis() {
    what_a_restore_revives_can_be_closed(Store::REDIS);
}

fn what_a_restore_revives_can_be_closed(store: Store) {
    let mut database = Database::of(store);
    let receiver = Receiver::new();
    let setup = database.setup().set("clients.web.retry_window", "0s").webhook(&receiver);
    let server = setup.clone().start();
    let client = server.client();
    let (_, owner) = client.new_session();
    let (_, stolen) = client.new_session();
    let (_, logged_out) = client.new_session();
    let (deleted, deleted_session) = client.new_session();
    let (forgetful, _) = client.new_session();
    let request = json!({ "email": forgetful.email });
    client.post("/auth/password/reset-request").json(&request).send().is(202);
    let token = reset_token(&receiver);

    database.back_up(&setup);
    let second = client.refreshed(owner.refresh(), None);
    let third = client.refreshed(second.refresh(), None);
    let after_theft = client.refreshed(stolen.refresh(), None);
    client.log_out(logged_out.refresh()).is(204);
    setup.run(&["accounts", "delete", &deleted.email, "--yes"]).is(0);
    let new = Person::new().password;
    reset(&client, &token, &new).is(204);
    let (newcomer, newcomer_session) = client.new_session();

    let stopped = server.stop();
    database.restore(&setup);
    let server = stopped.start();
    let client = server.client();
    // Clients with tokens ahead of the backup continue, and superseded tokens are rejected afterwards.
    let fourth = client.refreshed(third.refresh(), None);
    assert_eq!(fourth.session, owner.session);
    let other = client.refreshed(stolen.refresh(), None);
    assert_eq!(other.session, after_theft.session, "a superseded token works once more");
    let logged_out = client.refreshed(logged_out.refresh(), None);
    let deleted_session = client.refreshed(deleted_session.refresh(), None);
    let _ = client.log_in(&deleted);
    let _ = client.log_in(&forgetful);
    client.try_log_in(&forgetful.email, &new).is_problem(401, "invalid_credentials");
    let revived = Person::new().password;
    reset(&client, &token, &revived).is(204);
    // What is newer than the backup is unknown.
    client.try_log_in(&newcomer.email, &newcomer.password).is_problem(401, "invalid_credentials");
    client.refresh(newcomer_session.refresh(), None).is_problem(401, "invalid_refresh_token");

    // The closing commands work on the restored store before a server is started on it.
    let stopped = server.stop();
    database.restore(&setup);
    let closed = setup.run(&["sessions", "revoke", "--all", "--yes", "--json"]).json();
    assert_eq!(closed["accounts"], 5, "{closed}");
    assert_eq!(closed["revoked"], 5, "{closed}");
    setup.run(&["accounts", "delete", &deleted.email, "--yes"]).is(0);
    let set_password = ["accounts", "set-password", &forgetful.email, "--password-stdin"];
    setup.run_fed(&set_password, &Person::new().password).is(0);
    let server = stopped.start();
    let client = server.client();
    for tokens in [&owner, &second, &fourth, &stolen, &other, &logged_out, &deleted_session] {
        client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
        client.me(&tokens.access).is_invalid_token();
    }
    client.try_log_in(&deleted.email, &deleted.password).is_problem(401, "invalid_credentials");
    reset(&client, &token, &revived).is_problem(400, "invalid_message_token");
}

/// The token of the only message that resets a password.
fn reset_token(receiver: &Receiver) -> String {
    wait_for("the message", Duration::from_secs(60), || {
        let messages = receiver.messages_to_users();
        let reset = messages.iter().find(|it| it.kind() == "password_reset_requested")?;
        reset.member("data")["token"].as_str().map(str::to_owned)
    })
}

fn reset(client: &Client, token: &str, password: &str) -> Response {
    let body = json!({ "token": token, "new_password": password });
    client.post("/auth/password/reset").json(&body).send()
}

#[test]
fn a_restored_key_directory_revives_dropped_keys_until_they_are_dropped_again() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (person, leaked) = client.new_session();
    let key = kid(leaked.refresh());
    let backup = setup.file("keys-backup");
    copy(&setup.file("keys"), &backup);
    let drop = ["rotate", "--drop", &key, "--yes"];
    let _ = keys(&setup, &drop);
    let server = server.stop().start();
    let client = server.client();
    client.refresh(leaked.refresh(), None).is_problem(401, "invalid_refresh_token");
    let newer = client.log_in(&person);

    let stopped = server.stop();
    fs::remove_dir_all(setup.file("keys")).unwrap();
    copy(&backup, &setup.file("keys"));
    let server = stopped.start();
    let client = server.client();
    let revived: Tokens = client.refreshed(leaked.refresh(), None);
    assert_eq!(kid(revived.refresh()), key);
    let stopped = server.stop();
    let _ = keys(&setup, &drop);
    let server = stopped.start();
    let client = server.client();
    for tokens in [&leaked, &revived] {
        client.refresh(tokens.refresh(), None).is_problem(401, "invalid_refresh_token");
    }
    // The next key of the backup was the active one when this token was signed.
    let _ = client.refreshed(newer.refresh(), None);
}

/// Copies the files of a directory, with their modes.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
