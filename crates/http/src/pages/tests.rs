//! The page and its files, without the program.

use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse};
use aquaware_core::policy::ProfileSettings;
use aquaware_core::service::Accounts;
use aquaware_core::store::MemoryStore;
use aquaware_core::testing::{InlineHasher, SeededRandom, fixture};

use super::*;
use crate::Aquaware;

/// An application with accounts, whose client `web` has these settings.
fn aquaware(web: ProfileSettings, signup: bool) -> Aquaware {
    let policy = fixture::policy_with([fixture::profile(CLIENT, web)]);
    let (memory, hasher) = (Arc::new(MemoryStore::new()), Arc::new(InlineHasher::default()));
    let sessions = Arc::new(fixture::sessions(memory.clone(), policy));
    let random = Arc::new(SeededRandom::new(1));
    let accounts = Accounts::new(memory, hasher, random, Arc::clone(&sessions));
    Aquaware::builder(sessions).accounts(accounts).signup_open(signup).build().unwrap()
}

/// The response of the application; `messages` is another route of it.
async fn get(aquaware: &Aquaware, uri: &str, messages: &str) -> (u16, HeaderMap, String) {
    let app = init_service(
        App::new()
            .configure(|app| aquaware.configure(app))
            .configure(|app| aquaware.configure_pages(app))
            .route(messages, web::post().to(HttpResponse::Accepted)),
    )
    .await;
    let response = call_service(&app, TestRequest::with_uri(uri).to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The root element of the page.
fn root(html: &str) -> &str {
    html.lines().find(|line| line.starts_with("<html")).unwrap()
}

#[actix_web::test]
async fn the_account_page_runs_no_inline_script_and_loads_only_its_own_files() {
    let aquaware = aquaware(ProfileSettings::default(), true);
    let (status, headers, html) = get(&aquaware, "/account", "/x").await;
    assert_eq!(status, 200);
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'));
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");

    let lower = html.to_lowercase();
    let inline = |word: &str| word.starts_with("on") && word.contains('=');
    assert!(!lower.contains("<style") && !lower.contains(" style="));
    assert!(!lower.split_whitespace().any(inline));
    for script in html.split("<script").skip(1) {
        let (attributes, content) = script.split_once('>').unwrap();
        assert!(attributes.contains(" src=") && content.starts_with("</script>"), "{script}");
    }
    assert!(!html.contains("//"), "an address of another host");
    let attributes = html.split(['=', '>', ' ']);
    let addresses = attributes.filter_map(|it| it.strip_prefix('"')?.strip_suffix('"'));
    let addresses: Vec<_> = addresses.filter(|it| it.starts_with('/')).collect();
    assert!(addresses.len() > 4);
    for address in addresses {
        // The application mounts the routes below the path of the issuer.
        let Some(path) = address.strip_prefix("/prod1") else { panic!("{address}") };
        if !path.is_empty() {
            assert_eq!(get(&aquaware, path, "/x").await.0, 200, "{path}");
        }
    }
}

#[actix_web::test]
async fn scripts_of_the_account_page_import_only_each_other_and_write_no_markup() {
    let aquaware = aquaware(ProfileSettings::default(), true);
    for File(name, media_type, text) in &FILES {
        let (status, headers, body) = get(&aquaware, &format!("/account/{name}"), "/x").await;
        assert_eq!((status, body.as_str()), (200, *text), "{name}");
        assert_eq!(headers.get("content-type").unwrap(), media_type, "{name}");
        assert!(headers.contains_key("etag"), "{name}");
        for sink in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
            assert!(!text.contains(sink), "{name} contains {sink}");
        }
        for import in text.split("from \"").skip(1).filter(|_| name.ends_with(".js")) {
            let file = import.split('"').next().unwrap().strip_prefix("./").unwrap();
            assert!(FILES.iter().any(|known| known.0 == file), "{name} imports {file}");
        }
    }
    for other in ["/account/other.js", "/account/..%2Fpages.rs", "/account/account.html"] {
        assert_eq!(get(&aquaware, other, "/x").await.0, 404, "{other}");
    }
}

#[actix_web::test]
async fn the_account_page_shows_what_the_server_can_do() {
    let body = aquaware(ProfileSettings::default(), true);
    let (.., html) = get(&body, "/account/", "/x").await;
    let expected = r#"<html lang="en" data-base="/prod1" data-transport="body" data-signup="on" data-messages="off">"#;
    assert_eq!(root(&html), expected);
    assert!(!html.contains('{'), "every placeholder is replaced");

    for link in ["", LINKS[0], LINKS[1], "/verify-email/"] {
        let (.., html) = get(&body, &format!("{PATH}{link}"), MESSAGES).await;
        assert!(root(&html).contains(r#"data-messages="on""#), "{link}");
    }

    let cookie = ProfileSettings { transport: Transport::Cookie, ..ProfileSettings::default() };
    let (.., html) = get(&aquaware(cookie, false), "/account", "/x").await;
    assert!(root(&html).contains(r#"data-transport="cookie" data-signup="off""#), "{html}");
}

#[actix_web::test]
async fn without_accounts_or_a_client_that_logs_in_there_is_no_account_page() {
    let refreshing =
        ProfileSettings { grants: [Grant::RefreshToken].into(), ..ProfileSettings::default() };
    assert_eq!(get(&aquaware(refreshing, true), "/account", "/x").await.0, 404);

    let policy = fixture::policy_with([fixture::profile(CLIENT, ProfileSettings::default())]);
    let sessions = Arc::new(fixture::sessions(Arc::new(MemoryStore::new()), policy));
    let without = Aquaware::builder(sessions).build().unwrap();
    assert_eq!(get(&without, "/account", "/x").await.0, 404);
    assert_eq!(get(&without, "/account/account.js", "/x").await.0, 404);
}

#[actix_web::test]
async fn a_page_in_a_scope_finds_the_routes_beside_it() {
    let aquaware = aquaware(ProfileSettings::default(), true);
    for (route, expected) in [(MESSAGES, "on"), ("/x", "off")] {
        let scope = web::scope("/login")
            .configure(|app| aquaware.configure_pages(app))
            .route(route, web::post().to(HttpResponse::Accepted));
        let app = init_service(App::new().service(scope)).await;
        let request = TestRequest::with_uri("/login/account").to_request();
        let body = to_bytes(call_service(&app, request).await.into_body()).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(root(&html).contains(&format!(r#"data-messages="{expected}""#)), "{html}");
    }
}
