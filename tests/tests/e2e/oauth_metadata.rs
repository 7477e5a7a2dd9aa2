//! The metadata document (RFC 8414) matches the configuration.

use aquaware_tests::{Client, ISSUER, Setup};
use serde_json::{Value, json};

use crate::oauth_support::{INTROSPECT, REVOKE, TOKEN, setup, start};

const PATH: &str = "/.well-known/oauth-authorization-server";

fn document(client: &Client) -> Value {
    let response = client.get(PATH).send().expect(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
    response.json()
}

#[test]
fn the_document_describes_the_server() {
    let (_server, client) = start();
    let at = |path: &str| format!("{ISSUER}{path}");
    let secrets = ["client_secret_basic", "client_secret_post"];
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    let expected = json!({
        "issuer": ISSUER,
        "token_endpoint": at(TOKEN),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at(REVOKE),
        "introspection_endpoint": at(INTROSPECT),
        "response_types_supported": [],
        "grant_types_supported": ["refresh_token", "password", "client_credentials"],
        "scopes_supported": ["feed", "introspect", "read"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": secrets,
    });
    assert_eq!(document(&client), expected);
    for path in [TOKEN, REVOKE, INTROSPECT] {
        // The endpoint exists: the missing parameter is reported as an error of RFC 6749.
        let response = client.post(path).form(&[]).send();
        assert!(response.json()["error"].is_string(), "{path}: {}", response.describe());
    }
    client.get("/.well-known/jwks.json").send().is(200);
}

#[test]
fn disabled_features_are_not_listed() {
    let server = Setup::new().start();
    let plain = document(&server.client());
    assert_eq!(plain["grant_types_supported"], json!(["refresh_token"]));
    assert_eq!(plain["token_endpoint_auth_methods_supported"], json!(["none"]));
    assert_eq!(plain["revocation_endpoint_auth_methods_supported"], json!(["none"]));
    for absent in [
        "scopes_supported",
        "introspection_endpoint_auth_methods_supported",
        "authorization_endpoint",
        "device_authorization_endpoint",
        "code_challenge_methods_supported",
        "dpop_signing_alg_values_supported",
        "status_list_aggregation_endpoint",
        "registration_endpoint",
    ] {
        assert_eq!(plain.get(absent), None, "{absent}");
    }
    let with_password = setup()
        .set("clients.shop.grants", "refresh_token")
        .set("clients.robot.grants", "refresh_token")
        .start();
    let grants = &document(&with_password.client())["grant_types_supported"];
    assert_eq!(grants, &json!(["refresh_token", "password"]));
}

#[test]
fn the_issuer_is_the_one_in_the_tokens() {
    for issuer in ["https://auth.example.com", "https://auth.example.com:8443/eu/prod"] {
        let server = Setup::new().set("issuer", issuer).start();
        let client = server.client();
        let document = document(&client);
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["token_endpoint"], format!("{issuer}{TOKEN}"));
        let (_, tokens) = client.new_session();
        assert_eq!(aquaware_tests::Jws::read(&tokens.access).claims["iss"], issuer);
    }
}

#[test]
fn the_path_of_the_issuer_follows_the_well_known_one() {
    let server = Setup::new().set("issuer", "https://auth.example.com/eu/prod").start();
    let client = server.client();
    let here = document(&client);
    for path in ["/eu/prod", "/eu/prod/"] {
        assert_eq!(client.get(&format!("{PATH}{path}")).send().expect(200).json(), here, "{path}");
    }
    for path in ["/eu", "/eu/prod/x", "/us/prod", "/EU/prod", "/eu/prod.json"] {
        client.get(&format!("{PATH}{path}")).send().is_problem(404, "not_found");
    }
    let server = Setup::new().start();
    server.client().get(&format!("{PATH}/")).send().is(200);
    server.client().get(&format!("{PATH}/eu")).send().is_problem(404, "not_found");
}

#[test]
fn readers_of_openid_connect_find_the_document_below_the_issuer() {
    const OPENID: &str = "/.well-known/openid-configuration";
    let server = Setup::new().set("issuer", "https://auth.example.com/eu/prod").start();
    let client = server.client();
    let mut expected = document(&client);
    expected["subject_types_supported"] = json!(["public"]);
    expected["id_token_signing_alg_values_supported"] = json!(["EdDSA"]);
    for path in [OPENID, "/eu/prod/.well-known/openid-configuration"] {
        let response = client.get(path).header("Origin", "https://other.example").send();
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(response.expect(200).json(), expected, "{path}");
    }
    for path in ["/eu", "/us/prod", "/EU/prod", "/eu/prod/x"] {
        client.get(&format!("{path}{OPENID}")).send().is_problem(404, "not_found");
    }
}

#[test]
fn the_document_is_read_only() {
    let (_server, client) = start();
    let get = client.get(PATH).send().expect(200);
    let head = client.call("HEAD", PATH).send().expect(200);
    assert_eq!(head.body, b"");
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let response = client.post(PATH).form(&[]).send();
    response.is_problem(405, "method_not_allowed");
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
}
