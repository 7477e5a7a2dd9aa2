//! The rules of `docs/protocol.md`, against a server that answers as each test tells it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the test server is part of the tests"
)]

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquaware_client::reqwest::ClientBuilder;
use aquaware_client::reqwest::redirect::Policy;
use aquaware_client::{AccessToken, Builder, Client, Error, MemoryStorage, Reason, Storage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the server does with a request.
#[derive(Clone, Debug)]
enum Plan {
    /// Status, further headers and body.
    Answer(u16, &'static str, String),
    /// The first half of the answer arrives.
    Half(u16, String),
    /// The connection is closed without an answer.
    Lost,
    /// No answer at all.
    Silent,
    /// No answer until the test permits it, then a success.
    Late(Arc<Notify>),
    /// The same, then a refusal.
    LateRefusal(Arc<Notify>),
}

fn problem(status: u16, code: &str) -> Plan {
    Plan::Answer(status, "", format!("{{\"code\":\"{code}\"}}"))
}

fn tokens(number: usize) -> String {
    session_tokens(number, "s")
}

fn session_tokens(number: usize, session: &str) -> String {
    format!(
        "{{\"access_token\":\"a{number}\",\"refresh_token\":\"r{number}\",\"expires_in\":300,\
         \"session_id\":\"{session}\"}}"
    )
}

/// A server that follows its plan, and then grants every request.
#[derive(Clone, Debug, Default)]
struct Server {
    plan: Arc<Mutex<VecDeque<Plan>>>,
    requests: Arc<Mutex<Vec<String>>>,
    issued: Arc<Mutex<usize>>,
}

impl Server {
    async fn start() -> (Self, String) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ours = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ours = ours.clone();
                tokio::spawn(async move { ours.answer(stream).await });
            }
        });
        (server, url)
    }

    fn plans(&self, plans: impl IntoIterator<Item = Plan>) {
        self.plan.lock().unwrap().extend(plans);
    }

    fn granted(&self) -> Plan {
        let mut issued = self.issued.lock().unwrap();
        *issued += 1;
        Plan::Answer(200, "", tokens(*issued))
    }

    /// One request per connection.
    async fn answer(&self, mut stream: TcpStream) {
        let request = read(&mut stream).await;
        self.requests.lock().unwrap().push(request);
        let planned = self.plan.lock().unwrap().pop_front();
        let plan = match planned {
            Some(Plan::Silent) => std::future::pending().await,
            Some(Plan::Late(permitted)) => {
                permitted.notified().await;
                self.granted()
            }
            Some(Plan::LateRefusal(permitted)) => {
                permitted.notified().await;
                problem(401, "session_revoked")
            }
            other => other.unwrap_or_else(|| self.granted()),
        };
        let text = match plan {
            Plan::Answer(status, headers, body) => response(status, headers, &body),
            Plan::Half(status, body) => {
                let whole = response(status, "", &body);
                whole[..whole.len() - body.len() / 2].to_owned()
            }
            Plan::Lost | Plan::Silent | Plan::Late(_) | Plan::LateRefusal(_) => return,
        };
        let _ = stream.write_all(text.as_bytes()).await;
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The keys of all requests since the login.
    fn keys(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let key = |request: &String| {
            let line = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
            line.unwrap_or_default().to_owned()
        };
        requests.iter().skip(1).map(key).collect()
    }
}

fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

/// A request and its body, which is short.
async fn read(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        text.extend_from_slice(&buffer[..count]);
        let whole = String::from_utf8_lossy(&text).to_lowercase();
        let length = whole.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |it| it.trim().parse().unwrap());
        let is_complete =
            whole.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length);
        if is_complete || count == 0 {
            return String::from_utf8(text).unwrap();
        }
    }
}

/// A storage that tests can look into, and that can fail.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<MemoryStorage>, Arc<AtomicBool>);

impl Shared {
    fn text(&self) -> String {
        self.0.load().unwrap().unwrap_or_default()
    }

    fn key(&self) -> String {
        let text = self.text();
        text.split_once("\"key\":\"").unwrap().1.split('"').next().unwrap().to_owned()
    }
}

