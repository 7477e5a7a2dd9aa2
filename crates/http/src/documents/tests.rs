//! The description and the page, without the program.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use aquaware_core::policy::{Grant, ProfileSettings, Transport};
use aquaware_core::secret::PasswordHash;
#[cfg(feature = "passwords")]
use aquaware_core::service::SimpleJwt;
use aquaware_core::service::{Accounts, Sessions};
use aquaware_core::store::MemoryStore;
use aquaware_core::testing::{InlineHasher, ManualClock, SeededRandom, fixture};
use serde_json::Value;

use super::*;
use crate::Aquaware;
use crate::route::registered;

/// Everything is switched on.
fn all() -> Facts {
    Facts {
        issuer: "https://login.example".to_owned(),
        accounts: true,
        messages: true,
        simplejwt: cfg!(feature = "passwords"),
        signup: true,
        grants: vec!["refresh_token", "client_credentials", "password"],
        secrets: true,
        cookie: Some("__Host-aquaware-refresh".to_owned()),
        public_keys: true,
    }
}

/// The routes for these clients; `with_accounts`, and with an open sign-up or not.
fn aquaware(
    profiles: impl IntoIterator<Item = (&'static str, ProfileSettings)>,
    with_accounts: Option<bool>,
) -> Aquaware {
    let profiles = profiles.into_iter().map(|(id, settings)| fixture::profile(id, settings));
    let policy = fixture::policy_with(profiles.collect::<Vec<_>>());
    let (memory, hasher) = (Arc::new(MemoryStore::new()), Arc::new(InlineHasher::default()));
    let sessions: Arc<Sessions> = Arc::new(fixture::sessions(memory.clone(), policy));
    let random = Arc::new(SeededRandom::new(1));
    let accounts = Accounts::new(memory.clone(), hasher.clone(), random, Arc::clone(&sessions))
        .with_outbox(memory);
    let builder = Aquaware::builder(sessions)
        .clock(Arc::new(ManualClock::new(fixture::NOW)))
        .password_hasher(hasher);
    #[cfg(feature = "passwords")]
    let builder = builder.simplejwt(SimpleJwt::new(fixture::client("web"), "user_id"));
    let builder = match with_accounts {
        Some(open) => builder.accounts(accounts).signup_open(open),
        None => builder,
    };
    builder.build().unwrap()
}

/// The paths of a document and their methods.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
        })
        .collect()
}

/// Every value below `value` with this member, with its path.
fn find<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    if let Some(member) = value.get(name) {
        found.push(member);
    }
    match value {
        Value::Object(members) => members.values().for_each(|it| find(it, name, found)),
        Value::Array(items) => items.iter().for_each(|it| find(it, name, found)),
        _ => {}
    }
}

async fn get(aquaware: &Aquaware, uri: &str, header: (&str, &str)) -> (u16, HeaderMap, Vec<u8>) {
    let app = init_service(
        App::new()
            .configure(|app| aquaware.configure(app))
            .configure(|app| aquaware.configure_documents(app)),
    )
    .await;
    let request = TestRequest::with_uri(uri).insert_header(header).to_request();
    let response: ServiceResponse = call_service(&app, request).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, to_bytes(response.into_body()).await.unwrap().to_vec())
}

#[actix_web::test]
async fn every_route_is_described_and_everything_described_is_a_route() {
    let aquaware = aquaware([], Some(true));
    registered::take();
    let _ = get(&aquaware, "/", ("x", "")).await;
    let mut routes = registered::take();
    // Other spellings of the metadata, for issuers with a path.
    routes.retain(|(path, _)| !path.contains("{path:"));
    assert_eq!(operations(&description::of(&all())), routes);
}

#[test]
fn every_operation_has_an_id_a_summary_and_a_known_tag() {
    let document = description::of(&all());
    let mut ids = BTreeSet::new();
    let tags: Vec<_> = schema::TAGS.iter().map(|(name, _)| *name).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            assert!(operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{path}");
            assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{path}");
            assert!(operation.get("x-errors").is_none(), "{path}");
        }
    }
}

#[test]
fn every_reference_leads_to_a_component_and_every_schema_is_used() {
    let document = description::of(&all());
    let mut references = Vec::new();
    find(&document, "$ref", &mut references);
    let references: BTreeSet<_> = references.iter().map(|it| it.as_str().unwrap()).collect();
    for reference in &references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(references.contains(reference.as_str()), "{name} is not used");
    }
}

#[test]
fn every_error_code_is_described() {
    let text = description::of(&all()).to_string();
    // The two codes of paths and methods that the document does not list, and of closed sign-up.
    let elsewhere = ["method_not_allowed", "signup_closed"];
    for code in crate::error_code::ErrorCode::ALL {
        let quoted = format!("\"{}\"", code.as_str());
        assert!(text.contains(&quoted) || elsewhere.contains(&code.as_str()), "{code:?}");
    }
    for code in crate::oauth_error::OauthErrorCode::ALL {
        assert!(text.contains(&format!("\"{}\"", code.as_str())), "{code:?}");
    }
}

