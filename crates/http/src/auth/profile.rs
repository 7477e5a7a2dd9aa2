//! The caller's account and sessions.

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::id::SessionId;

use super::response::{self, Me, SessionItem, SessionList};
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::state::State;

/// `GET /auth/me`.
pub(super) async fn me(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&request, false, &state.context()).await?;
    let account =
        state.accounts()?.service.of_caller(&caller).await?.ok_or_else(Problem::invalid_token)?;
    Ok(response::private(&Me {
        account: (&account).into(),
        session_id: caller.session.id.to_string(),
        claims: &account.claims,
    }))
}

/// `GET /auth/sessions`.
pub(super) async fn sessions(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let caller = state.caller(&request, false, &context).await?;
    let sessions = state.sessions.list(&context, &caller.session.subject).await?;
    let items = sessions.iter().map(|session| SessionItem::new(session, &caller.session)).collect();
    Ok(response::private(&SessionList { sessions: items }))
}

/// `DELETE /auth/sessions/{id}`.
pub(super) async fn end_session(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let caller = state.caller(&request, false, &context).await?;
    let not_found = || Problem::from(ErrorCode::NotFound);
    let id: SessionId = id.parse().map_err(|_| not_found())?;
    if !state.sessions.end_of(&context, &caller.session.subject, &id).await? {
        return Err(not_found());
    }
    let mut response = response::no_content();
    if id == caller.session.id {
        state.clear_cookie_of(context.client(&caller.session.client), &request, &mut response);
    }
    Ok(response)
}
