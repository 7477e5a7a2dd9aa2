//! The cookie transport: the attributes of the cookie, and which pages may use it.

use aquaware_tests::{Call, Client, ISSUER, Jws, Response, Setup, Tokens, retry_key};

const APP: &str = "https://app.example.com";
const NAME: &str = "__Secure-aquaware-refresh";

fn setup() -> Setup {
    Setup::new()
        .set("clients.web.refresh_transport", "cookie")
        .set("clients.web.retry_window", "0s")
        .set("cors.allow_origins", APP)
}

/// The value of the cookie that a response sets, and its attributes.
#[track_caller]
fn cookie(response: &Response, name: &str) -> (String, Vec<String>) {
    let header = response.header("set-cookie").unwrap_or_else(|| panic!("{}", response.describe()));
    let mut parts = header.split("; ").map(str::to_owned);
    let first = parts.next().expect("a pair");
    let (named, value) = first.split_once('=').expect("a pair");
    assert_eq!(named, name, "{header}");
    (value.to_owned(), parts.collect())
}

fn refresh(client: &Client, name: &str, token: &str) -> Call {
    client.post("/auth/refresh").header("cookie", &format!("{name}={token}"))
}

fn log_in(client: &Client) -> (Response, String) {
    let person = client.new_person();
    let response = client.try_log_in(&person.email, &person.password).expect(200);
    let (token, _) = cookie(&response, NAME);
    (response, token)
}

#[track_caller]
fn is_without_refresh_token(response: &Response) {
    let tokens = Tokens::of(response);
    assert_eq!(tokens.refresh, None);
    assert_eq!(tokens.body.get("refresh_expires_in"), None);
}

#[test]
fn the_cookie_has_exactly_the_attributes_of_the_contract() {
    let server = setup().start();
    let client = server.client();
    let (login, token) = log_in(&client);
    let refreshed = refresh(&client, NAME, &token).header("origin", ISSUER).send();
    for response in [&login, &refreshed] {
        is_without_refresh_token(response);
        let (value, attributes) = cookie(response, NAME);
        assert_eq!(value.split('.').count(), 3, "{value}");
        let [rest @ .., age] = attributes.as_slice() else { panic!("{attributes:?}") };
        assert_eq!(rest, ["Path=/auth", "HttpOnly", "Secure", "SameSite=Strict"]);
        let seconds = age.strip_prefix("Max-Age=").expect("Max-Age").parse::<u64>().unwrap();
        assert!((30 * 86_400 - 5..=30 * 86_400).contains(&seconds), "{seconds}");
    }
    assert_ne!(cookie(&refreshed, NAME).0, token);
}

#[test]
fn only_same_site_pages_can_refresh_with_the_cookie() {
    let server = setup().start();
    let client = server.client();
    let (_, token) = log_in(&client);
    let refused: [&[(&str, &str)]; 12] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example.com")],
        &[("origin", "http://login.aquarium.example")],
        &[("origin", "https://login.aquarium.example.evil.org")],
        &[("origin", "https://login.aquarium.example:8443")],
        &[("origin", "https://evil.example.com"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("referer", ISSUER)],
        &[("origin", "")],
    ];
    for headers in refused {
        for path in ["/auth/refresh", "/auth/logout"] {
            let mut call = client.post(path).header("cookie", &format!("{NAME}={token}"));
            for (name, value) in headers {
                call = call.header(name, value);
            }
            let response = call.send();
            assert_eq!(response.status, 403, "{path} {headers:?}: {}", response.describe());
            response.is_problem(403, "cross_site");
            assert_eq!(response.header("set-cookie"), None, "{}", response.describe());
        }
    }
    let mut token = token;
    let accepted = [("origin", ISSUER), ("origin", APP), ("sec-fetch-site", "same-origin")];
    for (name, value) in accepted {
        let response = refresh(&client, NAME, &token).header(name, value).send();
        is_without_refresh_token(&response);
        token = cookie(&response, NAME).0;
    }
}

