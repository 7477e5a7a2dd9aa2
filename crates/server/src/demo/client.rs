//! HTTP as the journey sees it: a call and its answer as data, so that both can be told and
//! checked.
//!
//! The steps talk to a [`World`], which is a server over TCP here and canned answers in the tests.
//! Nothing in this file is made fit for printing: that is done where things are told.

use std::time::Duration;

use aquaware_core::time::{Clock as _, Timestamp};
use serde_json::Value;
use thiserror::Error;
use ureq::http;

use aquaware_core::time::SystemClock;

/// What the journey needs of the world around it.
pub(super) trait World: Sync {
    /// Sends `call` and waits for the answer. Every status is an answer.
    fn send(&self, call: &Call) -> Result<Answer, Unanswered>;

    /// Lets time pass.
    fn wait(&self, span: Duration);

    /// The time now.
    fn now(&self) -> Timestamp;

    /// The server's address, which is also the issuer of its tokens.
    fn base(&self) -> &str;
}

/// No answer came, or none that is HTTP.
#[derive(Debug, Error)]
#[error("no answer from the server: {0}")]
pub(super) struct Unanswered(pub(super) String);

/// How much of an exchange is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// All of it.
    Whole,
    /// That it happened, and how it went.
    Brief,
    /// All of it, and that the client never sees the answer.
    Lost,
}

/// One request.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Who sends it, where that matters to the story.
    pub(super) by: Option<String>,
    pub(super) telling: Telling,
}

impl Call {
    /// A GET of `path`.
    pub(super) fn get(path: &str) -> Self {
        Self::new(http::Method::GET, path)
    }

    /// A POST of `body` to `path`.
    pub(super) fn post(path: &str, body: Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { headers, body: Some(body), ..Self::new(http::Method::POST, path) }
    }

    /// A POST to `path` that says everything in its headers.
    pub(super) fn bare_post(path: &str) -> Self {
        Self::new(http::Method::POST, path)
    }

    fn new(method: http::Method, path: &str) -> Self {
        let path = path.to_owned();
        Self { method, path, headers: Vec::new(), body: None, by: None, telling: Telling::Whole }
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with an access token (RFC 6750 §2.1).
    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// The same, sent by somebody in particular.
    pub(super) fn by(mut self, who: impl Into<String>) -> Self {
        self.by = Some(who.into());
        self
    }

    /// The same, told in a line.
    pub(super) fn briefly(mut self) -> Self {
        self.telling = Telling::Brief;
        self
    }

    /// The same, with an answer that gets lost.
    pub(super) fn lost(mut self) -> Self {
        self.telling = Telling::Lost;
        self
    }
}

/// One answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In the order they came in; names as the server wrote them, in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// JSON as such, any other text as a string, an empty body as nothing.
    pub(super) body: Option<Value>,
}

impl Answer {
    /// The first header called `name`, in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// The member `name` of the body; `null` where there is none.
    pub(super) fn field(&self, name: &str) -> &Value {
        self.body.as_ref().and_then(|body| body.get(name)).unwrap_or(&Value::Null)
    }
}

/// The server at an address, over plain HTTP.
pub(super) struct Http {
    agent: ureq::Agent,
    base: String,
}

impl Http {
    /// Long enough for a machine that is busy with other things.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A client of the server at `base`, as in `http://127.0.0.1:8080`.
    pub(super) fn new(base: String) -> Self {
        // A proxy named in the environment has no business on the loopback.
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .user_agent("aquaware-demo")
            .timeout_global(Some(Self::PATIENCE))
            .build();
        Self { agent: config.into(), base }
    }

    fn exchange(&self, call: &Call) -> Result<Answer, ureq::Error> {
        let uri = format!("{}{}", self.base, call.path);
        let mut request = http::Request::builder().method(call.method.clone()).uri(uri);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let mut response = match &call.body {
            Some(body) => self.agent.run(request.body(body.to_string())?),
            None => self.agent.run(request.body(())?),
        }?;
        let text = response.body_mut().read_to_string()?;
        let headers = response.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Ok(Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: body_of(text),
        })
    }
}

impl World for Http {
    fn send(&self, call: &Call) -> Result<Answer, Unanswered> {
        self.exchange(call).map_err(|error| Unanswered(error.to_string()))
    }

    fn wait(&self, span: Duration) {
        #[allow(clippy::disallowed_methods, reason = "real tokens expire in real time")]
        std::thread::sleep(span);
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn base(&self) -> &str {
        &self.base
    }
}

fn body_of(text: String) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::*;

    /// Answers one request with `reply` and gives what was asked.
    fn served(call: &Call, reply: &'static str) -> (String, Result<Answer, Unanswered>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(reply.as_bytes()).unwrap();
            format!("{lower}{}", String::from_utf8(body).unwrap())
        });
        let answer = Http::new(base).send(call);
        (server.join().unwrap(), answer)
    }

    #[test]
    fn a_refusal_is_an_answer_like_any_other() {
        let call = Call::get("/auth/me").bearer("abc");
        let reply = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"aquaware\"\r\n\
                     Content-Length: 14\r\n\r\n{\"code\":\"bad\"}";
        let (asked, answer) = served(&call, reply);
        let answer = answer.unwrap();
        assert!(asked.starts_with("get /auth/me http/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: bearer abc\r\n"), "{asked}");
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"aquaware\""));
        assert_eq!(answer.field("code"), "bad");
        assert_eq!(answer.field("absent"), &Value::Null);
    }

    #[test]
    fn bodies_go_out_as_json_and_empty_ones_come_back_as_nothing() {
        let call = Call::post("/auth/logout", json!({"refresh_token": "abc"}));
        let (asked, answer) = served(&call, "HTTP/1.1 204 No Content\r\n\r\n");
        assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
        assert!(asked.ends_with("{\"refresh_token\":\"abc\"}"), "{asked}");
        assert!(answer.unwrap().body.is_none());
    }

    #[test]
    fn what_is_no_json_is_kept_as_text() {
        assert_eq!(body_of("oops".to_owned()), Some(json!("oops")));
    }

    #[test]
    fn a_server_that_is_gone_is_no_answer() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(Http::new(format!("http://{free}")).send(&Call::get("/")).is_err());
    }
}
