//! What holds for every path: methods, slashes, request ids, the two listeners. What holds for
//! every answer is checked wherever one comes in: see the harness.

use aquaware_tests::{Client, Setup};
use serde_json::Value;

/// Every path of the public listener and the one method it takes.
const PATHS: [(&str, &str); 10] = [
    ("POST", "/auth/signup"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("GET", "/auth/me"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/logout-all"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    ("POST", "/auth/password"),
    ("GET", "/.well-known/jwks.json"),
];

#[test]
fn another_method_is_405_and_the_right_one_is_told() {
    let server = Setup::new().start();
    let client = server.client();
    for (right, path) in PATHS {
        for wrong in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            if wrong == right || (wrong == "HEAD" && right == "GET") {
                continue;
            }
            for path in [path.to_owned(), format!("{path}/")] {
                let answer = client.call(wrong, &path).send();
                assert_eq!(answer.status, 405, "{wrong} {path}: {}", answer.describe());
                if wrong != "HEAD" {
                    answer.is_problem(405, "method_not_allowed");
                }
                let allow = answer.header("allow").unwrap_or_default();
                let allowed: Vec<_> = allow.split(',').map(str::trim).collect();
                assert!(allowed.contains(&right), "{wrong} {path}: {allow}");
                assert!(!allowed.contains(&wrong), "{wrong} {path}: {allow}");
            }
        }
    }
}

#[test]
fn an_unknown_path_is_404_for_every_method() {
    let server = Setup::new().start();
    let client = server.client();
    let paths = [
        "/nope",
        "/auth",
        "/auth/",
        "/auth/nope",
        "/auth/me/nope",
        "/auth/sessions/a/b",
        "/Auth/Me",
        "/.well-known",
        "/.well-known/nope",
        "/.env",
        "/auth/..%2f..%2fetc%2fpasswd",
        "/aquaware.db",
    ];
    for path in paths {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = client.call(method, path).send();
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.describe());
            answer.is_problem(404, "not_found");
        }
    }
}

#[test]
fn a_trailing_slash_makes_no_difference() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for (method, path) in PATHS {
        let ask = |path: &str| {
            let call = client.call(method, path);
            let call = match path.trim_end_matches('/') {
                "/auth/logout-all" => call,
                _ => call.bearer(&tokens.access),
            };
            let call = if method == "POST" { call.body("application/json", b"{}") } else { call };
            call.send()
        };
        if path == "/auth/logout" {
            continue;
        }
        let (with, without) = (ask(&format!("{path}/")), ask(path));
        assert_eq!(with.status, without.status, "{path}: {}", with.describe());
        assert_eq!(with.body, without.body, "{path}");
    }
    client.post("/auth/logout/").bearer(&tokens.access).send().is(204);
    client.me(&tokens.access).is_invalid_token();
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let server = Setup::new().start();
    let client = server.client();
    let long = "a".repeat(128);
    for sane in ["x", "abc.DEF:1_2-3", "01J9-ZZ", &long] {
        for path in ["/.well-known/jwks.json", "/auth/me", "/nope"] {
            let answer = client.get(path).header("x-request-id", sane).send();
            assert_eq!(answer.header("x-request-id"), Some(sane), "{path}");
        }
    }
    let too_long = "a".repeat(129);
    for insane in ["", "a b", "a/b", "a\"b", "{}", "ä", "a,b", &too_long] {
        let answer = client.get("/auth/me").header("x-request-id", insane).send();
        assert_ne!(answer.header("x-request-id"), Some(insane));
    }
    let new = || client.get("/nope").send().header("x-request-id").unwrap().to_owned();
    assert_ne!(new(), new());
}

#[test]
fn a_request_id_is_in_the_log() {
    let server = Setup::new().start();
    let id = "find-me-0123456789";
    server.client().get("/auth/me").header("x-request-id", id).send().is(401);
    let log = server.stop().log();
    assert!(log.contains(id), "{log}");
}

#[test]
fn head_is_get_without_the_body() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let management = Client::of(server.management());
    let asked: [(&Client, &str, bool); 5] = [
        (&client, "/.well-known/jwks.json", false),
        (&client, "/auth/me", false),
        (&client, "/auth/me", true),
        (&client, "/auth/sessions", true),
        (&management, "/health/live", false),
    ];
    for (client, path, with_token) in asked {
        let ask = |method: &str| {
            let call = client.call(method, path);
            if with_token { call.bearer(&tokens.access).send() } else { call.send() }
        };
        let (head, get) = (ask("HEAD"), ask("GET"));
        assert_eq!(head.status, get.status, "{path}: {}", head.describe());
        assert_eq!(head.body, b"", "{path}");
        for name in ["content-type", "cache-control", "etag", "www-authenticate"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[test]
fn the_two_listeners_share_no_path() {
    let server = Setup::new().start();
    let (public, management) = (server.client(), Client::of(server.management()));
    for path in ["/health/live", "/health/ready", "/health", "/metrics"] {
        public.get(path).send().is_problem(404, "not_found");
    }
    for (method, path) in PATHS {
        let answer = management.call(method, path).send();
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.describe());
        answer.is_problem(404, "not_found");
    }
    management.get("/openapi.json").send().is(404);
    management.get("/docs").send().is(404);
}

#[test]
fn health_is_200_with_a_body_that_says_so() {
    let server = Setup::new().start();
    let management = Client::of(server.management());
    for path in ["/health/live", "/health/ready", "/health/live/", "/health/ready/"] {
        let answer = management.get(path).send().expect(200);
        assert!(!answer.body.is_empty(), "{path}");
        let json: Result<Value, _> = serde_json::from_slice(&answer.body);
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!(json.is_ok(), kind.contains("json"), "{}", answer.describe());
        management.call("POST", path).send().is_problem(405, "method_not_allowed");
    }
}

#[test]
fn answers_with_tokens_or_about_them_are_not_stored() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let answers = [
        client.refresh(tokens.refresh(), None),
        client.me(&tokens.access),
        client.get("/auth/sessions").bearer(&tokens.access).send(),
        client.me("x"),
        client.refresh("x", None),
        client.try_log_in("nobody@example.com", "x"),
        client.log_out(tokens.refresh()),
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.describe());
    }
}

#[test]
fn only_origins_on_the_list_may_call_from_a_page() {
    const APP: &str = "https://app.example.com";
    let server = Setup::new().set("cors.allow_origins", APP).start();
    let client = server.client();
    let preflight = |origin: &str| {
        client
            .call("OPTIONS", "/auth/refresh")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key")
    };
    let answer = preflight(APP).send();
    assert!((200..300).contains(&answer.status), "{}", answer.describe());
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let refused = preflight("https://evil.example.com").send();
    assert_eq!(refused.header("access-control-allow-origin"), None, "{}", refused.describe());
    let allowed = client.get("/auth/me").header("origin", APP).send();
    allowed.is(401);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
}
