//! HTTP as the demo uses it: requests and responses as data, so that they can be printed.

use std::time::Duration;

use serde_json::{Map, Value};
use ureq::http::{self, HeaderMap, Method, StatusCode};

/// Generous, for a machine that is busy with other things.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<Value>,
    /// The device or person that sends it.
    pub(super) sender: &'static str,
    /// Whether the client never receives the response.
    pub(super) loses_response: bool,
}

impl Request {
    pub(super) fn get(sender: &'static str, path: &'static str) -> Self {
        let (method, headers) = (Method::GET, Map::new());
        Self { method, path, headers, body: None, sender, loses_response: false }
    }

    pub(super) fn post(sender: &'static str, path: &'static str) -> Self {
        Self { method: Method::POST, ..Self::get(sender, path) }
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self.header("Content-Type", "application/json")
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// The same request with an access token (RFC 6750 §2.1).
    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }
}

pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// JSON, or any other text as a string; `null` if empty.
    pub(super) body: Value,
}

impl Response {
    /// A header as text; empty if it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A member of the body; `null` if it is missing.
    pub(super) fn field(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }
}

/// A client of the server at one address.
pub(super) struct Client {
    agent: ureq::Agent,
    /// As in `http://127.0.0.1:8080`; also the issuer of the server's tokens.
    pub(super) base: String,
}

impl Client {
    pub(super) fn new(base: String) -> Self {
        // A proxy from the environment must not see requests to this machine.
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .user_agent("aquaware-demo")
            .timeout_global(Some(TIMEOUT))
            .build();
        Self { agent: config.into(), base }
    }

    /// Sends a request. Every status is a response, not an error.
    pub(super) fn send(&self, request: &Request) -> Result<Response, ureq::Error> {
        let uri = format!("{}{}", self.base, request.path);
        let mut builder = http::Request::builder().method(request.method.clone()).uri(uri);
        for (name, value) in &request.headers {
            builder = builder.header(name, value.as_str().unwrap_or_default());
        }
        let mut response = match &request.body {
            Some(body) => self.agent.run(builder.body(body.to_string())?),
            None => self.agent.run(builder.body(())?),
        }?;
        let text = response.body_mut().read_to_string()?;
        let body = match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Ok(Response { status: response.status(), headers: response.headers().clone(), body })
    }
}
