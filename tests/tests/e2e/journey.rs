//! One complete session of one client, on every store.

use aquaware_tests::{Jws, Person, Setup, Store, Tokens, on_every_store};
use serde_json::json;

on_every_store!(
    a_user_signs_up_logs_in_refreshes_and_logs_out,
    a_device_keeps_its_refresh_token,
    logging_out_everywhere_counts_the_own_session_too,
    changing_the_password_ends_every_other_session,
);

fn a_user_signs_up_logs_in_refreshes_and_logs_out(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let Person { email, password } = Person::new();
    let wish = json!({
        "email": email, "password": password, "password2": password,
        "first_name": "Nadia", "last_name": "Öztürk",
    });
    let account = client.post("/auth/signup").json(&wish).send().expect(201);
    assert_eq!(account.header("location"), Some("/auth/me"));
    assert_eq!(account.text_of("email"), email);
    assert_eq!(account.text_of("first_name"), "Nadia");
    assert_eq!(account.text_of("last_name"), "Öztürk");
    assert_eq!(account.text_of("id").len(), 36);
    assert!(is_rfc3339_utc(&account.text_of("created_at")), "{}", account.describe());
    assert!(!account.text().contains("password"), "{}", account.describe());

    let login = client.try_log_in(&email, &password);
    let first = Tokens::of(&login);
    assert_eq!(login.text_of("token_type"), "Bearer");
    assert_eq!(login.member("expires_in"), 300);
    assert_eq!(login.member("refresh_expires_in"), 30 * 86_400);
    assert_eq!(login.json().get("scope"), None);

    let me = client.me(&first.access).expect(200);
    for member in ["id", "email", "first_name", "last_name", "created_at"] {
        assert_eq!(me.member(member), account.member(member), "{member}");
    }
    assert_eq!(me.text_of("session_id"), first.session);
    assert_eq!(me.member("claims"), json!({}));

    let second = client.refreshed(first.refresh(), None);
    assert_ne!(second.access, first.access);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(second.session, first.session);
    assert_eq!(second.body["expires_in"], 300);
    client.me(&second.access).is(200);

    let out = client.log_out(second.refresh()).expect(204);
    assert_eq!(out.body, b"");
    client.me(&second.access).is_invalid_token();
    client.refresh(second.refresh(), None).is_problem(401, "session_revoked");
    client.log_out(second.refresh()).is(204);
    let _ = client.log_in(&Person { email, password });
}

fn a_device_keeps_its_refresh_token(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let person = client.new_person();
    let device = client.log_in_as(&person, "device");
    let refresh = device.refresh().to_owned();
    assert_eq!(device.body["refresh_expires_in"], 365 * 86_400);
    for _ in 0..3 {
        let renewed = client.refreshed(&refresh, None);
        assert_eq!(renewed.body.get("refresh_token"), None);
        assert_eq!(renewed.body.get("refresh_expires_in"), None);
        assert_ne!(renewed.access, device.access);
        assert_eq!(Jws::read(&renewed.access).claims["client_id"], "device");
        client.me(&renewed.access).is(200);
    }
    let listed = client.sessions(&device.access);
    assert_eq!(listed[0]["client_id"], "device");
    let path = format!("/auth/sessions/{}", device.session);
    client.call("DELETE", &path).bearer(&device.access).send().is(204);
    client.refresh(&refresh, None).is_problem(401, "session_revoked");
}

fn logging_out_everywhere_counts_the_own_session_too(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (person, first) = client.new_session();
    let (_, stranger) = client.new_session();
    let others = [client.log_in(&person), client.log_in_as(&person, "device")];
    client.log_out(client.log_in(&person).refresh()).is(204);

    let response = client.post("/auth/logout-all").bearer(&first.access).send().expect(200);
    assert_eq!(response.json(), json!({ "revoked": 3 }));
    for ended in others.iter().chain([&first]) {
        client.me(&ended.access).is_invalid_token();
        client.refresh(ended.refresh(), None).is_problem(401, "session_revoked");
    }
    client.me(&stranger.access).is(200);
    client.post("/auth/logout-all").bearer(&first.access).send().is_invalid_token();
}

fn changing_the_password_ends_every_other_session(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (person, here) = client.new_session();
    let elsewhere = client.log_in(&person);
    let new = Person { email: person.email.clone(), ..Person::new() };
    let change = json!({ "current_password": person.password, "new_password": new.password });
    client.post("/auth/password").bearer(&here.access).json(&change).send().is(204);

    client.me(&here.access).is(200);
    let here = client.refreshed(here.refresh(), None);
    client.me(&here.access).is(200);
    client.me(&elsewhere.access).is_invalid_token();
    client.refresh(elsewhere.refresh(), None).is_problem(401, "session_revoked");
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    let _ = client.log_in(&new);
}

fn is_rfc3339_utc(text: &str) -> bool {
    let shape = |text: &str| {
        let digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
        text.chars().map(digit).collect::<String>()
    };
    let whole = text.strip_suffix('Z').unwrap_or_default();
    let (seconds, fraction) = whole.split_once('.').unwrap_or((whole, "0"));
    shape(seconds) == "0000-00-00T00:00:00" && !fraction.is_empty()
}
