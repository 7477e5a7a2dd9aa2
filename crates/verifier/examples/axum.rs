//! An axum service that lets nobody in without an access token.
//!
//! `cargo run -p aquaware-verifier --example axum -- https://auth.example.com tanks`

use std::error::Error;

use aquaware_verifier::{BearerClaims, Protection, Verified, Verifier};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use tokio::net::TcpListener;

/// What this service wants to know beyond the claims of RFC 9068.
#[derive(Deserialize)]
struct Plan {
    plan: Option<String>,
}

async fn list(Extension(claims): Extension<Verified<BearerClaims>>) -> Result<String, StatusCode> {
    let Plan { plan } = claims.extra_as().map_err(|_| StatusCode::FORBIDDEN)?;
    Ok(format!("tanks of {} ({})", claims.sub, plan.as_deref().unwrap_or("free")))
}

async fn add() -> StatusCode {
    StatusCode::CREATED
}

/// The routes: reading needs a good token, writing a scope too, the health check neither.
pub(crate) fn router(verifier: Verifier) -> Result<Router, Box<dyn Error>> {
    let protection = Protection::new(verifier).realm("tanks");
    let writing = protection.clone().require_scope("tanks:write")?;
    Ok(Router::new()
        .route("/tanks", get(list).route_layer(protection).merge(post(add).route_layer(writing)))
        .route("/health", get(async || "open to everybody")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: axum ISSUER AUDIENCE".into());
    };
    let verifier = Verifier::builder().issuer(issuer).audience(audience).discover().await?;
    axum::serve(TcpListener::bind("127.0.0.1:8082").await?, router(verifier)?).await?;
    Ok(())
}
