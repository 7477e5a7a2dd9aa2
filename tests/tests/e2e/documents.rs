//! The description of the API, and the page that shows it.

use std::collections::BTreeSet;

use aquaware_tests::{Client, Setup, reference};
use serde_json::Value;

/// A server with everything switched on that the description mentions.
fn everything() -> Setup {
    let hash = Setup::new().run(&["clients", "secret", "--json"]);
    let hash: Value = serde_json::from_str(&hash.stdout).expect("JSON");
    Setup::new()
        .set("clients.spa.refresh_transport", "cookie")
        .set("clients.shop.grants", "refresh_token,client_credentials,password")
        .set("clients.shop.secret_hash", hash["secret_hash"].as_str().expect("a hash"))
        .set("clients.shop.status", "true")
        .set("mail.url", "smtp://127.0.0.1:9")
        .set("mail.from", "no-reply@fish.example")
        .set("compat.simplejwt.enabled", "true")
}

fn document(client: &Client) -> Value {
    client.get("/openapi.json").send().expect(200).json()
}

#[test]
fn a_server_with_everything_switched_on_serves_the_document_in_the_manual() {
    let server = everything().start();
    let served = document(&server.client());
    if served != *reference() {
        let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/openapi.json");
        let text = serde_json::to_string_pretty(&served).expect("JSON");
        std::fs::write(file, text + "\n").expect("the document can be written");
        panic!("the API has changed: copy {file} to docs/openapi.json if it should have");
    }
}

#[test]
fn the_document_lists_only_what_is_switched_on() {
    let server = Setup::new().set("accounts.signup", "closed").start();
    let client = server.client();
    let served = document(&client);
    let known = |document: &Value| -> BTreeSet<String> {
        document["paths"].as_object().expect("paths").keys().cloned().collect()
    };
    let missing: Vec<_> = known(reference()).difference(&known(&served)).cloned().collect();
    let expected = [
        "/api/token",
        "/api/token/blacklist",
        "/api/token/refresh",
        "/api/token/verify",
        "/auth/email",
        "/auth/email/verify",
        "/auth/email/verify-request",
        "/auth/password/reset",
        "/auth/password/reset-request",
        "/auth/signup",
    ];
    assert_eq!(missing, expected);
    let grants =
        &served["components"]["schemas"]["TokenRequest"]["properties"]["grant_type"]["enum"];
    assert_eq!(*grants, serde_json::json!(["refresh_token"]));
    assert_eq!(served["servers"][0]["url"], aquaware_tests::ISSUER);
    for path in known(&served) {
        let path = path.replace("{id}", "0").replace("{file}", "swagger-ui.css");
        assert_ne!(client.get(&path).send().status, 404, "{path}");
    }
}

#[test]
fn without_documents_both_paths_are_unknown() {
    let server = Setup::new().set("documents", "false").start();
    for path in ["/openapi.json", "/docs", "/docs/", "/docs/swagger-ui.css"] {
        server.client().get(path).send().is_problem(404, "not_found");
    }
}

#[test]
fn the_page_has_a_strict_policy_and_loads_only_files_of_the_server() {
    let server = Setup::new().start();
    let client = server.client();
    let page = client.get("/docs").send().expect(200);
    let policy = page.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let files: Vec<_> = page.text().split('"').filter(|it| it.starts_with("/docs/")).collect();
    assert_eq!(files.len(), 3, "{}", page.text());
    for file in files {
        client.get(file).send().is(200);
    }
    assert!(!page.text().contains("://"));
}

#[test]
fn every_described_field_of_a_json_body_is_known_to_the_server() {
    let server = everything().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let mut checked = 0;
    // The doors of simplejwt have errors of their own.
    let paths = reference()["paths"].as_object().expect("paths").iter();
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("/api/token")) {
        for (method, operation) in item.as_object().expect("operations") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(schema) = schema.as_str() else { continue };
            let schema = reference().pointer(schema.trim_start_matches('#')).expect("a schema");
            let names = schema["properties"].as_object().expect("properties").keys();
            let names: BTreeSet<String> = names.cloned().collect();
            // No field is a number, so the server complains about each that it knows.
            let body: Value = names.iter().map(|name| (name.clone(), Value::from(1))).collect();
            let call = client.call(&method.to_uppercase(), path).bearer(&tokens.access);
            let response = call.json(&body).send();
            response.is_problem(400, "invalid_request");
            let named: BTreeSet<String> = response.fields().into_iter().collect();
            assert_eq!(named, names, "{method} {path}");
            assert!(!response.text().contains("is not a field"), "{path}: {}", response.text());
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked}");
}
