//! An actix-web service that lets nobody in without an access token.
//!
//! `cargo run -p aquaware-verifier --example actix -- https://auth.example.com tanks`

use std::error::Error;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, get, post};
use aquaware_verifier::{Bearer, Protection, Refused, Verifier};
use serde::Deserialize;

/// What this service wants to know beyond the claims of RFC 9068.
#[derive(Deserialize)]
struct Plan {
    plan: Option<String>,
}

#[get("/tanks")]
async fn list(bearer: Bearer<Plan>) -> String {
    let plan = bearer.extra.plan.as_deref().unwrap_or("free");
    format!("tanks of {} ({plan})", bearer.sub)
}

#[post("/tanks")]
async fn add(bearer: Bearer) -> Result<HttpResponse, Refused> {
    bearer.require_scope("tanks:write")?;
    Ok(HttpResponse::Created().finish())
}

#[get("/health")]
async fn health() -> &'static str {
    "open to everybody"
}

/// Serves on `listener`.
pub(crate) fn server(listener: TcpListener, verifier: Verifier) -> std::io::Result<Server> {
    let protection = Protection::new(verifier).realm("tanks");
    let app =
        move || App::new().app_data(protection.clone()).service(list).service(add).service(health);
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: actix ISSUER AUDIENCE".into());
    };
    // Once, before the workers: each gets a clone, and they share the keys.
    let verifier = Verifier::builder().issuer(issuer).audience(audience).discover().await?;
    server(TcpListener::bind("127.0.0.1:8081")?, verifier)?.await?;
    Ok(())
}
