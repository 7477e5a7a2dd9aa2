//! `resource` (RFC 8707): the access token of one response for some of the client's audiences.

use aquaware_tests::{Client, ISSUER, Jws, Response, Tokens};
use serde_json::{Value, json};

use crate::oauth_support::{APP, THE_ROBOT, TOKEN, ask, setup};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn start() -> (aquaware_tests::Server, Client) {
    let both = format!("{A},{B}");
    let server =
        setup().set("clients.web.audience", &both).set("clients.app.audience", &both).start();
    let client = server.client();
    (server, client)
}

fn audience(response: &Response) -> Value {
    Jws::read(&response.text_of("access_token")).claims["aud"].clone()
}

fn is_invalid_target(response: &Response) {
    assert_eq!(response.status, 400, "{}", response.describe());
    assert_eq!(response.json()["error"], "invalid_target", "{}", response.describe());
}

#[test]
fn a_login_is_answered_for_the_requested_audiences_alone() {
    let (_server, client) = start();
    let person = client.new_person();
    let log_in = |resource: Value| {
        let (email, password) = (&person.email, &person.password);
        let body = json!({ "email": email, "password": password, "resource": resource });
        client.post("/auth/login").json(&body).send()
    };
    for (resource, expected) in [
        (json!(A), json!(A)),
        (json!([B]), json!(B)),
        (json!([B, A, B]), json!([B, A])),
        (json!([]), json!([A, B])),
        (json!(null), json!([A, B])),
    ] {
        let response = log_in(resource.clone()).expect(200);
        assert_eq!(audience(&response), expected, "{resource}");
        // The session is not narrowed.
        let tokens = Tokens::of(&response);
        client.me(&tokens.access).is(200);
        let renewed = client.refresh(tokens.refresh(), None).expect(200);
        assert_eq!(audience(&renewed), json!([A, B]), "{resource}");
    }
    for resource in [json!("https://c.example"), json!([A, "https://c.example"]), json!(ISSUER)] {
        log_in(resource).is_problem(400, "invalid_target");
    }
    log_in(json!(5)).is_problem(400, "invalid_request");
    let form = [
        ("email", person.email.as_str()),
        ("password", person.password.as_str()),
        ("resource", A),
        ("resource", B),
    ];
    let response = client.post("/auth/login").form(&form).send().expect(200);
    assert_eq!(audience(&response), json!([A, B]));
}

#[test]
fn a_refresh_with_an_invalid_resource_uses_nothing_up() {
    let (_server, client) = start();
    let (_, tokens) = client.new_session();
    let refresh = |resource: &str| {
        let body = json!({ "refresh_token": tokens.refresh(), "resource": resource });
        client.post("/auth/refresh").json(&body).send()
    };
    refresh("https://c.example").is_problem(400, "invalid_target");
    let renewed = refresh(A).expect(200);
    assert_eq!(audience(&renewed), json!(A));
    assert_eq!(Tokens::of(&renewed).generation(), tokens.generation() + 1);
}

#[test]
fn every_grant_of_the_token_endpoint_accepts_resources() {
    let (_server, client) = start();
    let person = client.new_person();
    let password =
        [("grant_type", "password"), ("username", &person.email), ("password", &person.password)];
    let request = |fields: &[(&str, &str)], resources: &[&str]| {
        let resources = resources.iter().map(|resource| ("resource", *resource));
        let fields: Vec<_> = fields.iter().copied().chain(resources).collect();
        ask(&client, TOKEN, APP, &fields).send()
    };
    is_invalid_target(&request(&password, &[A, "https://c.example"]));
    let granted = request(&password, &[B]).expect(200);
    assert_eq!(audience(&granted), json!(B));
    let token = granted.text_of("refresh_token");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    is_invalid_target(&request(&refresh, &["https://b.example/"]));
    assert_eq!(audience(&request(&refresh, &[A, B]).expect(200)), json!([A, B]));
    let robot = |resource: &str| {
        let fields = [("grant_type", "client_credentials"), ("resource", resource)];
        ask(&client, TOKEN, THE_ROBOT, &fields).send()
    };
    is_invalid_target(&robot(A));
    assert_eq!(audience(&robot("https://tank.example").expect(200)), json!("https://tank.example"));
}

#[test]
fn a_client_without_an_audience_may_request_the_issuer() {
    let server = setup().start();
    let client = server.client();
    let person = client.new_person();
    let form = [
        ("email", person.email.as_str()),
        ("password", person.password.as_str()),
        ("resource", ISSUER),
    ];
    let response = client.post("/auth/login").form(&form).send().expect(200);
    assert_eq!(audience(&response), json!(ISSUER));
}
