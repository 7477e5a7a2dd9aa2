//! The application as its clients see it, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong here is a test that fails"
)]

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::Aquaware;
use mounted::users::{User, Users};
use mounted::{Issuer, routes};
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

const ISSUER: &str = "https://auth.example.com";

/// The application on a free port.
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    agent: Agent,
    _directory: TempDir,
}

struct Response {
    status: u16,
    media_type: String,
    text: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn token(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap().to_owned()
    }
}

impl Running {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let issuer = Issuer::open(directory.path(), ISSUER, SystemClock.now()).unwrap();
        let aquaware = Aquaware::builder(issuer.sessions).build().unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            System::new().block_on(async move {
                let ann = User {
                    id: 7,
                    email: "ann@example.com".to_owned(),
                    code: "123456".to_owned(),
                    tank: "reef".to_owned(),
                };
                let users = web::Data::new(Users::new(vec![ann]));
                let nothing = || async { HttpResponse::NotFound().body("no such page") };
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(users.clone())
                        .configure(|app| aquaware.configure(app))
                        .configure(routes)
                        .default_service(web::to(nothing))
                        .wrap(aquaware.middleware())
                });
                let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self { address, handle, agent: agent.into(), _directory: directory }
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.agent.post(format!("http://{}{path}", self.address));
        read(request.send_form(fields.iter().copied()).unwrap())
    }

    fn get(&self, path: &str, token: &str) -> Response {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        read(request.header("authorization", format!("Bearer {token}")).call().unwrap())
    }

    fn log_in(&self) -> Response {
        let response = self.post("/login", &[("email", "ann@example.com"), ("code", "123456")]);
        assert_eq!(response.status, 200, "{}", response.text);
        response
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Response {
    let media_type = response.headers().get("content-type");
    Response {
        status: response.status().as_u16(),
        media_type: media_type.map_or("", |it| it.to_str().unwrap()).to_owned(),
        text: response.body_mut().read_to_string().unwrap(),
    }
}

#[test]
fn a_user_of_the_application_gets_a_session_that_renews_itself() {
    let app = Running::start();
    let login = app.log_in();
    let tank = app.get("/tank", &login.token("access_token"));
    assert_eq!(tank.json()["owner"], "ann@example.com");

    let refreshed = app.post("/auth/refresh", &[("refresh_token", &login.token("refresh_token"))]);
    assert_eq!(refreshed.status, 200);
    let access = refreshed.token("access_token");
    assert_eq!(app.get("/tank", &access).status, 200);
    let sessions = app.get("/auth/sessions", &access).json();
    assert_eq!(sessions["sessions"][0]["client_id"], "app");
    assert_eq!(sessions["sessions"][0]["ip"], "127.0.0.0/24");

    let refresh_token = refreshed.token("refresh_token");
    assert_eq!(app.post("/auth/logout", &[("refresh_token", &refresh_token)]).status, 204);
    assert_eq!(app.get("/tank", &access).status, 401);
}

#[test]
fn wrong_credentials_and_invalid_tokens_are_rejected_with_problem_documents() {
    let app = Running::start();
    let refused = app.post("/login", &[("email", "ann@example.com"), ("code", "654321")]);
    assert_eq!((refused.status, &*refused.media_type), (401, "application/problem+json"));
    assert_eq!(refused.json()["code"], "invalid_credentials");
    let refused = app.get("/tank", "a.b.c");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("invalid_token")));
}

#[test]
fn the_routes_leave_every_other_path_to_the_application() {
    let app = Running::start();
    let own = app.get("/elsewhere", "");
    assert_eq!((own.status, &*own.text), (404, "no such page"));
    for path in ["/auth/signup", "/auth/login", "/auth/password", "/auth/me"] {
        assert_eq!(app.post(path, &[]).text, "no such page", "{path}");
    }
}

#[test]
fn the_issuer_is_published_with_its_keys() {
    let app = Running::start();
    let metadata = app.get("/.well-known/oauth-authorization-server", "").json();
    assert_eq!(metadata["issuer"], ISSUER);
    let keys = app.get("/.well-known/jwks.json", "").json();
    assert!(!keys["keys"].as_array().unwrap().is_empty());
}
