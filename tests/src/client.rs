//! A client of the server, with a method for each request of the contract.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::call::Call;
use crate::jws::Jws;
use crate::person::Person;
use crate::response::Response;

/// An HTTP client of one address. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
}

/// The tokens returned by a login or a refresh.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token, if the body contains one.
    pub refresh: Option<String>,
    /// The session's id.
    pub session: String,
    /// The whole body.
    pub body: Value,
}

impl Tokens {
    /// The tokens in a response, which must be a success.
    #[must_use]
    #[track_caller]
    pub fn of(response: &Response) -> Self {
        response.is(200);
        let body = response.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            access: text("access_token").unwrap_or_else(|| panic!("{}", response.describe())),
            refresh: text("refresh_token"),
            session: text("session_id").unwrap_or_else(|| panic!("{}", response.describe())),
            body,
        }
    }

    /// The refresh token, which must be present.
    #[must_use]
    #[track_caller]
    pub fn refresh(&self) -> &str {
        self.refresh.as_deref().unwrap_or_else(|| panic!("no refresh token: {}", self.body))
    }

    /// The generation in the refresh token.
    #[must_use]
    #[track_caller]
    pub fn generation(&self) -> u64 {
        Jws::read(self.refresh()).number("gen")
    }
}

impl Client {
    /// A client that keeps its connections.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self::new(address, 16)
    }

    /// A client that opens a connection for each request.
    #[must_use]
    pub fn without_pool(address: SocketAddr) -> Self {
        Self::new(address, 0)
    }

    fn new(address: SocketAddr, idle: usize) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .user_agent("aquaware-tests")
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .proxy(None)
            .build();
        Self { agent: Agent::new_with_config(config), base: format!("http://{address}") }
    }

    /// A request of any method.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.agent.clone(), self.base.clone(), method, path)
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// Creates an account.
    #[must_use]
    #[track_caller]
    pub fn sign_up(&self, person: &Person) -> Response {
        self.post("/auth/signup")
            .json(&json!({ "email": person.email, "password": person.password }))
            .send()
    }

    /// A new person with an account.
    #[must_use]
    #[track_caller]
    pub fn new_person(&self) -> Person {
        let person = Person::new();
        self.sign_up(&person).is(201);
        person
    }

    /// Tries to log in.
    #[must_use]
    #[track_caller]
    pub fn try_log_in(&self, email: &str, password: &str) -> Response {
        self.post("/auth/login").json(&json!({ "email": email, "password": password })).send()
    }

    /// Logs in as the client `web`.
    #[must_use]
    #[track_caller]
    pub fn log_in(&self, person: &Person) -> Tokens {
        Tokens::of(&self.try_log_in(&person.email, &person.password))
    }

    /// Logs in as this client.
    #[must_use]
    #[track_caller]
    pub fn log_in_as(&self, person: &Person, client: &str) -> Tokens {
        let body = json!({
            "email": person.email, "password": person.password, "client_id": client,
        });
        Tokens::of(&self.post("/auth/login").json(&body).send())
    }

    /// A new person with an account and a session.
    #[must_use]
    #[track_caller]
    pub fn new_session(&self) -> (Person, Tokens) {
        let person = self.new_person();
        let tokens = self.log_in(&person);
        (person, tokens)
    }

    /// A refresh that is not sent yet.
    pub fn refresh_call(&self, token: &str, key: Option<&str>) -> Call {
        self.post("/auth/refresh").key(key).json(&json!({ "refresh_token": token }))
    }

    /// Presents a refresh token.
    #[must_use]
    #[track_caller]
    pub fn refresh(&self, token: &str, key: Option<&str>) -> Response {
        self.refresh_call(token, key).send()
    }

    /// Presents a refresh token, which must be valid.
    #[must_use]
    #[track_caller]
    pub fn refreshed(&self, token: &str, key: Option<&str>) -> Tokens {
        Tokens::of(&self.refresh(token, key))
    }

    /// Requests the bearer's account.
    #[must_use]
    #[track_caller]
    pub fn me(&self, access: &str) -> Response {
        self.get("/auth/me").bearer(access).send()
    }

    /// The bearer's sessions.
    #[must_use]
    #[track_caller]
    pub fn sessions(&self, access: &str) -> Vec<Value> {
        let response = self.get("/auth/sessions").bearer(access).send().expect(200);
        response.member("sessions").as_array().expect("a list").clone()
    }

    /// Logs out with a refresh token.
    #[must_use]
    #[track_caller]
    pub fn log_out(&self, refresh: &str) -> Response {
        self.post("/auth/logout").json(&json!({ "refresh_token": refresh })).send()
    }
}
