//! The service as its app sees it: over HTTP, with a clock that is moved by hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here is a test that fails"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use aquaware_core::testing::ManualClock;
use aquaware_core::time::Timestamp;
use aquaware_verifier::Verifier;
use own_users::users::{User, Users};
use own_users::{Service, router};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use ureq::Agent;

const ISSUER: &str = "https://auth.example.com";
const ANN: &str = "ann@example.com";
/// As the app makes one for each refresh.
const KEY: &str = "4e1c5a0e-6f0b-4c7e-9f5a";

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service on a port of its own, and the mailbox that its codes arrive in.
struct Running {
    address: SocketAddr,
    clock: Arc<ManualClock>,
    mailbox: Receiver<(String, String)>,
    agent: Agent,
    _runtime: Runtime,
}

struct Answer {
    status: u16,
    challenge: String,
    body: Value,
}

impl Answer {
    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap()
    }
}

fn ann(plan: &str) -> User {
    User { id: 7, email: ANN.to_owned(), plan: plan.to_owned() }
}

impl Running {
    fn start(directory: &Path, clock: Arc<ManualClock>, users: Vec<User>) -> Self {
        let (sent, mailbox) = sync_channel(0);
        // It takes until somebody looks into the mailbox.
        let mailer = move |email: &str, code: &str| {
            let _ = sent.send((email.to_owned(), code.to_owned()));
        };
        let users = Users::new(users);
        let service = Service::open(directory, ISSUER, users, clock.clone(), Box::new(mailer));
        let router = router(Arc::new(service.unwrap()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        drop(runtime.spawn(async move { axum::serve(listener, router).await }));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { address, clock, mailbox, agent: agent.into(), _runtime: runtime }
    }

    /// The same service started anew, with what its user table has become.
    fn restart(self, directory: &Path, users: Vec<User>) -> Self {
        let clock = Arc::clone(&self.clock);
        drop(self);
        Self::start(directory, clock, users)
    }

    fn post(&self, path: &str, fields: &[(&str, &str)], key: Option<&str>) -> Answer {
        let request = self.agent.post(format!("http://{}{path}", self.address));
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        read(request.send_form(fields.iter().copied()).unwrap())
    }

    fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        let request = match token {
            Some(token) => request.header("authorization", format!("bearer {token}")),
            None => request,
        };
        read(request.call().unwrap())
    }

    fn code(&self) -> String {
        assert_eq!(self.post("/login/code", &[("email", ANN)], None).status, 202);
        let (to, code) = self.mailbox.recv_timeout(PATIENCE).unwrap();
        assert_eq!(to, ANN);
        code
    }

    fn sends_nothing(&self) -> bool {
        self.mailbox.recv_timeout(Duration::from_millis(200)).is_err()
    }

    fn log_in(&self) -> Answer {
        let answer = self.post("/login", &[("email", ANN), ("code", &self.code())], None);
        assert_eq!(answer.status, 200);
        answer
    }

    fn refresh(&self, token: &str, key: Option<&str>) -> Answer {
        self.post("/refresh", &[("refresh_token", token)], key)
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    let text = response.body_mut().read_to_string().unwrap();
    Answer {
        status: response.status().as_u16(),
        challenge: challenge.unwrap_or_default(),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
    }
}

fn start() -> (TempDir, Running) {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_790_000_000)));
    let running = Running::start(directory.path(), clock, vec![ann("reef")]);
    (directory, running)
}

#[test]
fn a_code_lets_in_once_and_only_whom_it_was_sent_to() {
    let (_directory, service) = start();
    let log_in =
        |email, code: &str| service.post("/login", &[("email", email), ("code", code)], None);
    let code = service.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(log_in(ANN, wrong).status, 401);
    assert_eq!(log_in("bob@example.com", &code).status, 401);
    let answer = log_in(ANN, &code);
    assert_eq!((answer.status, answer.body["expires_in"].as_u64()), (200, Some(300)));
    assert_eq!(log_in(ANN, &code).status, 401, "it is used up");

    let late = service.code();
    let _ = service.clock.advance(Duration::from_secs(600));
    assert_eq!(log_in(ANN, &late).status, 401);

    let unknown = service.post("/login/code", &[("email", "bob@example.com")], None);
    assert_eq!(unknown.status, 202, "nobody learns who has an account");
    assert!(service.sends_nothing());
}

#[test]
fn asking_for_more_codes_buys_no_more_guesses() {
    let (_directory, service) = start();
    let log_in = |code: &str| service.post("/login", &[("email", ANN), ("code", code)], None);
    let ask = || assert_eq!(service.post("/login/code", &[("email", ANN)], None).status, 202);
    let wrong = |code: &str| if code == "000000" { "000001" } else { "000000" };

    let first = service.code();
    for _ in 0..3 {
        assert_eq!(log_in(wrong(&first)).status, 401);
    }
    ask();
    assert!(service.sends_nothing(), "within a minute the code stays");
    let _ = service.clock.advance(Duration::from_secs(60));
    let second = service.code();
    assert_eq!(log_in(wrong(&second)).status, 401);
    assert_eq!(log_in(wrong(&second)).status, 401);
    assert_eq!(log_in(&second).status, 401, "guessed at five times");

    let _ = service.clock.advance(Duration::from_secs(599));
    ask();
    assert!(service.sends_nothing(), "no other until it has run out");
    let _ = service.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in(&service.code()).status, 200);
}

