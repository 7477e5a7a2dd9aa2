//! The management listener's answers: does the process run, can it serve.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use aquaware_core::jwt::TokenType;
use serde::Serialize;

use super::error_code::ErrorCode;
use super::problem::{FieldError, Problem};
use super::state::State;
use crate::error_chain::chain;

#[derive(Serialize)]
struct Healthy {
    status: &'static str,
}

fn healthy(status: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Healthy { status })
}

/// `GET /health/live`: the process runs.
pub(crate) async fn live() -> HttpResponse {
    healthy("alive")
}

/// `GET /health/ready`: both stores answer and there are keys to sign with; else 503 naming what
/// does not.
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
            tracing::warn!(store = name, cause = %chain(&error), "not ready");
            failing.push(FieldError::new(name, "the store does not answer"));
        }
    }
    let context = state.context();
    let signs = |kind| context.snapshot.ring().signing(kind, context.now).is_some();
    if !signs(TokenType::Access) || !signs(TokenType::Refresh) {
        failing.push(FieldError::new("keys", "there is no key to sign with"));
    }
    if failing.is_empty() {
        return Ok(healthy("ready"));
    }
    Err(Problem::from(ErrorCode::StoreUnavailable).with_errors(failing))
}
