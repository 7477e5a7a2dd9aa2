//! The routes in applications with routes of their own: where they are mounted, what they leave
//! alone, and what they offer to the application's handlers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here is a test that fails"
)]

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpRequest, HttpResponse, web};
use aquaware_core::claims::Scope;
use aquaware_core::id::ClientId;
use aquaware_core::policy::{ProfileSettings, Transport};
use aquaware_core::service::{Accounts, Sessions};
use aquaware_core::store::MemoryStore;
use aquaware_core::testing::{InlineHasher, ManualClock, SeededRandom, fixture};
use aquaware_http::{Aquaware, Authenticated, Builder, Problem};
use serde_json::Value;

const OWN_404: &str = "the application's own 404";

fn builder() -> Builder {
    let cookie = ProfileSettings { transport: Transport::Cookie, ..ProfileSettings::default() };
    let policy = fixture::policy_with([fixture::profile("spa", cookie)]);
    let sessions = fixture::sessions(Arc::new(MemoryStore::new()), policy);
    Aquaware::builder(Arc::new(sessions)).clock(Arc::new(ManualClock::new(fixture::NOW)))
}

/// The login of an application that trusts everyone.
async fn log_in(
    request: HttpRequest,
    client: web::Path<String>,
    aquaware: Aquaware,
) -> Result<HttpResponse, Problem> {
    aquaware.count_login(&request).await?;
    let client = ClientId::new(client.into_inner()).unwrap();
    let mut session = fixture::login_of(7);
    session.scope = Scope::parse(request.query_string()).unwrap();
    aquaware.open_session(&request, &client, session).await
}

async fn owner(caller: Authenticated) -> String {
    caller.session.subject.to_string()
}

fn own_routes(app: &mut web::ServiceConfig) {
    app.route("/login/{client}", web::post().to(log_in)).route("/owner", web::get().to(owner));
}

async fn own_404() -> HttpResponse {
    HttpResponse::NotFound().body(OWN_404)
}

