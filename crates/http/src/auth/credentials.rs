//! Sign-up, login and password change.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::claims::Scope;
use aquaware_core::id::ClientId;
use aquaware_core::policy::Grant;
use aquaware_core::secret::Password;
use aquaware_core::service::{LogIn, PasswordChange, PasswordError, SignUp};
use aquaware_core::session::EndReason;

use super::called::called;
use super::confirmed::settle;
use super::ending::{Own, end_rest};
use super::response;
use crate::body::{Fields, Text};
use crate::error_code::ErrorCode;
use crate::events::{Event, EventKind};
use crate::login;
use crate::narrowing::Narrowing;
use crate::origin::path_of;
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::State;
use crate::token_response;

/// Maximum length of a name, in characters.
pub(super) const MAX_NAME_LENGTH: usize = 100;

/// `POST /auth/signup`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/signup", tag = schema::ACCOUNTS, summary = "Create an account",
    request_body = schema::SignUp,
    responses((status = 201, description = "The new account.", body = response::NewAccount,
        headers(("Location" = String, description = "The address of `GET /auth/me`.")))),
    extensions(("x-errors" = json!(errors![InvalidRequest, AccountExists, WeakPassword, RateLimited,
        Overloaded]))),
))]
pub(super) async fn sign_up(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let accounts = state.accounts()?;
    if !accounts.signup_open {
        return Err(Problem::from(ErrorCode::SignupClosed));
    }
    state.limiter.sign_up(&context, state.client(&request).address).await?;
    let mut fields = Fields::read(&request, payload).await?;
    let sign_up = SignUp {
        email: fields.email("email"),
        password: password(fields.required("password")),
        first_name: fields.line("first_name", MAX_NAME_LENGTH),
        last_name: fields.line("last_name", MAX_NAME_LENGTH),
    };
    let repeated = fields.sent("password2");
    if repeated.is_some_and(|again| again.as_str() != sign_up.password.expose()) {
        fields.reject("password2", "differs from password");
    }
    fields.finish()?;
    let account = accounts.service.sign_up(&context, sign_up).await?;
    state.send_verification(&context, &account).await;
    Ok(HttpResponse::Created()
        .insert_header((
            header::LOCATION,
            format!("{}/auth/me", path_of(context.issuer().as_str())),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(response::NewAccount::from(&account)))
}

/// `POST /auth/login`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/login", tag = schema::SESSIONS, summary = "Open a session",
    description = "For a client with the transport `cookie`, the refresh token is in a cookie instead of the body, and a request of a browser must come from the issuer's origin or one on the CORS allow-list.",
    request_body = schema::LogIn,
    responses((status = 200, description = "The tokens of the new session.",
        body = schema::TokenResponse, headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: its refresh token.")))),
    extensions(("x-errors" = json!(errors![InvalidRequest, UnknownClient, InvalidScope, InvalidTarget,
        InvalidCredentials, EmailNotVerified, ClientNotAllowed, CrossSite, AccountLocked, RateLimited, Overloaded,
        ClockUnreliable]))),
))]
pub(super) async fn log_in(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let address = state.client(&request).address;
    state.count_login(&context, address).await?;
    let mut fields = Fields::read(&request, payload).await?;
    let email = fields.email("email");
    let password = password(fields.required("password"));
    let client = fields.line("client_id", usize::MAX).unwrap_or_else(|| "web".to_owned());
    let scope = fields.line("scope", usize::MAX).unwrap_or_default();
    let device = login::device(&request, address, fields.line("device_name", MAX_NAME_LENGTH));
    let resources = fields.resources();
    fields.finish()?;
    let client = ClientId::new(client).map_err(|_| Problem::from(ErrorCode::UnknownClient))?;
    let scope = Scope::parse(&scope).map_err(|_| Problem::from(ErrorCode::InvalidScope))?;
    let client = context.client(&client).ok_or_else(|| Problem::from(ErrorCode::UnknownClient))?;
    state.check_login_origin(&request, client)?;
    let narrowing = Narrowing::of(Some(client), &context, &resources)?;
    let login = LogIn { email, password, client, grant: Grant::Login, scope, device };
    let granted = login::log_in(&state, &context, login).await?;
    let granted = narrowing.apply(&state, &context, granted)?;
    Ok(token_response::by_profile(&state, client.transport(), &granted, context.now))
}

/// `POST /auth/password`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/password", tag = schema::ACCOUNTS, summary = "Change the password",
    description = "Every other session of the account ends. A wrong `current_password` counts as a failed login.",
    request_body = schema::PasswordChange,
    responses((status = 204, description = "The password is replaced, and the other sessions have ended."),
        (status = 202, description = "The password is replaced. Some of the other sessions end in the background.",
            body = response::Revoked)),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidCredentials, WeakPassword,
        AccountLocked, Overloaded]))),
))]
pub(super) async fn change_password(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, mut fields, caller) = called(&request, payload, &state).await?;
    let change = PasswordChange {
        current: password(fields.required("current_password")),
        new: password(fields.required("new_password")),
    };
    fields.finish()?;
    let accounts = state.accounts()?;
    let account =
        accounts.service.of_caller(&context, &caller).await?.ok_or_else(Problem::invalid_token)?;
    // Counted before the check: after it, the right one of many concurrent guesses would already
    // have changed the password.
    let locks = accounts.failed_logins.count(&context, &account.login).await?;
    let repeated = change.new.clone();
    let mut outcome = accounts.service.change_password(&context, &caller, change).await;
    let is_repeat = matches!(outcome, Err(PasswordError::Wrong))
        && state.changes.contains(&account.id, context.now);
    if is_repeat {
        // One more guess at the current password.
        accounts.failed_logins.count(&context, &account.login).await?;
        outcome = accounts.service.continue_change(&context, &caller, &repeated).await;
        if outcome.is_ok() {
            accounts.failed_logins.take_back(&context, &account.login).await;
        }
    }
    settle(&state, &context, &account, locks, &outcome).await?;
    let ended = outcome?;
    if !is_repeat {
        state.events.emit(Event::of_account(EventKind::PasswordChanged, &account.id)).await;
    }
    if !ended.remaining {
        return Ok(response::no_content());
    }
    let (session, reason) = (caller.session, EndReason::PasswordChanged);
    state.changes.insert(account.id, context.now);
    end_rest(&state, context, session.subject, Own::Kept(session.id), reason);
    Ok(response::accepted(&ended))
}

pub(super) fn password(mut text: Text) -> Password {
    Password::new(std::mem::take(&mut *text))
}
