//! No usable secret appears in a log, an event, a metric, a webhook message, an error or the store.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aquaware_tests::{
    Client, ISSUER, Jws, MailServer, Person, Receiver, Setup, Tokens, WEBHOOK_SECRET, retry_key,
    wait_for,
};
use serde_json::json;

/// All secrets of a run.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn keep(&mut self, secret: &str) -> String {
        self.0.insert(secret.to_owned());
        secret.to_owned()
    }

    /// Adds a token, both whole and by its signature alone.
    fn token(&mut self, token: &str) {
        self.keep(token);
        self.keep(&Jws::read(token).parts[2]);
    }

    fn tokens(&mut self, tokens: &Tokens) {
        self.token(&tokens.access);
        if let Some(refresh) = &tokens.refresh {
            self.token(refresh);
        }
    }

    fn person(&mut self, person: &Person) {
        self.keep(&person.password);
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{secret} is in {what}");
        }
    }
}

/// Uses every kind of secret in valid and invalid requests, and returns them. The test client
/// checks the error responses.
fn use_everything(client: &Client) -> Secrets {
    let mut secrets = Secrets::default();
    let (person, first) = client.new_session();
    secrets.person(&person);
    secrets.tokens(&first);
    let key = secrets.keep(&retry_key());
    let second = client.refreshed(first.refresh(), Some(&key));
    secrets.tokens(&second);
    secrets.tokens(&client.refreshed(first.refresh(), Some(&key)));
    let other = secrets.keep(&retry_key());
    client.refresh(first.refresh(), Some(&other)).is(401);
    client.refresh(second.refresh(), Some(&other)).is(401);
    client.me(&second.access).is(401);
    let insane = secrets.keep("insane key 0123456789 abcdef");
    client.refresh(second.refresh(), Some(&insane)).is(400);

    let wrong = secrets.keep("a wrong password 4711");
    client.try_log_in(&person.email, &wrong).is(401);
    client.try_log_in("nobody@example.com", &wrong).is(401);
    let weak = secrets.keep("weakpass");
    client.sign_up(&Person { password: weak, ..Person::new() }).is(422);
    let mismatch = secrets.keep("quite another password 12");
    let body = json!({
        "email": Person::new().email, "password": person.password, "password2": mismatch,
    });
    client.post("/auth/signup").json(&body).send().is(400);
    let broken = format!("{{\"email\": \"x\", \"password\": \"{}\"", secrets.keep("cut password"));
    client.post("/auth/login").body("application/json", broken.as_bytes()).send().is(400);
    let typed = format!("{{\"{}\": 1}}", secrets.keep("password in the wrong place"));
    let _ = client.post("/auth/login").body("text/plain", typed.as_bytes()).send();

    let here = client.log_in(&person);
    secrets.tokens(&here);
    let new = Person { email: person.email, ..Person::new() };
    secrets.person(&new);
    let change = json!({ "current_password": person.password, "new_password": new.password });
    client.post("/auth/password").bearer(&here.access).json(&change).send().is(204);
    client.post("/auth/password").bearer(&here.access).json(&change).send().is(401);
    let query = format!("/auth/me?access_token={}", here.access);
    client.get(&query).send().is(401);
    client.get(&format!("/nope?refresh_token={}", here.refresh())).send().is(404);
    let tampered = format!("{}x", here.refresh());
    client.refresh(&tampered, None).is(401);
    client.me(&format!("{}x", here.access)).is(401);
    client
        .get("/auth/me")
        .header("authorization", &format!("Basic {}", here.access))
        .send()
        .is(401);
    client.log_out(here.refresh()).is(204);

    let app = client.log_in_as(&new, "device");
    secrets.tokens(&app);
    secrets.tokens(&client.refreshed(app.refresh(), Some(&key)));
    cookie(client, &new, &mut secrets);
    secrets
}

fn cookie(client: &Client, person: &Person, secrets: &mut Secrets) {
    let body = json!({
        "email": person.email, "password": person.password, "client_id": "browser",
    });
    let login = client.post("/auth/login").json(&body).send().expect(200);
    let header = login.header("set-cookie").expect("a cookie");
    let token = header.split(['=', ';']).nth(1).expect("a value").to_owned();
    secrets.token(&token);
    let call = || {
        client.post("/auth/refresh").header("cookie", &format!("__Host-aquaware-refresh={token}"))
    };
    call().send().is(403);
    call().header("origin", ISSUER).send().is(200);
}

