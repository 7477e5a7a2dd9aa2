//! An actix-web service that requires access tokens.
//!
//! `cargo run -p aquaware-verifier --features actix --example actix -- https://auth.example.com tanks`

use std::error::Error;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, get, post, web};
use aquaware_verifier::{Bearer, BearerAuth, Rejection, Verifier};
use serde::Deserialize;

/// Claims beyond RFC 9068 that this service uses.
#[derive(Deserialize)]
struct Extra {
    plan: Option<String>,
}

#[get("/tanks")]
async fn list(bearer: Bearer) -> Result<String, Rejection> {
    let Extra { plan } = bearer.extra_as()?;
    Ok(format!("tanks of {} ({})", bearer.sub, plan.as_deref().unwrap_or("free")))
}

#[post("/tanks")]
async fn add(bearer: Bearer) -> Result<HttpResponse, Rejection> {
    bearer.require_scope("tanks:write")?;
    Ok(HttpResponse::Created().finish())
}

/// Anonymous callers are welcome, but an invalid token is rejected.
async fn prices(bearer: Option<Bearer>) -> String {
    bearer.map_or("list prices".to_owned(), |bearer| format!("prices for {}", bearer.sub))
}

#[get("/health")]
async fn health() -> &'static str {
    "healthy"
}

/// Serves on `listener`.
pub(crate) fn server(listener: TcpListener, verifier: Verifier) -> std::io::Result<Server> {
    let auth = BearerAuth::new(verifier).realm("tanks");
    let app = move || {
        let optional = auth.clone().optional();
        App::new()
            .service(health)
            .service(web::resource("/prices").wrap(optional).route(web::get().to(prices)))
            .service(web::scope("").wrap(auth.clone()).service(list).service(add))
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: actix ISSUER AUDIENCE".into());
    };
    // Created before the workers: each worker gets a clone, and the clones share the keys.
    let verifier = Verifier::builder(issuer, audience).discover().await?;
    server(TcpListener::bind("127.0.0.1:8081")?, verifier)?.await?;
    Ok(())
}
