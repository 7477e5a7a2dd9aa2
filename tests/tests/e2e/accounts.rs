//! Sign-up and login: which requests succeed, and that errors reveal nothing about accounts.

use aquaware_tests::{Person, Setup, Store, Tokens, on_every_store};
use serde_json::json;

on_every_store!(an_address_is_one_account_in_any_case, unknown_login_and_wrong_password_look_alike,);

fn an_address_is_one_account_in_any_case(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let person = client.new_person();
    for email in [person.email.clone(), person.email.to_lowercase(), person.email.to_uppercase()] {
        let again = Person { email: email.clone(), ..Person::new() };
        client.sign_up(&again).is_problem(409, "account_exists");
        let tokens = Tokens::of(&client.try_log_in(&email, &person.password));
        assert_eq!(client.me(&tokens.access).text_of("email"), person.email);
    }
}

fn unknown_login_and_wrong_password_look_alike(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let person = client.new_person();
    let wrong = client.try_log_in(&person.email, "quartz otter wrong");
    let unknown = client.try_log_in("nobody@example.com", "quartz otter wrong");
    wrong.is_problem(401, "invalid_credentials");
    assert_eq!(wrong.body, unknown.body);
    let names = |response: &aquaware_tests::Response| {
        let headers = response.headers.iter();
        let mut names: Vec<_> = headers.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&wrong), names(&unknown));
    assert_eq!(wrong.header("www-authenticate"), unknown.header("www-authenticate"));
}

#[test]
fn invalid_addresses_are_reported_by_field() {
    let server = Setup::new().start();
    let client = server.client();
    let password = Person::new().password;
    let long = format!("{}@example.com", "a".repeat(300));
    for email in ["", "nobody", "@example.com", "a@", "a b@example.com", "a@b@c.example", &long] {
        let response = client.sign_up(&Person { email: email.into(), password: password.clone() });
        assert_eq!(response.status, 400, "{email}: {}", response.describe());
        response.names_fields(&["email"]);
    }
}

#[test]
fn sign_up_can_be_closed() {
    let server = Setup::new().start();
    let person = server.client().new_person();
    let stopped = server.stop();
    let closed = stopped.setup().set("accounts.signup", "closed").start();
    let client = closed.client();
    client.sign_up(&Person::new()).is_problem(403, "signup_closed");
    client.sign_up(&person).is_problem(403, "signup_closed");
    let _ = client.log_in(&person);
}

#[test]
fn an_unconfigured_client_is_unknown() {
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    for id in ["mobile", "WEB", "web "] {
        let body = json!({ "email": email, "password": password, "client_id": id });
        let response = client.post("/auth/login").json(&body).send();
        assert_eq!(response.status, 400, "{id}: {}", response.describe());
        response.is_problem(400, "unknown_client");
    }
}

#[test]
fn scopes_that_the_client_may_not_have_are_rejected() {
    let server = Setup::new().set("clients.web.scopes", "read,write").start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    let log_in = |client_id: &str, scope: &str| {
        let body = json!({
            "email": email, "password": password, "client_id": client_id, "scope": scope,
        });
        client.post("/auth/login").json(&body).send()
    };
    for scope in ["admin", "read admin", "READ", "read \"", "read\\", "réad"] {
        let response = log_in("web", scope);
        assert_eq!(response.status, 400, "{scope}: {}", response.describe());
        response.is_problem(400, "invalid_scope");
    }
    log_in("device", "read").is_problem(400, "invalid_scope");
    assert_eq!(log_in("web", "read").expect(200).text_of("scope"), "read");
    assert_eq!(log_in("web", "").expect(200).json().get("scope"), None);
}

#[test]
fn clients_without_the_grant_are_rejected() {
    let server = Setup::new()
        .set("clients.kiosk.grants", "refresh_token")
        .set("clients.once.grants", "login")
        .start();
    let client = server.client();
    let person = client.new_person();
    let body = json!({
        "email": person.email, "password": person.password, "client_id": "kiosk",
    });
    client.post("/auth/login").json(&body).send().is_problem(403, "client_not_allowed");
    let once = client.log_in_as(&person, "once");
    assert_eq!(once.refresh, None);
    client.me(&once.access).is(200);
}

#[test]
fn a_refresh_is_rejected_after_its_client_lost_the_grant() {
    let server = Setup::new().start();
    let (_, tokens) = server.client().new_session();
    let stopped = server.stop();
    let server = stopped.setup().set("clients.web.grants", "login").start();
    let response = server.client().refresh(tokens.refresh(), None);
    response.is_problem(403, "client_not_allowed");
    let server = server.stop().setup().unset("clients.web.grants").start();
    let _ = server.client().refreshed(tokens.refresh(), None);
}