#[test]
fn no_secret_is_logged_in_any_format_or_level() {
    for (format, level) in
        [("json", "info"), ("json", "debug"), ("human", "debug"), ("json", "trace")]
    {
        let receiver = Receiver::new();
        let server = Setup::new()
            .webhook(&receiver)
            .set("clients.web.retry_window", "0s")
            .set("clients.browser.refresh_transport", "cookie")
            .set("log.format", format)
            .set("log.level", level)
            .start();
        let mut secrets = use_everything(&server.client());
        secrets.keep(WEBHOOK_SECRET);
        let metrics = Client::of(server.management()).get("/metrics").send().expect(200);
        assert!(metrics.text().contains("/auth/login"), "{}", metrics.text());
        secrets.are_not_in("the metrics", metrics.text());
        let _ = receiver.wait_for(1);
        let log = server.stop().log();
        let messages = receiver.messages();
        for message in receiver.messages_to_users() {
            secrets.token(message.member("data")["token"].as_str().unwrap());
        }
        secrets.are_not_in("the metrics", metrics.text());
        for message in messages {
            secrets.are_not_in("a webhook message", &message.body);
        }
        assert!(log.contains("/auth/login"), "{format}: requests are logged\n{log}");
        secrets.are_not_in(&format!("the {format} log at {level}"), &log);
    }
}

#[test]
fn every_line_of_a_json_log_is_json() {
    let server = Setup::new().set("log.format", "json").start();
    let _ = server.client().new_session();
    server.client().me("x").is(401);
    let log = server.stop().log();
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() > 2, "{log}");
    for line in lines {
        let json: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(json.is_ok_and(|json| json.is_object()), "{line}");
    }
}

/// Asserts that no file in the data directory contains a secret.
fn are_not_in_the_store(secrets: &Secrets, directory: &Path) {
    let mut looked_at = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            secrets.are_not_in(&path.display().to_string(), &text);
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}

#[test]
fn nothing_in_the_store_can_be_replayed() {
    let server = Setup::new()
        .set("clients.web.retry_window", "0s")
        .set("clients.browser.refresh_transport", "cookie")
        .start();
    let secrets = use_everything(&server.client());
    are_not_in_the_store(&secrets, &server.file(""));
}

const SMTP_PASSWORD: &str = "smtp-horse-4711";
const DJANGO_KEY: &str = "the signing key of a Django that is left behind";
/// `\0mailer\0smtp-horse-4711`, as AUTH PLAIN sends it.
const SMTP_LOGIN: &str = "AG1haWxlcgBzbXRwLWhvcnNlLTQ3MTE=";

/// Messages by mail, with a template in a file, and the doors of simplejwt.
fn with_messages_and_doors(mail: &str) -> Setup {
    let template = "Subject: {{app_name}}\n\nHello {{first_name}}, use this:\n{{token}}\n";
    let address = mail.strip_prefix("smtp://").unwrap();
    Setup::new()
        .with_file("password_reset.txt", template)
        .set("mail.url", &format!("smtp://mailer:{SMTP_PASSWORD}@{address}"))
        .set("mail.from", "no-reply@fish.example")
        .set("mail.templates", ".")
        .set("compat.simplejwt.enabled", "true")
        .set("compat.simplejwt.signing_key", DJANGO_KEY)
        .set("compat.simplejwt.until", "2099-12-31")
        .set("log.format", "json")
        .set("log.level", "trace")
}

/// Passwords of the configuration.
fn configured() -> Secrets {
    let mut secrets = Secrets::default();
    for secret in [SMTP_PASSWORD, SMTP_LOGIN, DJANGO_KEY] {
        secrets.keep(secret);
    }
    secrets
}

