//! Messages to users, by mail: verification, reset, change of address, and their limits.

use aquaware_tests::{MailServer, Person, Receiver, Setup, Store, on_every_store, wait_for};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

on_every_store!(
    an_address_is_verified_by_the_message_of_the_sign_up,
    a_password_is_reset_by_mail_and_every_session_ends,
    an_address_changes_when_the_new_one_is_verified_and_the_old_one_is_told,
);

fn with_mail(setup: Setup, mail: &MailServer) -> Setup {
    setup
        .set("mail.url", &mail.url())
        .set("mail.from", "Fish <no-reply@fish.example>")
        .set("mail.app_name", "Fish")
        .set("mail.link_base", "https://fish.example/account")
}

fn an_address_is_verified_by_the_message_of_the_sign_up(store: Store) {
    let mail = MailServer::start();
    let server = with_mail(Setup::on(store), &mail).start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    assert_eq!(client.me(&tokens.access).member("email_verified_at"), Value::Null);
    let sent = mail.last(&person.email, 1);
    assert!(sent.text.contains("From: Fish <no-reply@fish.example>\r\n"), "{}", sent.text);
    assert!(sent.text.contains("https://fish.example/account/verify-email#token=eyJ"));
    let verify =
        |token: &str| client.post("/auth/email/verify").json(&json!({ "token": token })).send();
    verify(&sent.token()).is(204);
    assert!(client.me(&tokens.access).member("email_verified_at").is_string());
    verify(&sent.token()).is_problem(400, "invalid_message_token");
    let request = client.post("/auth/email/verify-request").bearer(&tokens.access);
    request.send().is(202);
    let log = server.stop().log();
    assert!(log.contains("email_verified") && !log.contains(&sent.token()), "{log}");
}

fn a_password_is_reset_by_mail_and_every_session_ends(store: Store) {
    let mail = MailServer::start();
    let server = with_mail(Setup::on(store), &mail).start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let request = |email: &str| {
        client.post("/auth/password/reset-request").json(&json!({ "email": email })).send()
    };
    let (known, unknown) = (request(&person.email), request("nobody@example.com"));
    known.is(202);
    assert_eq!((unknown.status, unknown.text()), (202, known.text()));
    // It may overtake the message of the sign-up.
    let mails = mail.mails(&person.email, 2);
    let token = mails.iter().find(|mail| mail.text.contains("/reset-password#")).unwrap().token();
    let reset = |token: &str, new: &str| {
        let body = json!({ "token": token, "new_password": new });
        client.post("/auth/password/reset").json(&body).send()
    };
    reset(&token, "short").is_problem(422, "weak_password");
    let new = Person::new().password;
    reset(&token, &new).is(204);
    reset(&token, &Person::new().password).is_problem(400, "invalid_message_token");
    client.me(&tokens.access).is_invalid_token();
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    let again = aquaware_tests::Tokens::of(&client.try_log_in(&person.email, &new));
    assert!(client.me(&again.access).member("email_verified_at").is_string());
    for token in ["a.b.c", &tokens.access, tokens.refresh()] {
        reset(token, &Person::new().password).is_problem(400, "invalid_message_token");
    }
    let log = server.stop().log();
    assert!(!log.contains(&token) && !log.contains(&new), "{log}");
}

fn an_address_changes_when_the_new_one_is_verified_and_the_old_one_is_told(store: Store) {
    let mail = MailServer::start();
    let server = with_mail(Setup::on(store), &mail).start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let other = client.new_person();
    let change = |email: &str, password: &str| {
        let body = json!({ "new_email": email, "current_password": password });
        client.post("/auth/email").bearer(&tokens.access).json(&body).send()
    };
    let verify =
        |token: &str| client.post("/auth/email/verify").json(&json!({ "token": token })).send();
    let new = Person::new().email;
    change(&new, "quartz otter wrong").is_problem(401, "invalid_credentials");
    change("no address", &person.password).names_fields(&["new_email"]);
    change(&new, &person.password).is(202);
    let token = mail.last(&new, 1).token();
    let told = mail.last(&person.email, 2);
    assert!(!told.text.contains("eyJ") && !told.text.contains(&new), "{}", told.text);
    client.me(&tokens.access).is(200);
    verify(&token).is(204);
    assert_eq!(client.me(&tokens.access).text_of("email"), new);
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    client.try_log_in(&new, &person.password).is(200);
    // The former address is free, and one that is taken is only reported by its owner's token.
    client.sign_up(&Person { email: person.email, ..Person::new() }).is(201);
    let _ = mail.mails(&other.email, 1);
    change(&other.email, &person.password).is(202);
    verify(&mail.last(&other.email, 2).token()).is_problem(409, "account_exists");
}

