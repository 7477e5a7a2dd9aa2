//! The cookie transport: the attributes of the cookie, and which pages may use it.

use aquaware_tests::{Call, Client, ISSUER, Jws, Person, Response, Setup, Tokens, retry_key};
use serde_json::json;

const APP: &str = "https://app.example.com";
const NAME: &str = "__Host-aquaware-refresh";

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

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(name, value))
}

/// Headers of requests that pages of other origins make the browser of a visitor send.
const FOREIGN: [&[(&str, &str)]; 5] = [
    &[("origin", "https://evil.example.com")],
    &[("origin", "https://evil.example.com"), ("sec-fetch-site", "cross-site")],
    &[("origin", "null")],
    &[("origin", "null"), ("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
];

#[track_caller]
fn is_cleared(response: &Response) {
    let (value, attributes) = cookie(response, NAME);
    assert_eq!(value, "", "{}", response.describe());
    assert_eq!(attributes, ["Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=0"]);
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
        assert_eq!(rest, ["Path=/", "HttpOnly", "Secure", "SameSite=Strict"]);
        let seconds = age.strip_prefix("Max-Age=").expect("Max-Age").parse::<u64>().unwrap();
        assert!((30 * 86_400 - 60..=30 * 86_400).contains(&seconds), "{seconds}");
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
            let call = client.post(path).header("cookie", &format!("{NAME}={token}"));
            let response = with(call, headers).send();
            assert_eq!(response.status, 403, "{path} {headers:?}: {}", response.describe());
            response.is_problem(403, "cross_site");
            assert_eq!(response.header("set-cookie"), None, "{}", response.describe());
        }
    }
    let mut token = token;
    let accepted: [&[(&str, &str)]; 4] = [
        &[("origin", ISSUER)],
        &[("origin", APP)],
        &[("sec-fetch-site", "same-origin")],
        // A page with `Referrer-Policy: no-referrer`.
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
    ];
    for headers in accepted {
        let response = with(refresh(&client, NAME, &token), headers).send();
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
    assert_eq!(cookie(&first, NAME).0, cookie(&again, NAME).0);
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
        let expected = ["Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=0"];
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
    assert_eq!(attributes[..3], ["Path=/", "HttpOnly", "SameSite=Strict"]);
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
    for cookie in ["x=y", "aquaware-refresh=a.b.c", "__Host-aquaware-refresh="] {
        let call = client.post("/auth/refresh").header("cookie", cookie);
        let response = call.header("origin", ISSUER).send();
        assert!([400, 401].contains(&response.status), "{cookie}: {}", response.describe());
    }
}

#[test]
fn an_issuer_with_a_path_has_its_own_cookie_and_addresses() {
    let server = setup().set("issuer", &format!("{ISSUER}/eu")).start();
    let client = server.client();
    let person = Person::new();
    let body = json!({ "email": person.email, "password": person.password });
    let account = client.post("/auth/signup").json(&body).send().expect(201);
    assert_eq!(account.header("location"), Some("/eu/auth/me"));
    let login = client.post("/auth/login").json(&body).send().expect(200);
    let name = "__Secure-aquaware-refresh";
    let (token, attributes) = cookie(&login, name);
    assert_eq!(attributes[..4], ["Path=/eu/auth", "HttpOnly", "Secure", "SameSite=Strict"]);
    refresh(&client, name, &token).header("origin", ISSUER).send().is(200);
}

#[test]
fn the_name_of_the_cookie_is_configurable() {
    let server = setup().set("cookies.name", "tank").start();
    let client = server.client();
    let person = client.new_person();
    let login = client.try_log_in(&person.email, &person.password).expect(200);
    let (token, _) = cookie(&login, "__Host-tank");
    refresh(&client, "__Host-tank", &token).header("origin", ISSUER).send().is(200);
}

#[test]
fn pages_of_other_origins_cannot_set_the_cookie() {
    let server = setup().start();
    let client = server.client();
    let person = client.new_person();
    let body = json!({ "email": person.email, "password": person.password });
    for headers in FOREIGN {
        let response = with(client.post("/auth/login").json(&body), headers).send();
        response.is_problem(403, "cross_site");
        assert_eq!(response.header("set-cookie"), None, "{headers:?}");
    }
    // Programs other than browsers send neither header.
    let login = client.post("/auth/login").json(&body).send().expect(200);
    let (token, _) = cookie(&login, NAME);
    let own: [&[(&str, &str)]; 3] = [&[], &[("origin", ISSUER)], &[("sec-fetch-site", "none")]];
    for headers in FOREIGN.into_iter().chain(own) {
        let fields = [("refresh_token", token.as_str())];
        let response = with(client.post("/auth/refresh").form(&fields), headers).send();
        response.is_problem(400, "invalid_request");
        assert_eq!(response.header("set-cookie"), None, "{headers:?}");
    }
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", "web")];
    let response = client.post("/oauth2/token").form(&fields).send().expect(400);
    assert_eq!(response.member("error"), "unauthorized_client");
    assert_eq!(Jws::read(&token).number("gen"), 1);
    let response = refresh(&client, NAME, &token).header("origin", ISSUER).send().expect(200);
    assert_eq!(Jws::read(&cookie(&response, NAME).0).number("gen"), 2);
}

#[test]
fn a_dead_cookie_is_cleared() {
    let server = setup().start();
    let client = server.client();
    let (login, token) = log_in(&client);
    let (_, other) = log_in(&client);
    let present = |token: &str| refresh(&client, NAME, token).header("origin", ISSUER).send();
    present(&token).is(200);
    for (token, code) in [
        (token.as_str(), "refresh_token_reused"),
        (&token, "session_revoked"),
        ("a.b.c", "invalid_refresh_token"),
        (&Tokens::of(&login).access, "invalid_refresh_token"),
    ] {
        let response = present(token);
        response.is_problem(401, code);
        is_cleared(&response);
    }
    // Other errors leave it.
    let call = refresh(&client, NAME, &other).header("origin", ISSUER);
    let response = call.header("idempotency-key", "").send();
    assert_eq!((response.status, response.header("set-cookie")), (400, None));
}

#[test]
fn every_logout_clears_the_cookie() {
    let server = setup().start();
    let client = server.client();
    let with_session = |call: &dyn Fn(&Tokens, &str) -> Call| {
        let (login, token) = log_in(&client);
        let tokens = Tokens::of(&login);
        let response = call(&tokens, &token).send();
        assert!([200, 204].contains(&response.status), "{}", response.describe());
        client.me(&tokens.access).is_invalid_token();
        response
    };
    is_cleared(&with_session(&|tokens, _| client.post("/auth/logout").bearer(&tokens.access)));
    is_cleared(&with_session(&|tokens, _| client.post("/auth/logout-all").bearer(&tokens.access)));
    is_cleared(&with_session(&|tokens, _| {
        let path = format!("/auth/sessions/{}", tokens.session);
        client.call("DELETE", &path).bearer(&tokens.access)
    }));
    let in_body = |token: &str| client.post("/auth/logout").form(&[("refresh_token", token)]);
    is_cleared(&with_session(&|_, token| in_body(token)));
    // A foreign page logs out only the session whose token it has, not its visitor.
    for headers in FOREIGN {
        let response = with_session(&|_, token| with(in_body(token), headers));
        assert_eq!(response.header("set-cookie"), None, "{headers:?}");
    }
    // Clients with the token in the body have no cookie.
    let device = client.log_in_as(&client.new_person(), "device");
    let response = client.post("/auth/logout").bearer(&device.access).send().expect(204);
    assert_eq!(response.header("set-cookie"), None);
}

#[test]
fn of_several_cookies_those_of_this_issuer_count() {
    let server = setup().start();
    let client = server.client();
    let (_, old) = log_in(&client);
    let response = refresh(&client, NAME, &old).header("origin", ISSUER).send();
    let (live, _) = cookie(&response, NAME);
    let (_, foreign) = log_in(&client);
    let send = |path: &str, tokens: &[&str]| {
        let pairs: Vec<_> = tokens.iter().map(|token| format!("{NAME}={token}")).collect();
        let call = client.post(path).header("cookie", &pairs.join("; "));
        call.header("origin", ISSUER).send()
    };
    let mut live = live;
    for others in [["a.b.c", "\u{e9}"], [&old, "x"], ["", &old]] {
        for first in [true, false] {
            let [one, two] = others;
            let tokens = if first { [&live, one, two] } else { [one, two, live.as_str()] };
            let response = send("/auth/refresh", &tokens).expect(200);
            live = cookie(&response, NAME).0;
        }
    }
    for path in ["/auth/refresh", "/auth/logout"] {
        for tokens in [[live.as_str(), &foreign], [&foreign, &live]] {
            let response = send(path, &tokens);
            response.is_problem(400, "invalid_request");
            is_cleared(&response);
        }
    }
    send("/auth/refresh", &[&foreign]).is(200);
}
