//! Clients of every kind for the tests of `/oauth2/*`, and functions for their requests.

use aquaware_tests::{Call, Client, Person, Response, Server, Setup, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) const TOKEN: &str = "/oauth2/token";
pub(crate) const REVOKE: &str = "/oauth2/revoke";
pub(crate) const INTROSPECT: &str = "/oauth2/introspect";

/// The secret of `shop`, with every character that is special in a form or a header.
pub(crate) const SHOP: &str = "a+b c%d:e&f=é/?\"\\";
/// The secret of `robot`.
pub(crate) const ROBOT: &str = "robot-secret-0123456789abcdef";

/// Their hashes, created at the lowest cost by the core's hasher for tests.
const CLIENTS: &str = r#"
[clients.web]
scopes = ["feed", "read", "introspect"]

[clients.app]
grants = ["login", "refresh_token", "password"]
scopes = ["feed", "read"]

[clients.poor]
grants = ["login"]

[clients.browser]
refresh_transport = "cookie"

[clients.shop]
secret_hash = "$argon2id$v=19$m=64,t=1,p=1$3azuLyQyFV1Rs00JeV4rFQ$tHYC1B6bbrCDc2EkktAsNFYWGmU60EYO0epvmRvXZuo"
grants = ["refresh_token", "password", "login"]
scopes = ["feed", "read"]

[clients.robot]
secret_hash = "$argon2id$v=19$m=64,t=1,p=1$RBpD7/J1QLw62cbXzU/bHQ$yffB+6y1+seBvBVER7EHpPO3850IHISkkC9xjm/pmCo"
grants = ["client_credentials"]
scopes = ["feed", "introspect"]
audience = ["https://tank.example"]
"#;

/// A server with public clients (`web`, `device`, `app` with the password grant, `poor` without
/// refreshing, `browser` with a cookie) and confidential ones (`shop` for people, `robot` for
/// itself).
pub(crate) fn setup() -> Setup {
    Setup::new().with_file("aquaware.toml", CLIENTS)
}

pub(crate) fn start() -> (Server, Client) {
    let server = setup().start();
    let client = server.client();
    (server, client)
}

/// How a request identifies its client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    Anonymous,
    ClientId(&'a str),
    Basic(&'a str, &'a str),
    Post(&'a str, &'a str),
}

pub(crate) const WEB: By<'static> = By::ClientId("web");
pub(crate) const APP: By<'static> = By::ClientId("app");
pub(crate) const THE_SHOP: By<'static> = By::Basic("shop", SHOP);
pub(crate) const THE_ROBOT: By<'static> = By::Basic("robot", ROBOT);

/// The value of `Authorization` (RFC 6749 §2.3.1): both parts form-encoded.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let pair = format!("{}:{}", form_encoded(id), form_encoded(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// Encoded like an HTML form: a space becomes a plus sign.
fn form_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// A request of that client to `path`.
pub(crate) fn ask(client: &Client, path: &str, by: By<'_>, fields: &[(&str, &str)]) -> Call {
    let mut fields = fields.to_vec();
    match by {
        By::Anonymous | By::Basic(..) => {}
        By::ClientId(id) => fields.push(("client_id", id)),
        By::Post(id, secret) => fields.extend([("client_id", id), ("client_secret", secret)]),
    }
    let call = client.post(path).form(&fields);
    match by {
        By::Basic(id, secret) => call.header("authorization", &basic(id, secret)),
        By::Anonymous | By::ClientId(_) | By::Post(..) => call,
    }
}

/// A refresh at the token endpoint that is not sent yet.
pub(crate) fn refresh_call(client: &Client, by: By<'_>, token: &str, scope: &str) -> Call {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
    ask(client, TOKEN, by, &fields)
}

/// Presents a refresh token at the token endpoint.
#[track_caller]
pub(crate) fn refresh(client: &Client, by: By<'_>, token: &str) -> Response {
    refresh_call(client, by, token, "").send()
}

/// The same, for a token that must be valid.
#[track_caller]
pub(crate) fn refreshed(client: &Client, by: By<'_>, token: &str) -> Tokens {
    Tokens::of(&granted(refresh(client, by, token)))
}

/// Logs in with the password grant.
#[track_caller]
pub(crate) fn send_password(
    client: &Client,
    by: By<'_>,
    person: &Person,
    password: &str,
    scope: &str,
) -> Response {
    let fields = [
        ("grant_type", "password"),
        ("username", person.email.as_str()),
        ("password", password),
        ("scope", scope),
    ];
    ask(client, TOKEN, by, &fields).send()
}

/// A new user with a session of `shop`.
#[track_caller]
pub(crate) fn shop_session(client: &Client) -> Tokens {
    let person = client.new_person();
    let response = send_password(client, THE_SHOP, &person, &person.password, "feed read");
    Tokens::of(&granted(response))
}

/// A new user, logged in with the client `id` and this scope at the first-party route.
#[track_caller]
pub(crate) fn session_of(client: &Client, id: &str, scope: &str) -> Tokens {
    let person = client.new_person();
    let body = serde_json::json!({
        "email": person.email, "password": person.password, "client_id": id, "scope": scope,
    });
    Tokens::of(&client.post("/auth/login").json(&body).send())
}

/// A client credentials token of `robot`.
#[track_caller]
pub(crate) fn robot_token(client: &Client, scope: &str) -> Response {
    let fields = [("grant_type", "client_credentials"), ("scope", scope)];
    ask(client, TOKEN, THE_ROBOT, &fields).send()
}

/// The response, which must be a success of the token endpoint (RFC 6749 §5.1).
#[track_caller]
pub(crate) fn granted(response: Response) -> Response {
    response.is(200);
    assert_eq!(
        response.header("content-type"),
        Some("application/json"),
        "{}",
        response.describe()
    );
    assert_eq!(response.header("cache-control"), Some("no-store"), "{}", response.describe());
    assert_eq!(response.header("pragma"), Some("no-cache"), "{}", response.describe());
    assert_eq!(response.header("set-cookie"), None, "{}", response.describe());
    assert_eq!(response.member("token_type"), "Bearer", "{}", response.describe());
    assert!(response.member("expires_in").is_u64(), "{}", response.describe());
    response
}

/// Asserts an error of RFC 6749 §5.2; the test client checks its form.
#[track_caller]
pub(crate) fn is_rejected(response: &Response, word: &str) {
    let status = if word == "invalid_client" { 401 } else { 400 };
    assert_eq!(response.status, status, "{word} was expected: {}", response.describe());
    let kind = response.header("content-type");
    assert_eq!(kind, Some("application/json"), "{}", response.describe());
    assert_eq!(response.member("error"), word, "{}", response.describe());
}
