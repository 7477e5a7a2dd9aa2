//! Changes of an account by its owner: names and deletion.

use aquaware_tests::{Setup, Store, Tokens, on_every_store};
use serde_json::{Value, json};

on_every_store!(
    names_change_one_by_one,
    a_deleted_account_is_gone_with_its_sessions_and_its_address_is_free,
);

fn names_change_one_by_one(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let patch = |body: Value| {
        let response =
            client.call("PATCH", "/auth/me").bearer(&tokens.access).json(&body).send().expect(200);
        assert_eq!(response.json(), client.me(&tokens.access).json());
        [response.member("first_name"), response.member("last_name")]
    };
    assert_eq!(patch(json!({})), [Value::Null, Value::Null]);
    assert_eq!(patch(json!({ "first_name": "Ann" })), [json!("Ann"), Value::Null]);
    assert_eq!(patch(json!({ "last_name": "Lee" })), [json!("Ann"), json!("Lee")]);
    assert_eq!(patch(json!({ "first_name": null })), [Value::Null, json!("Lee")]);
    let names = json!({ "first_name": "Zo\u{eb}\u{202e}", "last_name": "" });
    assert_eq!(patch(names), [json!("Zo\u{eb}"), Value::Null]);
}

#[test]
fn names_are_accepted_in_every_media_type_and_checked() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let patch = || client.call("PATCH", "/auth/me").bearer(&tokens.access);
    let form = patch().form(&[("first_name", "Bob"), ("other", "x")]).send().expect(200);
    assert_eq!(form.text_of("first_name"), "Bob");
    let multipart = patch().multipart(&[("last_name", "Ray")]).send().expect(200);
    assert_eq!(multipart.text_of("first_name"), "Bob");
    assert_eq!(multipart.text_of("last_name"), "Ray");
    patch().json(&json!({ "first_name": "a\nb" })).send().names_fields(&["first_name"]);
    let long = "x".repeat(101);
    patch().json(&json!({ "last_name": long })).send().names_fields(&["last_name"]);
    patch().json(&json!({ "email": "bob@example.com" })).send().names_fields(&["email"]);
    client.call("PATCH", "/auth/me").json(&json!({})).send().is_problem(401, "invalid_token");
}

fn a_deleted_account_is_gone_with_its_sessions_and_its_address_is_free(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (person, here) = client.new_session();
    let elsewhere = client.log_in(&person);
    let delete = |password: &str| {
        let body = json!({ "current_password": password });
        client.call("DELETE", "/auth/me").bearer(&here.access).json(&body).send()
    };
    delete("quartz otter wrong").is_problem(401, "invalid_credentials");
    client.me(&here.access).is(200);
    delete(&person.password).is(204);
    for tokens in [&here, &elsewhere] {
        client.me(&tokens.access).is_invalid_token();
        client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    }
    let login = client.try_log_in(&person.email, &person.password);
    login.is_problem(401, "invalid_credentials");
    client.sign_up(&person).is(201);
    let again = Tokens::of(&client.try_log_in(&person.email, &person.password));
    assert_eq!(client.me(&again.access).member("email_verified_at"), Value::Null);
}

#[test]
fn a_deletion_needs_the_password_and_locks_like_a_login() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let delete =
        |body: &Value| client.call("DELETE", "/auth/me").bearer(&tokens.access).json(body).send();
    delete(&json!({})).names_fields(&["current_password"]);
    for _ in 0..3 {
        let wrong = delete(&json!({ "current_password": "quartz otter wrong" }));
        wrong.is_problem(401, "invalid_credentials");
    }
    let right = json!({ "current_password": person.password });
    delete(&right).is_problem(429, "account_locked");
    client.try_log_in(&person.email, &person.password).is_problem(429, "account_locked");
    client.me(&tokens.access).is(200);
}

#[test]
fn a_deletion_clears_the_cookie_and_leaves_no_personal_data() {
    let server = Setup::new().set("clients.web.refresh_transport", "cookie").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let body = json!({ "current_password": person.password });
    let deleted = client.call("DELETE", "/auth/me").bearer(&tokens.access).json(&body).send();
    deleted.is(204);
    let cookie = deleted.header("set-cookie").unwrap_or_default();
    assert!(cookie.contains("aquaware-refresh=;") && cookie.contains("Max-Age=0"), "{cookie}");
    let id = client.me(&tokens.access);
    id.is_invalid_token();
    let shown = server.stop().log();
    assert!(shown.contains("account_deleted"), "{shown}");
    assert!(!shown.to_lowercase().contains(&person.email.to_lowercase()), "{shown}");
}