/// A response as clients see it; the body is JSON or text.
struct Response {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Response {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Response {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = read_body(response).await;
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Response { status, headers, body: serde_json::from_slice(&body).unwrap_or_else(|_| text()) }
}

/// A macro, because the type of requests has no name in actix-web.
macro_rules! call {
    ($app:expr, $request:expr) => {
        read(call_service(&$app, $request.to_request()).await).await
    };
}

fn bearer(uri: &str, token: &Value) -> TestRequest {
    let credential = format!("Bearer {}", token.as_str().unwrap());
    TestRequest::with_uri(uri).insert_header((header::AUTHORIZATION, credential))
}

#[actix_web::test]
async fn other_paths_are_left_to_the_application() {
    let aquaware = builder().build().unwrap();
    let app = init_service(
        App::new()
            .configure(|app| aquaware.configure(app))
            .configure(own_routes)
            .default_service(web::to(own_404))
            .wrap(aquaware.middleware()),
    )
    .await;
    for uri in ["/elsewhere", "/auth", "/auth/elsewhere", "/oauth2/elsewhere", "/health/live"] {
        let response = call!(app, TestRequest::with_uri(uri));
        assert_eq!((response.status, response.body.as_str()), (404, Some(OWN_404)), "{uri}");
    }
    assert_eq!(call!(app, TestRequest::with_uri("/.well-known/jwks.json")).status, 200);
}

#[actix_web::test]
async fn without_accounts_their_routes_are_not_mounted() {
    let aquaware = builder().build().unwrap();
    let app = App::new().configure(|app| aquaware.configure(app));
    let app = init_service(app.default_service(web::to(own_404))).await;
    for uri in ["/auth/signup", "/auth/login", "/auth/password", "/auth/me"] {
        let response = call!(app, TestRequest::post().uri(uri));
        assert_eq!(response.body, OWN_404, "{uri}");
    }
    let grant = TestRequest::post().uri("/oauth2/token");
    let response = call!(app, grant.set_form([("grant_type", "password"), ("client_id", "web")]));
    assert_eq!(response.body["error"], "unsupported_grant_type");
}

#[actix_web::test]
async fn with_accounts_users_sign_up_and_log_in() {
    let (memory, random) = (Arc::new(MemoryStore::new()), Arc::new(SeededRandom::new(3)));
    let sessions: Arc<Sessions> = Arc::new(fixture::sessions(memory.clone(), fixture::policy()));
    let hasher = Arc::new(InlineHasher::default());
    let accounts = Accounts::new(memory, hasher.clone(), random, Arc::clone(&sessions));
    let aquaware = Aquaware::builder(sessions)
        .clock(Arc::new(ManualClock::new(fixture::NOW)))
        .password_hasher(hasher)
        .accounts(accounts)
        .build()
        .unwrap();
    let app = init_service(App::new().configure(|app| aquaware.configure(app))).await;
    let form = [("email", "ann@example.com"), ("password", "seven blue snails")];
    let sign_up = TestRequest::post().uri("/auth/signup").set_form(form);
    assert_eq!(call!(app, sign_up).status, 201);
    let login = call!(app, TestRequest::post().uri("/auth/login").set_form(form));
    assert_eq!(login.status, 200);
    let me = call!(app, bearer("/auth/me", &login.body["access_token"]));
    assert_eq!(me.body["email"], "ann@example.com");
}

#[actix_web::test]
async fn the_application_opens_sessions_and_requires_callers() {
    let aquaware = builder().build().unwrap();
    let app = App::new().configure(|app| aquaware.configure(app)).configure(own_routes);
    let app = init_service(app).await;
    let peer = "198.51.100.7:1".parse().unwrap();
    let login = call!(app, TestRequest::post().uri("/login/web").peer_addr(peer));
    let token = &login.body["access_token"];
    let owner = call!(app, bearer("/owner", token));
    assert_eq!(owner.body, fixture::subject(7).to_string());
    let sessions = call!(app, bearer("/auth/sessions", token));
    assert_eq!(sessions.body["sessions"][0]["ip"], "198.51.100.0/24");

    let unauthenticated = call!(app, TestRequest::with_uri("/owner"));
    assert_eq!(unauthenticated.status, 401);
    assert!(unauthenticated.headers.contains_key(header::WWW_AUTHENTICATE));
    let logout = TestRequest::post().uri("/auth/logout");
    let refresh_token = login.body["refresh_token"].as_str().unwrap();
    assert_eq!(call!(app, logout.set_form([("refresh_token", refresh_token)])).status, 204);
    assert_eq!(call!(app, bearer("/owner", token)).status, 401);
}

#[actix_web::test]
async fn sessions_are_opened_only_within_the_profile_of_the_client() {
    let aquaware = builder().build().unwrap();
    let app = App::new().configure(|app| aquaware.configure(app)).configure(own_routes);
    let app = init_service(app).await;
    let log_in = |uri: &str| TestRequest::post().uri(uri);
    assert_eq!(call!(app, log_in("/login/other")).code(), "unknown_client");
    assert_eq!(call!(app, log_in("/login/web?read")).code(), "invalid_scope");
    let foreign = log_in("/login/spa").insert_header((header::ORIGIN, "https://evil.example"));
    assert_eq!(call!(app, foreign).code(), "cross_site");
    let own = log_in("/login/spa").insert_header((header::ORIGIN, "https://auth.example.com"));
    let response = call!(app, own);
    assert!(response.body.get("refresh_token").is_none());
    let cookie = response.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    assert!(cookie.starts_with("__Secure-aquaware-refresh="), "{cookie}");
    // The issuer of these tests has a path.
    assert!(cookie.contains("; Path=/prod1/auth; "), "{cookie}");
}

#[actix_web::test]
async fn two_issuers_are_mounted_in_two_scopes() {
    let (one, two) = (builder().build().unwrap(), builder().build().unwrap());
    let scope = |path: &str, aquaware: &Aquaware| {
        let aquaware = aquaware.clone();
        web::scope(path).configure(|app| aquaware.configure(app)).configure(own_routes)
    };
    let app = App::new().service(scope("/one", &one)).service(scope("/two", &two));
    let app = init_service(app).await;
    let login = call!(app, TestRequest::post().uri("/one/login/web"));
    let token = &login.body["access_token"];
    assert_eq!(call!(app, bearer("/one/owner", token)).status, 200);
    // The other issuer has other sessions.
    assert_eq!(call!(app, bearer("/two/owner", token)).status, 401);
}

#[actix_web::test]
async fn handlers_fail_without_a_panic_if_the_routes_are_not_mounted() {
    let app = init_service(App::new().configure(own_routes)).await;
    for request in [TestRequest::with_uri("/owner"), TestRequest::post().uri("/login/web")] {
        let response = call!(app, request);
        assert_eq!((response.status, response.code()), (500, "internal_error"));
    }
}
