//! An axum service that requires access tokens.
//!
//! `cargo run -p aquaware-verifier --features axum --example axum -- https://auth.example.com tanks`

use std::error::Error;

use aquaware_verifier::{Bearer, BearerAuth, Rejection, Verifier};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;

/// Claims beyond RFC 9068 that this service uses.
#[derive(Deserialize)]
struct Extra {
    plan: Option<String>,
}

async fn list(bearer: Bearer) -> Result<String, Rejection> {
    let Extra { plan } = bearer.extra_as()?;
    Ok(format!("tanks of {} ({})", bearer.sub, plan.as_deref().unwrap_or("free")))
}

async fn add(bearer: Bearer) -> Result<StatusCode, Rejection> {
    bearer.require_scope("tanks:write")?;
    Ok(StatusCode::CREATED)
}

/// Anonymous callers are welcome, but an invalid token is rejected.
async fn prices(bearer: Option<Bearer>) -> String {
    bearer.map_or("list prices".to_owned(), |bearer| format!("prices for {}", bearer.sub))
}

pub(crate) fn router(verifier: Verifier) -> Router {
    Router::new()
        .route("/tanks", get(list).post(add))
        .route("/prices", get(prices))
        .route("/health", get(async || "healthy"))
        .with_state(BearerAuth::new(verifier).realm("tanks"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: axum ISSUER AUDIENCE".into());
    };
    let verifier = Verifier::builder(issuer, audience).discover().await?;
    axum::serve(TcpListener::bind("127.0.0.1:8082").await?, router(verifier)).await?;
    Ok(())
}
