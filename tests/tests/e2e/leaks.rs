//! No usable secret appears in a log, an event, a metric, a webhook message, an error or the store.

use std::collections::BTreeSet;

use aquaware_tests::{
    Client, ISSUER, Jws, Person, Receiver, Setup, Tokens, WEBHOOK_SECRET, retry_key,
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
        let log = server.stop().log();
        let messages = receiver.messages();
        assert!(!messages.is_empty());
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

#[test]
fn nothing_in_the_store_can_be_replayed() {
    let server = Setup::new()
        .set("clients.web.retry_window", "0s")
        .set("clients.browser.refresh_transport", "cookie")
        .start();
    let secrets = use_everything(&server.client());
    let mut looked_at = 0;
    for entry in std::fs::read_dir(server.file("")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            secrets.are_not_in(&path.display().to_string(), &text);
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}