#[test]
fn the_protected_route_lets_in_good_tokens_alone() {
    let (_directory, service) = start();
    let granted = service.log_in();
    let answer = service.get("/tank", Some(granted.text("access_token")));
    assert_eq!((answer.status, answer.text("tank_of"), answer.text("plan")), (200, ANN, "reef"));

    let nobody = service.get("/tank", None);
    assert_eq!((nobody.status, nobody.challenge.as_str()), (401, "Bearer"));
    let other_type = service.get("/tank", Some(granted.text("refresh_token")));
    assert_eq!(other_type.status, 401);
    assert!(other_type.challenge.contains("invalid_token"), "{}", other_type.challenge);
    let _ = service.clock.advance(Duration::from_secs(300));
    assert_eq!(service.get("/tank", Some(granted.text("access_token"))).status, 401);
}

#[test]
fn a_lost_answer_is_given_again_and_a_theft_ends_the_session() {
    let (_directory, service) = start();
    let first = service.log_in();
    let first = first.text("refresh_token");
    let second = service.refresh(first, Some(KEY));
    assert_eq!(second.status, 200);
    let second = second.text("refresh_token");
    assert_ne!(first, second);

    // Long after the retry window, under the key of the first attempt.
    let _ = service.clock.advance(Duration::from_secs(24 * 3600));
    let again = service.refresh(first, Some(KEY));
    assert_eq!((again.status, again.text("refresh_token")), (200, second));
    assert_eq!(service.get("/tank", Some(again.text("access_token"))).status, 200);
    assert_eq!(service.refresh(second, Some("white space")).status, 400);

    // Somebody who has the token, and not the key.
    assert_eq!(service.refresh(first, None).status, 401);
    assert_eq!(service.refresh(second, Some(KEY)).status, 401, "the session is over");
    assert_eq!(service.refresh("garbage", None).status, 401);
}

#[test]
fn logging_out_ends_the_session_at_once_and_its_access_token_within_five_minutes() {
    let (_directory, service) = start();
    let granted = service.log_in();
    let (access, refresh) = (granted.text("access_token"), granted.text("refresh_token"));
    assert_eq!(service.post("/logout", &[("refresh_token", refresh)], None).status, 204);
    assert_eq!(service.refresh(refresh, None).status, 401);
    assert_eq!(service.get("/tank", Some(access)).status, 200);
    let _ = service.clock.advance(Duration::from_secs(300));
    assert_eq!(service.get("/tank", Some(access)).status, 401);
    assert_eq!(service.post("/logout", &[("refresh_token", "garbage")], None).status, 204);
}

#[test]
fn a_restart_logs_nobody_out() {
    let (directory, service) = start();
    let granted = service.log_in();
    let service = service.restart(directory.path(), vec![ann("reef")]);
    assert_eq!(service.get("/tank", Some(granted.text("access_token"))).status, 200);
    assert_eq!(service.refresh(granted.text("refresh_token"), None).status, 200);
}

#[test]
fn another_plan_is_in_the_tokens_of_the_next_refresh() {
    let (directory, service) = start();
    let (phone, laptop) = (service.log_in(), service.log_in());
    let service = service.restart(directory.path(), vec![ann("ocean")]);
    for session in [phone, laptop] {
        let plan = |answer: &Answer| {
            let tank = service.get("/tank", Some(answer.text("access_token")));
            tank.text("plan").to_owned()
        };
        assert_eq!(plan(&session), "reef");
        let renewed = service.refresh(session.text("refresh_token"), Some(KEY));
        assert_eq!(plan(&renewed), "ocean");
        assert_eq!(plan(&service.refresh(renewed.text("refresh_token"), None)), "ocean");
    }
}

#[test]
fn the_first_refresh_of_a_user_who_is_gone_ends_all_their_sessions() {
    let (directory, service) = start();
    let (phone, laptop) = (service.log_in(), service.log_in());
    let service = service.restart(directory.path(), Vec::new());
    assert_eq!(service.get("/tank", Some(phone.text("access_token"))).status, 401);
    assert_eq!(service.refresh(phone.text("refresh_token"), None).status, 401);
    // Even if the user came back.
    let service = service.restart(directory.path(), vec![ann("reef")]);
    for session in [phone, laptop] {
        assert_eq!(service.refresh(session.text("refresh_token"), None).status, 401);
    }
}

#[test]
fn another_service_checks_its_tokens_with_the_key_set_alone() {
    let (_directory, service) = start();
    let granted = service.log_in();
    let keys = service.get("/.well-known/jwks.json", None).body.to_string();
    let verifier = Verifier::builder(ISSUER, ISSUER)
        .clock(service.clock.clone())
        .key_set(keys.as_bytes())
        .unwrap();
    let claims = verifier.verify(granted.text("access_token")).unwrap();
    assert_eq!((claims.sub.as_str(), &claims.extra["plan"]), ("7", &Value::from("reef")));
    assert!(verifier.verify(granted.text("refresh_token")).is_err());
}
