//! The doors of djangorestframework-simplejwt. `cargo xtask interop` compares them with Django itself.

use std::time::Duration;

use aquaware_tests::{Client, Jws, Person, Response, Server, Setup, Store, on_every_store, pause};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

on_every_store!(an_old_token_becomes_a_session_that_goes_on_with_new_tokens,);

const KEY: &str = "a signing key of Django that is long enough";

fn setup(store: Store) -> Setup {
    Setup::on(store)
        .with_file("django.key", &format!("{KEY}\n"))
        .set("compat.simplejwt.enabled", "true")
        .set("compat.simplejwt.signing_key", "file:django.key")
        .set("compat.simplejwt.until", "2099-12-31")
}

fn door(client: &Client, path: &str, body: &Value) -> Response {
    client.post(&format!("/api/token/{path}")).json(body).send()
}

/// The body of a success.
fn granted(client: &Client, path: &str, body: &Value) -> Value {
    door(client, path, body).expect(200).json()
}

#[track_caller]
fn refused(response: &Response, detail: &str) {
    response.is(401);
    assert_eq!(response.json(), json!({ "detail": detail, "code": "token_not_valid" }));
    assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"api\""));
}

fn seconds_since_1970() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A refresh token as Django signs it, issued in an hour that this server does not know.
fn old_token(user_id: &str, jti: &str, changes: &Value) -> String {
    let now = seconds_since_1970();
    let mut claims = json!({
        "token_type": "refresh", "exp": now + 86_400, "iat": now, "jti": jti, "user_id": user_id,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())))
}

/// A new account, and the claims of a token of it.
fn account(server: &Server) -> (Person, String) {
    let person = server.client().new_person();
    let tokens = server.client().log_in(&person);
    let id = Jws::read(&tokens.access).claims["sub"].as_str().unwrap().to_owned();
    // Tokens of the second in which the password was set are older than the password.
    pause(Duration::from_millis(1100));
    (person, id)
}

fn an_old_token_becomes_a_session_that_goes_on_with_new_tokens(store: Store) {
    let server = setup(store).start();
    let client = server.client();
    let (_, id) = account(&server);
    let token = old_token(&id, &format!("jti of {id}"), &json!({}));
    let first = granted(&client, "refresh/", &json!({ "refresh": token }));
    let again = granted(&client, "refresh/", &json!({ "refresh": token }));
    assert_eq!(first["refresh"], again["refresh"]);
    let access = Jws::read(first["access"].as_str().unwrap());
    assert_eq!(access.claims["sub"], id);
    assert_eq!(access.claims["user_id"], id);
    assert_eq!(access.claims["token_type"], "access");
    assert_eq!(access.claims["client_id"], "simplejwt");
    let second = granted(&client, "refresh/", &json!({ "refresh": first["refresh"] }));
    client.me(second["access"].as_str().unwrap()).is(200);
    let reused = door(&client, "refresh/", &json!({ "refresh": token }));
    refused(&reused, "Token is blacklisted");
    let ended = door(&client, "refresh/", &json!({ "refresh": second["refresh"] }));
    refused(&ended, "Token is blacklisted");
    client.me(second["access"].as_str().unwrap()).is(401);
}

#[test]
fn logins_at_the_door_have_the_bodies_of_simplejwt() {
    let server = setup(Store::SQLITE).start();
    let client = server.client();
    let person = client.new_person();
    for name in ["username", "email"] {
        let body = json!({ name: person.email, "password": person.password });
        let response = door(&client, "", &body).expect(200);
        assert_eq!(response.json().as_object().unwrap().len(), 2);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let access = response.text_of("access");
        assert_eq!(granted(&client, "verify/", &json!({ "token": access })), json!({}));
        let refresh = response.text_of("refresh");
        assert_eq!(granted(&client, "verify/", &json!({ "token": refresh })), json!({}));
        assert_eq!(granted(&client, "blacklist/", &json!({ "refresh": refresh })), json!({}));
        refused(
            &door(&client, "blacklist/", &json!({ "refresh": refresh })),
            "Token is blacklisted",
        );
        refused(&door(&client, "refresh/", &json!({ "refresh": refresh })), "Token is blacklisted");
        let verified = door(&client, "verify/", &json!({ "token": refresh }));
        verified.is(400);
        assert_eq!(verified.json(), json!({ "non_field_errors": ["Token is blacklisted"] }));
        refused(&door(&client, "refresh/", &json!({ "refresh": access })), "Token has wrong type");
    }
    let wrong = door(&client, "", &json!({ "username": person.email, "password": "wrong" }));
    wrong.is(401);
    let detail = "No active account found with the given credentials";
    assert_eq!(wrong.json(), json!({ "detail": detail }));
    let missing = door(&client, "", &json!({}));
    missing.is(400);
    let required = json!(["This field is required."]);
    assert_eq!(missing.json(), json!({ "username": required, "password": required }));
    let get = client.get("/api/token/").send();
    get.is(405);
    assert_eq!(get.json(), json!({ "detail": "Method \"GET\" not allowed." }));
}

