//! `GET /metrics` on the management listener.

use std::collections::BTreeSet;

use aquaware_tests::{Client, Server, Setup, exchange};

fn scrape(server: &Server) -> String {
    let response = Client::of(server.management()).get("/metrics").send().expect(200);
    let media_type = response.header("content-type").unwrap();
    assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8");
    response.text().to_owned()
}

/// The names and labels of all samples.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing in\n{text}")).parse().unwrap()
}

#[test]
fn a_journey_is_counted() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (person, first) = client.new_session();
    let second = client.refreshed(first.refresh(), None);
    client.refresh(first.refresh(), None).is(401);
    client.refresh(second.refresh(), None).is(401);
    let tokens = client.log_in(&person);
    client.log_out(tokens.refresh()).is(204);
    client.try_log_in(&person.email, "a wrong password").is(401);
    client.try_log_in("nobody@example.com", "a wrong password").is(401);
    let text = scrape(&server);
    for (series, expected) in [
        (r#"aquaware_logins_total{outcome="succeeded"}"#, 2.0),
        (r#"aquaware_logins_total{outcome="invalid_credentials"}"#, 2.0),
        (r#"aquaware_refreshes_total{verdict="advanced"}"#, 1.0),
        (r#"aquaware_refreshes_total{verdict="reused"}"#, 1.0),
        (r#"aquaware_refreshes_total{verdict="ended"}"#, 1.0),
        (r#"aquaware_sessions_ended_total{reason="reuse"}"#, 1.0),
        (r#"aquaware_sessions_ended_total{reason="logout"}"#, 1.0),
        (r#"aquaware_http_requests_total{route="/auth/refresh",method="POST",status="401"}"#, 2.0),
        (r#"aquaware_http_request_duration_seconds_count{route="/auth/refresh"}"#, 3.0),
        (
            r#"aquaware_store_operations_total{store="accounts",operation="create",outcome="ok"}"#,
            1.0,
        ),
        ("aquaware_password_hashes_waiting", 0.0),
        ("aquaware_log_lines_dropped_total", 0.0),
    ] {
        assert!((value(&text, series) - expected).abs() < f64::EPSILON, "{series}\n{text}");
    }
    for token_type in ["access", "refresh"] {
        let age = format!(r#"aquaware_key_age_seconds{{type="{token_type}",phase="active"}}"#);
        assert!(value(&text, &age) < 600.0);
    }
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
}

#[test]
fn made_up_paths_and_methods_add_no_series() {
    let server = Setup::new().start();
    let client = server.client();
    let made_up = |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        exchange(server.public(), request.as_bytes()).expect("a response")
    };
    let flood = |round: u32| {
        for n in 0..50 {
            client.get(&format!("/made/up/{round}/{n}")).send().is(404);
            client.get(&format!("/status-lists/{round}x{n}")).send().is(404);
            made_up(&format!("BREW{round}{n}"), "/auth/login").is(405);
            made_up(&format!("X{round}{n}"), &format!("/nope/{n}")).is(404);
            client.try_log_in(&format!("x{round}{n}@example.com"), "wrong password").is(401);
        }
    };
    flood(0);
    let before = series(&scrape(&server));
    flood(1);
    let text = scrape(&server);
    assert_eq!(series(&text), before);
    let unknown = r#"aquaware_http_requests_total{route="unmatched",method="other",status="404"}"#;
    assert!((value(&text, unknown) - 100.0).abs() < f64::EPSILON);
    assert!(!text.contains("made") && !text.contains("BREW"), "{text}");
}

#[test]
fn metrics_are_on_the_management_listener_only_and_open_metrics_on_request() {
    let server = Setup::new().start();
    server.client().get("/metrics").send().is(404);
    let management = Client::of(server.management());
    management.post("/metrics").send().is(405);
    let accept =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let response = management.get("/metrics").header("accept", accept).send().expect(200);
    let media_type = response.header("content-type").unwrap();
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(response.text().ends_with("# EOF\n"));
    assert!(response.text().contains("# TYPE aquaware_http_requests counter\n"));
}

#[test]
fn requests_that_reach_no_route_are_counted() {
    let server = Setup::new().start();
    for _ in 0..3 {
        exchange(server.public(), b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
            .expect("a response")
            .is(400);
    }
    let series = r#"aquaware_http_requests_total{route="unmatched",method="other",status="400"}"#;
    assert!((value(&scrape(&server), series) - 3.0).abs() < f64::EPSILON);
}
