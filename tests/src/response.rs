//! A response of the server, with assertions for tests.

use serde_json::Value;

/// The response to a request.
///
/// Every response returned by a [`Client`](crate::Client) follows the conventions of the contract:
/// `nosniff`, a valid `X-Request-Id`, the form and the codes of problem documents, a challenge with
/// every 401, `Allow` with every 405, `Retry-After` with every 429 and 503, `no-store` on tokens
/// and on errors, no secret of the request in an error, and never a 500.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers in the order of the response, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header. Panics if it occurs twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers_of(name);
        let first = values.next();
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        first
    }

    /// Every value of a header.
    pub fn headers_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("bodies are UTF-8")
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.describe()))
    }

    /// A member of the body.
    #[must_use]
    pub fn member(&self, name: &str) -> Value {
        self.json().get(name).cloned().unwrap_or(Value::Null)
    }

    /// A member of the body that is a string.
    #[must_use]
    pub fn text_of(&self, name: &str) -> String {
        let member = self.member(name);
        let text = member.as_str();
        text.unwrap_or_else(|| panic!("no text at {name}: {}", self.describe())).to_owned()
    }

    /// Returns the response if it has this status, and panics otherwise.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.describe());
        self
    }

    /// Asserts a status.
    #[track_caller]
    pub fn is(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.describe());
    }

    /// Asserts a problem document with this status and code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{code} was expected: {}", self.describe());
        assert_eq!(self.member("code"), code, "{}", self.describe());
    }

    /// Asserts an `invalid_request` that names exactly these fields.
    #[track_caller]
    pub fn names_fields(&self, fields: &[&str]) {
        self.is_problem(400, "invalid_request");
        assert_eq!(self.fields(), fields, "{}", self.describe());
    }

    /// The fields that a problem document names, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<String> {
        let errors = self.member("errors");
        let errors = errors.as_array().cloned().unwrap_or_default();
        let mut fields: Vec<String> =
            errors.iter().map(|e| e["field"].as_str().expect("a field").to_owned()).collect();
        fields.sort();
        fields
    }

    /// Asserts the error of a protected resource: 401 `invalid_token`, also in the challenge.
    #[track_caller]
    pub fn is_invalid_token(&self) {
        self.is_problem(401, "invalid_token");
        let challenge = self.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with(r#"Bearer realm="aquaware""#), "{}", self.describe());
        assert!(challenge.contains(r#"error="invalid_token""#), "{}", self.describe());
        assert!(challenge.contains("error_description="), "{}", self.describe());
    }

    /// The whole response, for the message of a failing test.
    #[must_use]
    pub fn describe(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {:?}\n{body}", self.status, self.headers)
    }

    /// Parses a response from its head and its complete body.
    pub(crate) fn parse(head: &str, body: Vec<u8>) -> Self {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.unwrap_or_else(|| panic!("no status line: {status_line:?}")),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body,
        }
    }

    /// The body as text, or nothing if it is not UTF-8.
    pub(crate) fn text_if_any(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    pub(crate) fn sets_cookie(&self) -> bool {
        self.headers_of("set-cookie").next().is_some()
    }
}