#[test]
fn messages_to_one_mailbox_are_limited_and_the_answer_stays_the_same() {
    let mail = MailServer::start();
    let server = with_mail(Setup::new(), &mail).set("limits.messages_per_account", "3/1h").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    for spelling in [person.email.to_uppercase(), format!(" {} ", person.email)] {
        let body = json!({ "email": spelling });
        client.post("/auth/password/reset-request").json(&body).send().is(202);
    }
    for _ in 0..3 {
        let body = json!({ "email": person.email });
        client.post("/auth/password/reset-request").json(&body).send().is(202);
        client.post("/auth/email/verify-request").bearer(&tokens.access).send().is(202);
    }
    let other = client.new_person();
    let _ = mail.mails(&other.email, 1);
    assert_eq!(mail.mails(&person.email, 3).len(), 3, "one of the sign-up and two others");
}

#[test]
fn an_unverified_account_cannot_log_in_where_that_is_required() {
    let mail = MailServer::start();
    let server = with_mail(Setup::new(), &mail)
        .set("accounts.require_verified_email", "true")
        .set("clients.tool.grants", "password,refresh_token")
        .start();
    let client = server.client();
    let person = client.new_person();
    let log_in = |password: &str| client.try_log_in(&person.email, password);
    log_in("quartz otter wrong").is_problem(401, "invalid_credentials");
    log_in(&person.password).is_problem(403, "email_not_verified");
    let form = [
        ("grant_type", "password"),
        ("client_id", "tool"),
        ("username", &person.email),
        ("password", &person.password),
    ];
    let grant = client.post("/oauth2/token").form(&form).send().expect(400);
    assert_eq!(grant.text_of("error"), "invalid_grant");
    let token = mail.last(&person.email, 3).token();
    client.post("/auth/email/verify").form(&[("token", &token)]).send().is(204);
    log_in(&person.password).is(200);
    client.post("/oauth2/token").form(&form).send().is(200);
}

#[test]
fn without_mail_the_webhook_carries_the_tokens() {
    let receiver = Receiver::new();
    let server = Setup::new().webhook(&receiver).set("webhook.events", "account_deleted").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let newest = |kind: &str| {
        wait_for("a message to the user", Duration::from_secs(30), || {
            receiver.messages_to_users().into_iter().rfind(|message| message.kind() == kind)
        })
        .member("data")
    };
    let post =
        |path: &str, body: &Value| client.post(path).bearer(&tokens.access).json(body).send();
    let data = newest("email_verification_requested");
    assert_eq!(data["email"], person.email);
    post("/auth/email/verify", &json!({ "token": data["token"] })).is(204);
    let new = Person::new();
    let change = json!({ "new_email": new.email, "current_password": person.password });
    post("/auth/email", &change).is(202);
    let data = newest("email_change_requested");
    assert_eq!((&data["email"], &data["current_email"]), (&json!(new.email), &json!(person.email)));
    post("/auth/email/verify", &json!({ "token": data["token"] })).is(204);
    client.post("/auth/password/reset-request").json(&json!({ "email": new.email })).send().is(202);
    let data = newest("password_reset_requested");
    let reset = json!({ "token": data["token"], "new_password": new.password });
    client.post("/auth/password/reset").json(&reset).send().is(204);
    client.try_log_in(&new.email, &new.password).is(200);
}

#[test]
fn without_a_way_to_send_messages_their_endpoints_do_not_exist() {
    let server = Setup::new().start();
    let client = server.client();
    for path in [
        "/auth/password/reset-request",
        "/auth/password/reset",
        "/auth/email/verify-request",
        "/auth/email/verify",
        "/auth/email",
    ] {
        client.post(path).json(&json!({})).send().is_problem(404, "not_found");
    }
    let required = Setup::new().set("accounts.require_verified_email", "true");
    let checked = required.run(&["config", "check"]);
    checked.is(2);
    assert!(checked.stderr.contains("accounts.require_verified_email"), "{checked:?}");
}

#[test]
fn a_mail_server_that_hangs_costs_no_request_anything() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let server =
        Setup::new().set("mail.url", &url).set("mail.from", "no-reply@fish.example").start();
    let client = server.client();
    let begin = Instant::now();
    for _ in 0..5 {
        let person = client.new_person();
        let body = json!({ "email": person.email });
        client.post("/auth/password/reset-request").json(&body).send().is(202);
    }
    assert!(begin.elapsed() < Duration::from_secs(14), "{:?}", begin.elapsed());
    assert!(!server.stop().log().contains("eyJ"));
}
