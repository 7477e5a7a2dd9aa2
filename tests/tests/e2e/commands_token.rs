//! `aquaware token inspect`, for tokens of every kind.

use aquaware_tests::{Finished, Jws, Setup, Store, base64url, until};
use serde_json::{Value, json};

fn inspect(setup: &Setup, token: &str) -> Value {
    let run = setup.run_fed(&["token", "inspect", "--json"], token);
    let report = run.printed_json();
    let accepted = report["accepted"] == true;
    run.is(i32::from(!accepted));
    no_signature(&run, token);
    let text = setup.run_fed(&["token", "inspect"], &format!("  Bearer {token}\n"));
    text.is(i32::from(!accepted));
    no_signature(&text, token);
    let verdict =
        if accepted { "the token would be accepted" } else { "the token would be rejected (" };
    assert!(text.stdout.contains(verdict), "{}", text.stdout);
    report
}

fn no_signature(run: &Finished, token: &str) {
    let signature = token.rsplit('.').next().unwrap();
    if signature.len() > 8 {
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(signature));
    }
}

fn check(report: &Value, rule: &str) -> Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|it| it["rule"] == rule);
    found.unwrap_or_else(|| panic!("{rule}: {report}")).clone()
}

/// Asserts that the token is rejected by this rule, with a detail that contains these words.
#[track_caller]
fn refused(report: &Value, rule: &str, words: &[&str]) {
    assert_eq!(report["rejected_by"], rule, "{report:#}");
    let detail = check(report, rule)["detail"].as_str().unwrap().to_owned();
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing: {detail}");
    }
}

#[test]
fn valid_tokens_of_both_kinds_are_accepted_and_explained() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    for (kind, token) in [("access", tokens.access.as_str()), ("refresh", tokens.refresh())] {
        let report = inspect(&setup, token);
        assert_eq!((&report["accepted"], &report["kind"]), (&json!(true), &json!(kind)));
        assert_eq!(report["rejected_by"], Value::Null);
        let read = Jws::read(token);
        assert_eq!((&report["header"], &report["claims"]), (&read.header, &read.claims));
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.iter().all(|it| it["passed"] == true), "{report:#}");
        assert!(check(&report, "key")["detail"].as_str().unwrap().ends_with("active"));
        assert!(check(&report, "expiry")["detail"].as_str().unwrap().contains(", in "));
        assert_eq!(report["session"]["id"], tokens.session);
        assert_eq!(report["session"]["state"], "live");
    }
    let report = inspect(&setup, tokens.refresh());
    assert_eq!(report["session"]["token_state"], "live");
    assert_eq!(report["session"]["token_generation"], 1);
    // Inspecting a token does not change its session.
    let next = server.client().refreshed(tokens.refresh(), None);
    assert_eq!(next.generation(), 2);
}