/// Uses the doors, with tokens in the form of Django.
fn use_the_doors(client: &Client, person: &Person, secrets: &mut Secrets) {
    let body = json!({ "username": person.email, "password": person.password });
    let granted = client.post("/api/token/").json(&body).send().expect(200);
    let refresh = granted.text_of("refresh");
    secrets.token(&granted.text_of("access"));
    secrets.token(&refresh);
    // The signature of the token inside.
    let jti = Jws::read(&refresh).claims["jti"].as_str().unwrap().to_owned();
    secrets.keep(jti.rsplit('.').next().unwrap());
    for (path, name) in [("refresh/", "refresh"), ("verify/", "token"), ("blacklist/", "refresh")] {
        let body = json!({ name: refresh });
        let _ = client.post(&format!("/api/token/{path}")).json(&body).send();
        let body = json!({ name: format!("{refresh}x") });
        client.post(&format!("/api/token/{path}")).json(&body).send().is(401);
    }
}

#[test]
fn no_secret_of_messages_and_doors_is_in_the_log_the_metrics_or_the_store() {
    let mail = MailServer::start();
    let server = with_messages_and_doors(&mail.url()).start();
    let client = server.client();
    let mut secrets = configured();
    let (person, tokens) = client.new_session();
    secrets.person(&person);
    secrets.tokens(&tokens);
    let post = |path: &str, body: &serde_json::Value| {
        client.post(path).bearer(&tokens.access).json(body).send()
    };
    post("/auth/password/reset-request", &json!({ "email": person.email })).is(202);
    let new = Person::new();
    let change = json!({ "new_email": new.email, "current_password": person.password });
    post("/auth/email", &change).is(202);
    // The message of the reset may overtake the one of the sign-up; the notice of the change cannot.
    let theirs = mail.mails(&person.email, 3);
    let one = |is_reset: bool| {
        let found = theirs.iter().find(|it| it.text.contains("Hello ") == is_reset);
        found.expect("the template is used for the reset alone").token()
    };
    let (verification, reset) = (one(false), one(true));
    let changed = mail.last(&new.email, 1).token();
    for token in [&reset, &verification, &changed] {
        secrets.token(token);
        let broken = json!({ "token": format!("{token}x"), "new_password": "nine green turtles" });
        post("/auth/password/reset", &broken).is_problem(400, "invalid_message_token");
        post("/auth/email/verify", &json!({ "token": format!("{token}x") })).is(400);
    }
    secrets.keep("nine green turtles");
    post("/auth/email/verify", &json!({ "token": verification })).is(204);
    let password = secrets.keep(&new.password);
    post("/auth/password/reset", &json!({ "token": reset, "new_password": password })).is(204);
    post("/auth/email/verify", &json!({ "token": changed })).is(400);
    let person = Person { email: person.email, ..new };
    use_the_doors(&client, &person, &mut secrets);
    let metrics = Client::of(server.management()).get("/metrics").send().expect(200);
    secrets.are_not_in("the metrics", metrics.text());
    are_not_in_the_store(&secrets, &server.file(""));
    let log = server.stop().log();
    assert!(log.contains("/api/token") && log.contains("/auth/password/reset"), "{log}");
    secrets.are_not_in("the log", &log);
}

#[test]
fn entries_that_wait_in_the_outbox_contain_no_token_and_the_log_no_address() {
    // Nothing listens there.
    let server = with_messages_and_doors("smtp://127.0.0.1:9").start();
    let client = server.client();
    let mut secrets = configured();
    let (person, tokens) = client.new_session();
    secrets.person(&person);
    secrets.tokens(&tokens);
    let body = json!({ "email": person.email });
    client.post("/auth/password/reset-request").json(&body).send().is(202);
    let change = json!({ "new_email": Person::new().email, "current_password": person.password });
    client.post("/auth/email").bearer(&tokens.access).json(&change).send().is(202);
    wait_for("a failed delivery", Duration::from_secs(30), || {
        server.log().contains("a delivery failed").then_some(())
    });
    // What any token of this issuer begins with: no token at all is stored.
    secrets.keep("eyJhbGciOi");
    are_not_in_the_store(&secrets, &server.file(""));
    let read = |name: &str| std::fs::read(server.file(name)).unwrap_or_default();
    // While it is written, an entry may move from one file to the other.
    wait_for("an entry that waits", Duration::from_secs(30), || {
        let stored = [read("aquaware.db"), read("aquaware.db-wal")].concat();
        String::from_utf8_lossy(&stored).contains("password_reset_requested").then_some(())
    });
    let log = server.stop().log();
    secrets.keep(&person.email);
    secrets.are_not_in("the log", &log);
}