#[test]
fn retries_and_thefts_are_distinguished_for_cookies_too() {
    let server = setup().start();
    let client = server.client();
    let (_, token) = log_in(&client);
    let key = retry_key();
    let with_key =
        |key: &str| refresh(&client, NAME, &token).header("origin", ISSUER).key(Some(key)).send();
    let (first, again) = (with_key(&key).expect(200), with_key(&key).expect(200));
    assert_eq!(cookie(&first, NAME), cookie(&again, NAME));
    with_key(&retry_key()).is_problem(401, "refresh_token_reused");
}

#[test]
fn a_logout_clears_the_cookie() {
    let server = setup().start();
    let client = server.client();
    let (login, token) = log_in(&client);
    let access = Tokens::of(&login).access;
    let log_out = || {
        let call = client.post("/auth/logout").header("cookie", &format!("{NAME}={token}"));
        call.header("origin", ISSUER).send().expect(204)
    };
    for response in [log_out(), log_out()] {
        let (value, attributes) = cookie(&response, NAME);
        assert_eq!(value, "");
        let expected = ["Path=/auth", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=0"];
        assert_eq!(attributes, expected);
    }
    client.me(&access).is_invalid_token();
    let response = refresh(&client, NAME, &token).header("origin", ISSUER).send();
    response.is_problem(401, "session_revoked");
}

#[test]
fn a_token_in_the_body_takes_precedence_over_the_cookie() {
    let server = setup().start();
    let client = server.client();
    let (_, token) = log_in(&client);
    let device = client.log_in_as(&client.new_person(), "device");
    let body = serde_json::json!({ "refresh_token": device.refresh() });
    for origin in [None, Some(ISSUER)] {
        let call = refresh(&client, NAME, &token).json(&body);
        let response = match origin {
            Some(origin) => call.header("origin", origin).send(),
            None => call.send(),
        };
        assert_eq!(response.header("set-cookie"), None, "{}", response.describe());
        if response.status == 200 {
            assert_eq!(Tokens::of(&response).session, device.session);
        }
    }
    let response = refresh(&client, NAME, &token).header("origin", ISSUER).send().expect(200);
    assert_eq!(Jws::read(&cookie(&response, NAME).0).number("gen"), 2);
}

#[test]
fn development_over_plain_http_omits_prefix_and_secure() {
    let server = setup().set("cookies.insecure", "true").start();
    let client = server.client();
    let person = client.new_person();
    let login = client.try_log_in(&person.email, &person.password).expect(200);
    let (token, attributes) = cookie(&login, "aquaware-refresh");
    assert_eq!(attributes[..3], ["Path=/auth", "HttpOnly", "SameSite=Strict"]);
    refresh(&client, "aquaware-refresh", &token).send().is_problem(403, "cross_site");
    let response = refresh(&client, "aquaware-refresh", &token).header("origin", ISSUER).send();
    is_without_refresh_token(&response);
}

#[test]
fn other_clients_keep_their_token_in_the_body() {
    let server = setup().start();
    let client = server.client();
    let person = client.new_person();
    let device = client.log_in_as(&person, "device");
    let response = client.refresh(device.refresh(), None).expect(200);
    assert_eq!(response.header("set-cookie"), None);
}

#[test]
fn a_refresh_without_a_cookie_is_rejected() {
    let server = setup().start();
    let client = server.client();
    let response = client.post("/auth/refresh").header("origin", ISSUER).send();
    assert!([400, 401].contains(&response.status), "{}", response.describe());
    for cookie in ["x=y", "aquaware-refresh=a.b.c", "__Secure-aquaware-refresh="] {
        let call = client.post("/auth/refresh").header("cookie", cookie);
        let response = call.header("origin", ISSUER).send();
        assert!([400, 401].contains(&response.status), "{cookie}: {}", response.describe());
    }
}