#[test]
fn a_superseded_token_is_distinguished_from_the_live_one() {
    let setup = Setup::new().set("clients.web.retry_window", "0s");
    let server = setup.clone().start();
    let client = server.client();
    let (_, first) = client.new_session();
    let second = client.refreshed(first.refresh(), None);
    let report = inspect(&setup, first.refresh());
    refused(&report, "generation", &["superseded by 2", "stolen"]);
    assert_eq!(report["session"]["token_state"], "superseded");
    assert_eq!(
        (&report["session"]["generation"], &report["session"]["token_generation"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(inspect(&setup, second.refresh())["accepted"], true);
    let windowed = setup.clone().set("clients.web.retry_window", "1h");
    let report = inspect(&windowed, first.refresh());
    assert_eq!(report["accepted"], true);
    assert!(check(&report, "generation")["detail"].as_str().unwrap().contains("retry window"));
}

#[test]
fn an_ended_session_is_reported_with_its_reason() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    setup.run(&["accounts", "disable", &person.email]).is(0);
    for token in [tokens.access.as_str(), tokens.refresh()] {
        let report = inspect(&setup, token);
        refused(&report, "session", &["the account was disabled"]);
        assert_eq!(report["session"]["state"], "ended");
        assert_eq!(report["session"]["ended_reason"], "account_disabled");
    }
}

#[test]
fn an_expired_token_is_reported_with_its_expiry() {
    let setup = Setup::new()
        .set("clients.web.access_lifetime", "1s")
        .set("clients.web.refresh_lifetime", "1s");
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    until(Jws::read(tokens.refresh()).number("exp"));
    for token in [tokens.access.as_str(), tokens.refresh()] {
        let report = inspect(&setup, token);
        refused(&report, "expiry", &["Z, "]);
        assert_eq!(check(&report, "signature")["passed"], true);
    }
}

#[test]
fn a_token_of_another_issuer_is_reported_with_the_difference() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    let other = setup.clone().set("issuer", "https://other.example");
    let report = inspect(&other, &tokens.access);
    refused(&report, "issuer", &["login.aquarium.example", "https://other.example"]);
    assert_eq!(check(&report, "expiry")["passed"], Value::Null);

    let stranger = Setup::new();
    let _ = stranger.clone().start().stop();
    refused(&inspect(&stranger, &tokens.access), "key", &["none of the keys"]);
    let without_keys = Setup::new();
    let report = inspect(&without_keys, &tokens.access);
    refused(&report, "key", &[]);
    assert!(report["notes"][0].as_str().unwrap().contains("no keys"), "{report}");
    assert!(!without_keys.file("keys").exists() && !without_keys.file("aquaware.db").exists());

    let audience = setup.clone().set("clients.web.audience", "[\"https://api.example\"]");
    let server = audience.clone().start();
    let (_, tokens) = server.client().new_session();
    assert_eq!(inspect(&audience, &tokens.access)["accepted"], true);
    refused(&inspect(&setup, &tokens.access), "audience", &["https://api.example"]);
}

#[test]
fn forgeries_are_distinguished_from_issued_tokens() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    let Jws { header, claims, parts, .. } = Jws::read(&tokens.access);
    let part = |json: &Value| base64url(json.to_string().as_bytes());
    let forged =
        |header: &Value, claims: &Value| format!("{}.{}.{}", part(header), part(claims), parts[2]);
    let mut admin = claims.clone();
    admin["roles"] = json!(["admin"]);
    refused(&inspect(&setup, &forged(&header, &admin)), "signature", &["invalid"]);
    let mut none = header.clone();
    none["alg"] = json!("none");
    refused(&inspect(&setup, &forged(&none, &claims)), "algorithm", &["none"]);
    let mut foreign = header.clone();
    foreign["typ"] = json!("JWT");
    let report = inspect(&setup, &forged(&foreign, &claims));
    refused(&report, "type", &["JWT"]);
    assert_eq!(report["kind"], "unknown");
    let report = inspect(&setup, "garbage");
    refused(&report, "form", &["malformed"]);
    assert_eq!((&report["kind"], &report["claims"]), (&json!("unknown"), &Value::Null));
    refused(&inspect(&setup, &"a".repeat(9000)), "form", &["too long"]);
}

#[test]
fn it_works_without_a_store_and_reports_that() {
    let setup = Setup::on(Store::MEMORY);
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    for token in [tokens.access.as_str(), tokens.refresh()] {
        let report = inspect(&setup, token);
        assert_eq!(report["accepted"], true);
        assert!(report["notes"][0].as_str().unwrap().contains("memory:"), "{report}");
        assert_eq!(check(&report, "session")["passed"], Value::Null);
    }
}

#[test]
fn tokens_signed_by_a_retiring_key_are_still_valid() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let (_, tokens) = server.client().new_session();
    setup.run(&["keys", "rotate"]).is(0);
    let report = inspect(&setup, &tokens.access);
    assert_eq!(report["accepted"], true);
    assert!(check(&report, "key")["detail"].as_str().unwrap().ends_with("retiring"));
}

#[test]
fn tokens_are_not_accepted_as_arguments() {
    let setup = Setup::new();
    let run = setup.run(&["token", "inspect", "eyJ.eyJ.signature"]);
    run.is_rejected(2, "read from standard input");
    no_signature(&run, "eyJ.eyJ.signature");
    setup.run(&["token", "inspect"]).is_rejected(2, "no token on standard input");
    let (outcome, seen) =
        setup.run_at_terminal(&["token", "inspect"], &[("Paste the token", "garbage")]);
    assert_eq!(outcome, aquaware_tests::Outcome::Exit(1), "{seen}");
}