#[test]
fn what_is_switched_off_is_not_described() {
    let paths = |facts: &Facts| -> BTreeSet<String> {
        operations(&description::of(facts)).into_iter().map(|(path, _)| path).collect()
    };
    let missing = |change: fn(&mut Facts)| -> Vec<String> {
        let mut facts = all();
        change(&mut facts);
        paths(&all()).difference(&paths(&facts)).cloned().collect()
    };
    assert_eq!(missing(|it| it.signup = false), ["/auth/signup"]);
    assert_eq!(
        missing(|it| it.messages = false),
        [
            "/auth/email",
            "/auth/email/verify",
            "/auth/email/verify-request",
            "/auth/password/reset",
            "/auth/password/reset-request",
        ]
    );
    assert_eq!(
        missing(|it| (it.accounts, it.signup) = (false, false)),
        ["/auth/login", "/auth/me", "/auth/password", "/auth/signup"]
    );
    assert_eq!(
        missing(|it| it.simplejwt = false),
        ["/api/token", "/api/token/blacklist", "/api/token/refresh", "/api/token/verify"]
    );
    assert_eq!(missing(|it| it.public_keys = false), ["/status-lists", "/status-lists/{id}"]);
    assert_eq!(missing(|it| it.grants.clear()), ["/oauth2/token"]);

    let text = |change: fn(&mut Facts)| {
        let mut facts = all();
        change(&mut facts);
        description::of(&facts).to_string()
    };
    for word in ["Set-Cookie", "refresh_cookie", "\"cross_site\"", "__Host-aquaware-refresh"] {
        assert!(text(|_| {}).contains(word), "{word}");
        assert!(!text(|it| it.cookie = None).contains(word), "{word}");
    }
    assert!(!text(|it| it.secrets = false).contains("\"client_secret\""));
    let document = description::of(&Facts { grants: vec!["refresh_token"], ..all() });
    let request = &document["components"]["schemas"]["TokenRequest"]["properties"];
    assert_eq!(request["grant_type"]["enum"], serde_json::json!(["refresh_token"]));
    assert!(request.get("password").is_none() && request.get("username").is_none());
}

#[actix_web::test]
async fn the_document_follows_the_configuration() {
    let spa = ProfileSettings { transport: Transport::Cookie, ..ProfileSettings::default() };
    let shop = ProfileSettings {
        grants: [Grant::Password].into(),
        secret: Some(PasswordHash::new("$argon2id$".to_owned())),
        ..ProfileSettings::default()
    };
    let full = aquaware([("spa", spa), ("shop", shop)], Some(true));
    let (status, headers, body) = get(&full, "/openapi.json", ("x", "")).await;
    assert_eq!(status, 200);
    assert_eq!(headers.get("content-type").unwrap(), "application/json");
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], fixture::policy().issuer().as_str());
    assert!(document["paths"].get("/auth/signup").is_some());
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(
        schemes.keys().collect::<Vec<_>>(),
        ["access_token", "client_secret", "refresh_cookie"]
    );
    assert_eq!(headers.get("cache-control").unwrap(), "no-store");

    let closed = aquaware([], Some(false));
    let (_, _, body) = get(&closed, "/openapi.json/", ("x", "")).await;
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert!(document["paths"].get("/auth/signup").is_none());
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["access_token"]);
}

#[actix_web::test]
async fn the_page_has_no_inline_script_and_loads_only_files_of_the_binary() {
    let aquaware = aquaware([], None);
    let (status, headers, body) = get(&aquaware, "/docs", ("x", "")).await;
    assert_eq!(status, 200);
    let policy = headers.get("content-security-policy").unwrap().to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let text = String::from_utf8(body).unwrap();
    assert!(!text.contains("://"), "{text}");
    for script in text.split("<script").skip(1) {
        let (attributes, content) = script.split_once('>').unwrap();
        assert!(attributes.contains(" src=") && content.starts_with("</script>"), "{script}");
    }
    let quoted = text.split('"').filter(|it| it.starts_with('/'));
    for path in quoted.collect::<Vec<_>>() {
        // The application mounts the routes below the path of the issuer.
        let path = path.strip_prefix("/prod1").unwrap();
        let plain = get(&aquaware, path, ("x", "")).await;
        assert_eq!(plain.0, 200, "{path}");
        let gzipped = get(&aquaware, path, ("accept-encoding", "gzip")).await;
        let mut inflated = Vec::new();
        if gzipped.1.get("content-encoding").is_some() {
            use std::io::Read as _;
            flate2::read::GzDecoder::new(&*gzipped.2).read_to_end(&mut inflated).unwrap();
        } else {
            inflated = gzipped.2;
        }
        assert_eq!(inflated, plain.2, "{path}");
        assert!(!inflated.is_empty(), "{path}");
    }
    assert_eq!(get(&aquaware, "/docs/../route.rs", ("x", "")).await.0, 404);
    assert_eq!(get(&aquaware, "/docs/other.js", ("x", "")).await.0, 404);
}
