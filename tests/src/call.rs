//! A request under construction.

use serde_json::Value;
use ureq::http::Request;
use ureq::{Agent, AsSendBody};

use crate::conventions;
use crate::response::Response;

/// The boundary of multipart bodies.
const BOUNDARY: &str = "aquaware-boundary-7MA4YWxkTrZu0gW";
/// The fields of request bodies that no error may repeat.
const SECRET_FIELDS: [&str; 6] =
    ["password", "password2", "current_password", "new_password", "refresh_token", "token"];
/// The headers that no error may repeat.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "idempotency-key"];
/// Shorter secrets may occur in an error by chance.
const MIN_SECRET: usize = 8;

/// A request that is not sent yet.
#[derive(Debug)]
#[must_use]
pub struct Call {
    agent: Agent,
    base: String,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    secrets: Vec<String>,
}

impl Call {
    pub(crate) fn new(agent: Agent, base: String, method: &str, path: &str) -> Self {
        Self {
            agent,
            base,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            secrets: Vec::new(),
        }
    }

    /// With one more header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// With one more header, whose value need not be text.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        if SECRET_HEADERS.contains(&name) {
            let text = String::from_utf8_lossy(value).into_owned();
            self.keep_secret(text.rsplit([' ', '=']).next().unwrap_or_default());
        }
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// With an access token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With an `Idempotency-Key`, if there is one.
    pub fn key(self, key: Option<&str>) -> Self {
        match key {
            Some(key) => self.header("idempotency-key", key),
            None => self,
        }
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        for field in SECRET_FIELDS {
            self.keep_secret(body[field].as_str().unwrap_or_default());
        }
        self.body("application/json", body.to_string().as_bytes())
    }

    /// With a form body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        self.keeping_secret(fields)
            .body("application/x-www-form-urlencoded", pairs.join("&").as_bytes())
    }

    /// With a multipart body of text fields.
    pub fn multipart(self, fields: &[(&str, &str)]) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!("--{BOUNDARY}--\r\n");
        self.keeping_secret(fields)
            .body(&format!("multipart/form-data; boundary={BOUNDARY}"), body.as_bytes())
    }

    /// With these bytes as a body of this type.
    pub fn body(self, kind: &str, bytes: &[u8]) -> Self {
        self.header("content-type", kind).bytes(bytes)
    }

    /// With these bytes as a body without a content type.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.body = Some(bytes.to_vec());
        self
    }

    /// Sends the request and returns the response, whose conventions are checked.
    ///
    /// # Panics
    /// If there is no response, or it violates a convention.
    #[track_caller]
    pub fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// As [`Call::send`], if the response may be lost.
    ///
    /// # Errors
    /// The error that prevented a response.
    pub fn try_send(self) -> Result<Response, Box<ureq::Error>> {
        let Self { agent, base, method, path, headers, body, secrets } = self;
        let mut request = Request::builder().method(method.as_str()).uri(format!("{base}{path}"));
        for (name, value) in &headers {
            request = request.header(name, value.as_slice());
        }
        let response = match body {
            Some(body) => receive(&agent, request.body(body).expect("a request")),
            None => receive(&agent, request.body(()).expect("a request")),
        }?;
        conventions::check(
            &response,
            &method,
            path.split('?').next().unwrap_or_default(),
            &secrets,
        );
        Ok(response)
    }

    fn keeping_secret(mut self, fields: &[(&str, &str)]) -> Self {
        for (name, value) in fields {
            if SECRET_FIELDS.contains(name) {
                self.keep_secret(value);
            }
        }
        self
    }

    fn keep_secret(&mut self, value: &str) {
        // A password that equals the name of its field may be repeated.
        if value.len() >= MIN_SECRET && !SECRET_FIELDS.contains(&value) {
            self.secrets.push(value.to_owned());
        }
    }
}

fn receive(agent: &Agent, request: Request<impl AsSendBody>) -> Result<Response, Box<ureq::Error>> {
    let mut response = agent.run(request)?;
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let body = response.body_mut().read_to_vec()?;
    Ok(Response { status: response.status().as_u16(), headers, body })
}

/// Percent-encodes every byte except letters and digits.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
