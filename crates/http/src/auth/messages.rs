//! Messages to users: requesting them, and using their tokens.
//!
//! A request for a message tells nothing about accounts: neither by its status or body nor by its
//! duration, and requests beyond a limit look like all others.

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::account::{Account, Login};
use aquaware_core::service::EmailChangeRequest;
use aquaware_core::session::EndReason;

use super::called::called;
use super::confirmed::confirmed;
use super::credentials::password;
use super::ending::{Own, end_rest};
use super::response;
use crate::body::Fields;
use crate::events::{Event, EventKind};
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::State;

/// `POST /auth/password/reset-request`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/password/reset-request", tag = schema::ACCOUNTS, summary = "Request a message that allows to reset the password",
    description = "The response does not tell whether the address has an account.",
    request_body = schema::ResetRequest,
    responses((status = 202, description = "A message may be sent.")),
    extensions(("x-errors" = json!(errors![InvalidRequest]))),
))]
pub(super) async fn request_reset(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let mut fields = Fields::read(&request, payload).await?;
    let email = fields.email("email");
    fields.finish()?;
    let accounts = state.accounts()?;
    let address = state.client(&request).address;
    // A malformed address belongs to no account.
    if let Some(login) = Login::of_input(&email)
        && state.limiter.message_request(&context, address).await
        && state.limiter.message(&context, &login).await
    {
        accounts.service.request_reset(&context, &email).await?;
    }
    Ok(response::requested())
}

/// `POST /auth/password/reset`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/password/reset", tag = schema::ACCOUNTS, summary = "Reset the password",
    description = "Every session of the account ends, and the address counts as verified.",
    request_body = schema::PasswordReset,
    responses((status = 204, description = "The password is replaced, and every session has ended."),
        (status = 202, description = "The password is replaced. Some sessions end in the background.",
            body = response::Revoked)),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidMessageToken, WeakPassword, Overloaded]))),
))]
pub(super) async fn reset(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let mut fields = Fields::read(&request, payload).await?;
    let token = fields.required("token");
    let new = password(fields.required("new_password"));
    fields.finish()?;
    let accounts = state.accounts()?;
    let reset = accounts.service.reset(&context, &token, &new).await?;
    // Guesses of others must not lock out the owner, who has just been recognized by mail.
    accounts.failed_logins.forget(&context, &reset.account.login).await;
    if reset.account.email_verified_at.is_none() {
        let verified = Event::of_account(EventKind::EmailVerified, &reset.account.id);
        state.events.emit(verified).await;
    }
    if !reset.ended.remaining {
        return Ok(response::no_content());
    }
    let id = reset.account.id;
    end_rest(&state, context, id, Own::Included, EndReason::PasswordChanged);
    Ok(response::accepted(&reset.ended))
}

/// `POST /auth/email/verify-request`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/email/verify-request", tag = schema::ACCOUNTS, summary = "Request a message that allows to verify the address",
    description = "Nothing is sent if the address is verified.",
    responses((status = 202, description = "A message may be sent.")),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest]))),
))]
pub(super) async fn request_verification(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, fields, caller) = called(&request, payload, &state).await?;
    fields.finish()?;
    let service = &state.accounts()?.service;
    let account = service.of_caller(&context, &caller).await?;
    let account = account.ok_or_else(Problem::invalid_token)?;
    let is_verified = account.email_verified_at.is_some();
    if !is_verified && state.limiter.message(&context, &account.login).await {
        service.request_verification(&context, &account).await?;
    }
    Ok(response::requested())
}

/// `POST /auth/email/verify`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/email/verify", tag = schema::ACCOUNTS, summary = "Verify an address",
    description = "Verifies the address of the account, or replaces it by the new one to which the message was sent.",
    request_body = schema::Verification,
    responses((status = 204, description = "The address is verified.")),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidMessageToken, AccountExists]))),
))]
pub(super) async fn verify(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let mut fields = Fields::read(&request, payload).await?;
    let token = fields.required("token");
    fields.finish()?;
    state.accounts()?.service.verify_email(&context, &token).await?;
    Ok(response::no_content())
}

/// `POST /auth/email`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/email", tag = schema::ACCOUNTS, summary = "Request a change of the address",
    description = "The new address gets a message with a token, and the current one a notice. The address changes when the new one is verified. A wrong `current_password` counts as a failed login.",
    request_body = schema::EmailChange,
    responses((status = 202, description = "A message may be sent.")),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidCredentials, AccountLocked, Overloaded]))),
))]
pub(super) async fn change(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, mut fields, caller) = called(&request, payload, &state).await?;
    let change = EmailChangeRequest {
        email: fields.email("new_email"),
        password: password(fields.required("current_password")),
    };
    let new = Login::new(&change.email);
    if new.is_err() && !change.email.is_empty() {
        fields.reject("new_email", "is not a valid e-mail address");
    }
    fields.finish()?;
    let may_send = async |account: &Account| {
        let Ok(new) = &new else { return false };
        state.limiter.message(&context, &account.login).await
            && state.limiter.message(&context, new).await
    };
    let service = &state.accounts()?.service;
    let step = service.request_email_change(&context, &caller, change, may_send);
    confirmed(&state, &context, &caller, step).await?;
    Ok(response::requested())
}