#[test]
fn without_rotation_the_old_token_stays_and_no_new_one_is_returned() {
    let server = setup(Store::SQLITE).set("compat.simplejwt.rotate", "false").start();
    let client = server.client();
    let (_, id) = account(&server);
    let token = old_token(&id, "kept", &json!({}));
    for _ in 0..3 {
        let body = granted(&client, "refresh/", &json!({ "refresh": token }));
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        client.me(body["access"].as_str().unwrap()).is(200);
    }
}

#[test]
fn refresh_tokens_of_the_doors_are_signed_with_the_key_of_django_and_accepted_everywhere_here() {
    let server = setup(Store::SQLITE).start();
    let client = server.client();
    let person = client.new_person();
    let body = json!({ "username": person.email, "password": person.password });
    let new = || granted(&client, "", &body)["refresh"].as_str().unwrap().to_owned();
    let token = new();
    let read = Jws::read(&token);
    assert_eq!((&read.header["alg"], &read.header["typ"]), (&json!("HS256"), &json!("JWT")));
    assert_eq!(read.claims["token_type"], "refresh");
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(hmac::verify(&key, message.as_bytes(), &signature).is_ok(), "Django accepts it");
    // With another signature, or as an old token of its own user, it begins no session.
    let other = URL_SAFE_NO_PAD.encode([7; 32]);
    let forged = door(&client, "refresh/", &json!({ "refresh": format!("{message}.{other}") }));
    refused(&forged, "Token is invalid");
    let renamed = old_token(read.claims["user_id"].as_str().unwrap(), "aquaware.x", &json!({}));
    refused(&door(&client, "refresh/", &json!({ "refresh": renamed })), "Token is invalid");
    // A client moves to the other endpoints with the token that it has.
    let moved = client.refresh(&token, None).expect(200);
    assert_eq!(Jws::read(&moved.text_of("refresh_token")).header["typ"], "rt+jwt");
    client.log_out(&new()).is(204);
    let left = new();
    let form = [("token", left.as_str()), ("client_id", "simplejwt")];
    client.post("/oauth2/revoke").form(&form).send().is(200);
    refused(&door(&client, "refresh/", &json!({ "refresh": left })), "Token is blacklisted");
    let closed = setup(Store::SQLITE).set("compat.simplejwt.reversible", "false").start();
    let person = closed.client().new_person();
    let body = json!({ "username": person.email, "password": person.password });
    let token = granted(&closed.client(), "", &body)["refresh"].as_str().unwrap().to_owned();
    assert_eq!(Jws::read(&token).header["typ"], "rt+jwt");
}

#[test]
fn old_tokens_of_disabled_users_and_before_a_change_of_password_are_rejected() {
    let setup = setup(Store::SQLITE);
    let server = setup.clone().start();
    let client = server.client();
    let (person, id) = account(&server);
    let token = old_token(&id, "before", &json!({}));
    pause(Duration::from_millis(1100));
    let tokens = client.log_in(&person);
    let change = json!({ "current_password": person.password, "new_password": "another snail 12" });
    client.post("/auth/password").bearer(&tokens.access).json(&change).send().is(204);
    refused(&door(&client, "refresh/", &json!({ "refresh": token })), "Token is blacklisted");
    setup.run(&["accounts", "disable", &id]).is(0);
    let later = old_token(&id, "later", &json!({ "iat": seconds_since_1970() + 2 }));
    let response = door(&client, "refresh/", &json!({ "refresh": later }));
    response.is(401);
    let detail = "No active account found for the given token.";
    assert_eq!(response.json(), json!({ "detail": detail }));
}

#[test]
fn the_doors_are_closed_by_default_and_take_no_old_tokens_after_their_day() {
    let closed = Setup::new().start();
    let body = json!({ "username": "a", "password": "b" });
    door(&closed.client(), "", &body).is_problem(404, "not_found");
    let setup = setup(Store::SQLITE).set("compat.simplejwt.until", "2020-01-31");
    let server = setup.start();
    let client = server.client();
    let (person, id) = account(&server);
    let token = old_token(&id, "late", &json!({}));
    refused(&door(&client, "refresh/", &json!({ "refresh": token })), "Token is expired");
    let body = json!({ "username": person.email, "password": person.password });
    assert!(granted(&client, "", &body)["refresh"].is_string());
    let forged = old_token(&id, "forged", &json!({ "exp": 1 }));
    refused(&door(&client, "refresh/", &json!({ "refresh": forged })), "Token is expired");
    let log = server.stop().log();
    assert!(!log.contains(KEY) && !log.contains(&token), "{log}");
}
