//! Health checks: whether the process runs, and whether it can serve requests.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use aquaware_core::jwt::TokenType;
use serde::Serialize;

use crate::error_code::ErrorCode;
use crate::problem::{FieldError, Problem};
use crate::state::State;
use aquaware_core::error_chain;

#[derive(Serialize)]
struct Healthy {
    status: &'static str,
}

fn healthy(status: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Healthy { status })
}

/// `GET /health/live`: 200 as long as the process runs.
pub(crate) async fn live() -> HttpResponse {
    healthy("alive")
}

/// `GET /health/ready`: 200 if the stores respond and there are keys to sign with; otherwise a 503
/// that names what is missing.
pub(crate) async fn ready(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let accounts = async {
        match &state.accounts {
            Some(accounts) => accounts.service.ping().await,
            None => Ok(()),
        }
    };
    let (sessions, accounts) = futures_util::future::join(state.sessions.ping(), accounts).await;
    let mut failing = Vec::new();
    for (name, answer) in [("sessions", sessions), ("accounts", accounts)] {
        if let Err(error) = answer {
            tracing::warn!(store = name, cause = %error_chain(&error), "not ready");
            failing.push(FieldError::new(name, "the store does not respond, or rejects writes"));
        }
    }
    let context = state.context();
    let signs = |kind| context.snapshot.ring().signing(kind, context.now).is_some();
    let mut code = ErrorCode::StoreUnavailable;
    if !signs(TokenType::Access) || !signs(TokenType::Refresh) {
        let what = "the clock is before the creation of the active key: synchronize it";
        tracing::error!("not ready: {what}");
        if failing.is_empty() {
            code = ErrorCode::ClockUnreliable;
        }
        failing.push(FieldError::new("clock", what));
    }
    if failing.is_empty() {
        return Ok(healthy("ready"));
    }
    Err(Problem::from(code).with_errors(failing))
}
