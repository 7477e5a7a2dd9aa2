//! Conventions for every path: methods, slashes, request ids, the two listeners. Those for every
//! response are checked by the test client: see `aquaware_tests::Response`.

use aquaware_tests::{Client, Setup};
use serde_json::Value;

/// Every path of the public listener and the method that it allows.
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
fn other_methods_are_405_with_the_allowed_ones() {
    let server = Setup::new().start();
    let client = server.client();
    for (right, path) in PATHS {
        for wrong in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let is_account = path == "/auth/me" && ["PATCH", "DELETE"].contains(&wrong);
            if wrong == right || is_account || (wrong == "HEAD" && right == "GET") {
                continue;
            }
            for path in [path.to_owned(), format!("{path}/")] {
                let response = client.call(wrong, &path).send();
                assert_eq!(response.status, 405, "{wrong} {path}: {}", response.describe());
                if wrong != "HEAD" {
                    response.is_problem(405, "method_not_allowed");
                }
                let allow = response.header("allow").unwrap_or_default();
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
            let response = client.call(method, path).send();
            assert_eq!(response.status, 404, "{method} {path}: {}", response.describe());
            response.is_problem(404, "not_found");
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
        if path == "/auth/sessions" {
            // The last use of the caller's session is the time of the request.
            assert_eq!(with.json()["sessions"][0]["id"], without.json()["sessions"][0]["id"]);
            continue;
        }
        assert_eq!(with.body, without.body, "{path}");
    }
    client.post("/auth/logout/").bearer(&tokens.access).send().is(204);
    client.me(&tokens.access).is_invalid_token();
}

#[test]
fn valid_request_ids_are_kept_and_invalid_ones_replaced() {
    let server = Setup::new().start();
    let client = server.client();
    let long = "a".repeat(128);
    for sane in ["x", "abc.DEF:1_2-3", "01J9-ZZ", &long] {
        for path in ["/.well-known/jwks.json", "/auth/me", "/nope"] {
            let response = client.get(path).header("x-request-id", sane).send();
            assert_eq!(response.header("x-request-id"), Some(sane), "{path}");
        }
    }
    let too_long = "a".repeat(129);
    for insane in ["", "a b", "a/b", "a\"b", "{}", "ä", "a,b", &too_long] {
        let response = client.get("/auth/me").header("x-request-id", insane).send();
        assert_ne!(response.header("x-request-id"), Some(insane));
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
fn the_two_listeners_have_no_path_in_common() {
    let server = Setup::new().start();
    let (public, management) = (server.client(), Client::of(server.management()));
    for path in ["/health/live", "/health/ready", "/health", "/metrics"] {
        public.get(path).send().is_problem(404, "not_found");
    }
    for (method, path) in PATHS {
        let response = management.call(method, path).send();
        assert_eq!(response.status, 404, "{method} {path}: {}", response.describe());
        response.is_problem(404, "not_found");
    }
    management.get("/openapi.json").send().is(404);
    management.get("/docs").send().is(404);
}

#[test]
fn health_is_200_with_a_body() {
    let server = Setup::new().start();
    let management = Client::of(server.management());
    for path in ["/health/live", "/health/ready", "/health/live/", "/health/ready/"] {
        let response = management.get(path).send().expect(200);
        assert!(!response.body.is_empty(), "{path}");
        let json: Result<Value, _> = serde_json::from_slice(&response.body);
        let kind = response.header("content-type").unwrap_or_default();
        assert_eq!(json.is_ok(), kind.contains("json"), "{}", response.describe());
        management.call("POST", path).send().is_problem(405, "method_not_allowed");
    }
}

#[test]
fn responses_with_tokens_are_not_stored_by_caches() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let responses = [
        client.refresh(tokens.refresh(), None),
        client.me(&tokens.access),
        client.get("/auth/sessions").bearer(&tokens.access).send(),
        client.me("x"),
        client.refresh("x", None),
        client.try_log_in("nobody@example.com", "x"),
        client.log_out(tokens.refresh()),
    ];
    for response in responses {
        assert_eq!(response.header("cache-control"), Some("no-store"), "{}", response.describe());
    }
}

#[test]
fn only_configured_origins_may_call_from_a_page() {
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
    let response = preflight(APP).send();
    let traced = preflight(APP).header("access-control-request-headers", "traceparent").send();
    let asked = "content-type, idempotency-key, traceparent";
    assert_eq!(traced.header("access-control-allow-headers"), Some(asked));
    assert!((200..300).contains(&response.status), "{}", response.describe());
    assert_eq!(response.header("access-control-allow-origin"), Some(APP));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    let refused = preflight("https://evil.example.com").send();
    assert_eq!(refused.header("access-control-allow-origin"), None, "{}", refused.describe());
    let allowed = client.get("/auth/me").header("origin", APP).send();
    allowed.is(401);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
}

#[test]
fn every_page_may_read_the_public_documents_without_credentials() {
    const APP: &str = "https://app.example.com";
    let settings = [None, Some(APP)].map(|origin| match origin {
        Some(origin) => Setup::new().set("cors.allow_origins", origin),
        None => Setup::new(),
    });
    for setup in settings {
        let server = setup.set("clients.web.status", "true").start();
        let client = server.client();
        for path in [
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/status-lists",
            "/status-lists/0",
            "/status-lists/x",
        ] {
            for origin in [APP, "https://evil.example.com", "null"] {
                let response = client.get(path).header("origin", origin).send();
                assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
                assert_eq!(response.header("access-control-allow-credentials"), None, "{path}");
                let preflight = client.call("OPTIONS", path).header("origin", origin);
                let preflight = preflight.header("access-control-request-method", "GET");
                let preflight = preflight.header("access-control-request-headers", "if-none-match");
                let response = preflight.send();
                assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
                assert_eq!(response.header("access-control-allow-credentials"), None, "{path}");
                let allowed = response.header("access-control-allow-headers");
                assert_eq!(allowed, Some("if-none-match"), "{path}");
            }
        }
    }
}
