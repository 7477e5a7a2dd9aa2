//! HTTP as the demo uses it: requests and responses as data, so that they can be printed.

use std::io;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, StatusCode};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

/// Generous, for a machine that is busy with other things.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<Value>,
    /// The device or person that sends it.
    pub(super) sender: &'static str,
}

impl Request {
    pub(super) fn get(sender: &'static str, path: &'static str) -> Self {
        let (method, headers) = (Method::GET, Map::new());
        Self { method, path, headers, body: None, sender }
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

/// Sends requests to the server at one address.
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    /// As in `http://127.0.0.1:8080`; also the issuer of the server's tokens.
    pub(super) base: String,
}

impl Client {
    pub(super) fn new(base: String) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let http = local(reqwest::Client::builder())
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .user_agent("aquaware-demo")
            .build();
        Ok(Self { http: http.map_err(io::Error::other)?, runtime, base })
    }

    /// Sends a request. Every status is a response, not an error.
    pub(super) fn send(&self, request: &Request) -> Result<Response, reqwest::Error> {
        let uri = format!("{}{}", self.base, request.path);
        let mut builder = self.http.request(request.method.clone(), uri);
        for (name, value) in &request.headers {
            builder = builder.header(name, value.as_str().unwrap_or_default());
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.to_string());
        }
        self.wait(async {
            let response = builder.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let text = response.text().await?;
            let body = match serde_json::from_str(&text) {
                Ok(json) => json,
                Err(_) if text.is_empty() => Value::Null,
                Err(_) => Value::String(text),
            };
            Ok(Response { status, headers, body })
        })
    }

    /// Waits for a call of the client library.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }
}

/// For a server on this machine: a proxy from the environment must not see the requests, certificates
/// are not needed, and connections do not wait while the demo pauses.
pub(super) fn local(http: ClientBuilder) -> ClientBuilder {
    http.no_proxy().tls_certs_only([]).pool_max_idle_per_host(0)
}
