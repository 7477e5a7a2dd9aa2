//! Changes of the caller's account: names and deletion.

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::session::EndReason;
use aquaware_core::store::NameChange;

use super::called::called;
use super::confirmed::confirmed;
use super::credentials::{MAX_NAME_LENGTH, password};
use super::ending::{Own, end_rest};
use super::response::{self, Me};
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::State;

/// `PATCH /auth/me`. A name that is sent empty, or as `null`, is removed.
#[cfg_attr(feature = "documents", utoipa::path(
    patch, path = "/auth/me", tag = schema::ACCOUNTS, summary = "Change names",
    description = "A name that is not sent stays as it is; one sent empty or as `null` is removed.",
    request_body = schema::NameChange,
    responses((status = 200, description = "The account, and the session of the access token.", body = Me)),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest]))),
))]
pub(super) async fn rename(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, mut fields, caller) = called(&request, payload, &state).await?;
    let mut name = |field| fields.has(field).then(|| fields.line(field, MAX_NAME_LENGTH));
    let change = NameChange { first_name: name("first_name"), last_name: name("last_name") };
    fields.finish()?;
    let account = state.accounts()?.service.change_names(&context, &caller, change).await?;
    let account = account.ok_or_else(Problem::invalid_token)?;
    Ok(response::private(&Me::new(&account, &caller)))
}

/// `DELETE /auth/me`.
#[cfg_attr(feature = "documents", utoipa::path(
    delete, path = "/auth/me", tag = schema::ACCOUNTS, summary = "Delete the account",
    description = "Every session of the account ends, and its address is free. A wrong `current_password` counts as a failed login.",
    request_body = schema::Confirmation,
    responses((status = 204, description = "The account is deleted, and its sessions have ended.",
            headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie."))),
        (status = 202, description = "The account is deleted. Some of its sessions end in the background.",
            body = response::Revoked, headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie.")))),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidCredentials, AccountLocked,
        Overloaded]))),
))]
pub(super) async fn delete(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, mut fields, caller) = called(&request, payload, &state).await?;
    let password = password(fields.required("current_password"));
    fields.finish()?;
    let delete = state.accounts()?.service.delete_own(&context, &caller, &password);
    let (account, ended) = confirmed(&state, &context, &caller, delete).await?;
    let mut response = if ended.remaining {
        end_rest(&state, context.clone(), account.id, Own::Included, EndReason::AccountDeleted);
        response::accepted(&ended)
    } else {
        response::no_content()
    };
    state.clear_cookie_of(context.client(&caller.session.client), &request, &mut response);
    Ok(response)
}