impl Storage for Shared {
    fn load(&self) -> io::Result<Option<String>> {
        self.0.load()
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            return Err(io::Error::other("full"));
        }
        self.0.save(text)
    }
}

fn builder(url: &str, storage: &Shared) -> Builder {
    let builder = Client::builder(url).storage(storage.clone());
    // A busy machine must not make a request fail, which would be repeated.
    builder.timeout(Duration::from_secs(60)).backoff(Duration::from_micros(100))
}

/// A client that has logged in, and its access token.
async fn logged_in() -> (Server, String, Shared, Client, AccessToken) {
    let (server, url) = Server::start().await;
    let storage = Shared::default();
    let client = builder(&url, &storage).build().unwrap();
    client.login("ann@example.com", "seven blue snails").await.unwrap();
    let token = client.token().await.unwrap();
    (server, url, storage, client, token)
}

#[tokio::test]
async fn the_key_is_stored_beside_the_token_before_the_first_attempt() {
    let (server, _, storage, client, token) = logged_in().await;
    assert_eq!(token.as_str(), "a1");
    let key = storage.key();
    assert_eq!(client.refresh(&token).await.unwrap().as_str(), "a2");
    assert_eq!(server.keys(), std::slice::from_ref(&key));
    assert!(storage.text().contains("\"refresh\":\"r2\""));
    assert_ne!(storage.key(), key);
    assert_eq!(client.token().await.unwrap().as_str(), "a2");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn every_unknown_outcome_is_retried_with_the_same_key() {
    let (server, url, storage, _, token) = logged_in().await;
    let client = builder(&url, &storage).timeout(Duration::from_secs(3)).build().unwrap();
    let key = storage.key();
    let html = || "<html>".to_owned();
    server.plans([
        Plan::Lost,
        Plan::Silent,
        Plan::Answer(502, "", html()),
        Plan::Answer(503, "retry-after: 0\r\n", html()),
        problem(429, "rate_limited"),
        problem(500, "internal_error"),
        Plan::Answer(504, "", String::new()),
        Plan::Answer(200, "", html()),
        Plan::Half(200, tokens(9)),
        Plan::Answer(200, "", tokens(1)),
        Plan::Answer(200, "", session_tokens(8, "other")),
    ]);
    assert!(client.refresh(&token).await.is_ok());
    assert_eq!(server.keys(), vec![key; 12]);
}

#[tokio::test]
async fn the_four_codes_end_the_session_and_nothing_else_does() {
    let (server, url, storage, client, token) = logged_in().await;
    for (status, code) in
        [(400, "invalid_request"), (401, "proxy"), (401, ""), (403, "session_revoked"), (307, "")]
    {
        server.plans([problem(status, code)]);
        let error = client.refresh(&token).await.unwrap_err();
        let expected = |it: &Error| matches!(it, Error::Rejected { status: s, code: c } if *s == status && c == code);
        assert!(expected(&error), "{error:?}");
        assert!(storage.text().contains("r1"));
    }
    for reason in [Reason::Expired, Reason::Reused, Reason::Revoked, Reason::Invalid] {
        client.adopt("r0").await.unwrap();
        server.plans([problem(401, reason.as_str())]);
        let error = client.token().await.unwrap_err();
        assert!(
            matches!(error, Error::LoggedOut { reason: Some(it) } if it == reason),
            "{error:?}"
        );
        assert!(!client.is_logged_in().await.unwrap());
        let error = client.send(client.http().get(&url).build().unwrap()).await.unwrap_err();
        assert!(matches!(error, Error::LoggedOut { reason: None }), "{error:?}");
    }
}

#[tokio::test]
async fn a_call_gives_up_after_its_patience_and_the_next_continues() {
    let (server, url, storage, _, token) = logged_in().await;
    let client = builder(&url, &storage).patience(Duration::from_secs(2)).build().unwrap();
    let key = storage.key();
    server.plans([Plan::Answer(503, "retry-after: 6\r\n", String::new())]);
    let start = Instant::now();
    for _ in 0..2 {
        assert!(matches!(client.refresh(&token).await, Err(Error::Unavailable)));
    }
    assert_eq!(server.keys().len(), 1, "it does not ask before Retry-After is over");
    tokio::time::sleep_until((start + Duration::from_secs(6)).into()).await;
    assert!(client.refresh(&token).await.is_ok());
    assert_eq!(server.keys(), vec![key; 2]);
}

#[tokio::test]
async fn a_call_without_patience_makes_one_attempt() {
    let (server, url, storage, _, token) = logged_in().await;
    let impatient = builder(&url, &storage).patience(Duration::ZERO).backoff(Duration::ZERO);
    let client = impatient.build().unwrap();
    let before = server.count();
    server.plans([Plan::Lost]);
    assert!(matches!(client.refresh(&token).await, Err(Error::Unavailable)));
    assert_eq!(server.count(), before + 1);
    client.refresh(&token).await.unwrap();
    assert_eq!(server.count(), before + 2);
}

#[tokio::test]
async fn calls_of_one_process_share_one_refresh() {
    let (server, _, _, client, token) = logged_in().await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (client, token) = (client.clone(), token.clone());
            tokio::spawn(async move { client.refresh(&token).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().as_str(), "a2");
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn processes_that_renew_at_once_use_one_key_and_the_later_answer_replaces_nothing() {
    let (server, url, storage, client, token) = logged_in().await;
    let other = builder(&url, &storage).build().unwrap();
    let key = storage.key();
    let permission = Arc::new(Notify::new());
    server.plans([Plan::Late(Arc::clone(&permission))]);
    let (ours, rejected) = (client.clone(), token.clone());
    let slow = tokio::spawn(async move { ours.refresh(&rejected).await });
    while server.count() < 2 {
        tokio::task::yield_now().await;
    }
    other.refresh(&token).await.unwrap();
    let text = storage.text();
    permission.notify_one();
    assert!(slow.await.unwrap().is_ok());
    assert_eq!(storage.text(), text);
    assert_eq!(server.keys(), vec![key; 2]);
    assert_eq!(client.token().await.unwrap(), other.token().await.unwrap());
}

#[tokio::test]
async fn an_answer_that_arrives_after_the_logout_is_not_stored() {
    let (server, _, storage, client, token) = logged_in().await;
    let permission = Arc::new(Notify::new());
    server.plans([Plan::Late(Arc::clone(&permission)), Plan::Answer(204, "", String::new())]);
    let ours = client.clone();
    let slow = tokio::spawn(async move { ours.refresh(&token).await });
    while server.count() < 2 {
        tokio::task::yield_now().await;
    }
    client.logout().await.unwrap();
    permission.notify_one();
    assert!(matches!(slow.await.unwrap(), Err(Error::LoggedOut { reason: None })));
    assert_eq!(storage.text(), "");
}

#[tokio::test]
async fn an_answer_for_an_earlier_session_changes_nothing() {
    for plan in [Plan::Late as fn(Arc<Notify>) -> Plan, Plan::LateRefusal] {
        let (server, _, storage, client, token) = logged_in().await;
        let permission = Arc::new(Notify::new());
        server.plans([plan(Arc::clone(&permission))]);
        let ours = client.clone();
        let slow = tokio::spawn(async move { ours.refresh(&token).await });
        while server.count() < 2 {
            tokio::task::yield_now().await;
        }
        client.adopt("s1").await.unwrap();
        let key = storage.key();
        permission.notify_one();
        assert!(slow.await.unwrap().is_ok());
        assert!(client.token().await.is_ok());
        assert_eq!(server.keys().last(), Some(&key), "the session of s1 continues");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_saved_is_not_used() {
    let (server, _, storage, client, token) = logged_in().await;
    let key = storage.key();
    storage.1.store(true, Ordering::SeqCst);
    assert!(matches!(client.refresh(&token).await, Err(Error::Storage(_))));
    storage.1.store(false, Ordering::SeqCst);
    assert!(client.refresh(&token).await.is_ok());
    assert_eq!(server.keys(), vec![key; 2]);
}

#[tokio::test]
async fn a_profile_without_rotation_keeps_its_refresh_token() {
    let (server, _, storage, client, token) = logged_in().await;
    let body = "{\"access_token\":\"a2\",\"expires_in\":300,\"session_id\":\"s\"}".to_owned();
    server.plans([Plan::Answer(200, "", body)]);
    assert_eq!(client.refresh(&token).await.unwrap().as_str(), "a2");
    assert!(storage.text().contains("\"refresh\":\"r1\""));
}

#[tokio::test]
async fn a_request_is_sent_again_once_after_a_401_and_only_to_listed_origins() {
    let (server, url, storage, client, _) = logged_in().await;
    let request = || client.http().post(format!("{url}/api")).body("fish").build().unwrap();
    server.plans([problem(401, "invalid_token")]);
    assert_eq!(client.send(request()).await.unwrap().status(), 200);
    let sent = server.requests.lock().unwrap().clone();
    assert!(sent[1].contains("authorization: Bearer a1") && sent[1].ends_with("fish"));
    assert!(sent[3].contains("authorization: Bearer a2") && sent[3].ends_with("fish"));

    let (other, elsewhere) = Server::start().await;
    let request = |client: &Client| client.http().get(&elsewhere).build().unwrap();
    let refused = client.send(request(&client)).await;
    assert!(matches!(refused, Err(Error::ForbiddenOrigin { .. })));
    assert_eq!(other.count(), 0);
    let listed = builder(&url, &storage).origin(&elsewhere).build().unwrap();
    assert_eq!(listed.send(request(&listed)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_401_whose_challenge_is_not_about_the_token_is_returned_at_once() {
    let (server, url, _, client, _) = logged_in().await;
    let request = || client.http().delete(format!("{url}/auth/me")).body("guess").build().unwrap();
    let realm = "www-authenticate: Bearer realm=\"api\"\r\n";
    let basic = "www-authenticate: Basic realm=\"api\"\r\n";
    for headers in [realm, basic] {
        server.plans([Plan::Answer(401, headers, String::new())]);
        assert_eq!(client.send(request()).await.unwrap().status(), 401);
    }
    assert_eq!(server.count(), 3);
    let both = "www-authenticate: Basic\r\nwww-authenticate: Bearer error=\"invalid_token\"\r\n";
    server.plans([Plan::Answer(401, both, String::new())]);
    assert_eq!(client.send(request()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn redirects_do_not_receive_the_refresh_token() {
    let (server, url, storage, client, token) = logged_in().await;
    let (other, elsewhere) = Server::start().await;
    let location: &'static str = format!("location: {elsewhere}/auth/refresh\r\n").leak();
    let settings = |http: ClientBuilder| http.redirect(Policy::limited(5));
    for client in [client, builder(&url, &storage).build_with(settings).unwrap()] {
        server.plans([Plan::Answer(307, location, String::new())]);
        assert!(matches!(client.refresh(&token).await, Err(Error::Rejected { status: 307, .. })));
    }
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn failed_logins_report_the_code_and_store_nothing() {
    let (server, url) = Server::start().await;
    let storage = Shared::default();
    let client = builder(&url, &storage).device_name("tank").build().unwrap();
    server.plans([problem(401, "invalid_credentials"), Plan::Lost]);
    let error = client.login("ann@example.com", "x").await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered 401: invalid_credentials");
    assert!(matches!(client.login("a", "x").await, Err(Error::Unavailable)));
    assert_eq!((storage.text(), server.count()), (String::new(), 2));
    assert!(server.requests.lock().unwrap()[0].contains("\"device_name\":\"tank\""));
}

#[test]
fn an_issuer_that_is_not_a_url_is_rejected() {
    for issuer in ["", "login.example.com", "ftp://x", "file:///etc"] {
        assert!(Client::builder(issuer).build().is_err(), "{issuer}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (_server, _, _, client, token) = logged_in().await;
    let shown = format!("{client:?} {token:?}");
    assert!(!shown.contains("a1") && !shown.contains("r1"), "{shown}");
}
