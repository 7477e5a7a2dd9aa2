//! A service with its own users, its own login and its own HTTP server. It takes only sessions and
//! tokens from Aquaware: `aquaware_core::service::Sessions` over a store.
//!
//! [`users`] is the user table that the team had before. This file connects it with sessions, and
//! maps HTTP requests to both.

pub mod users;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::prelude::*;
use aquaware_core::random::SystemRandom;
use aquaware_core::service::{Granted, Presenter, RefreshRequest};
use aquaware_core::session::EndReason;
use aquaware_key_directory::{KeyDirectory, KeyFollower};
use aquaware_store_sql::{SqliteOptions, SqliteStore};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::users::Users;

/// The only client: the team's app.
const APP: &str = "app";

/// How long a key signs.
const QUARTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// The team's own function that sends a code to an address. It may block.
pub type Mailer = Box<dyn Fn(&str, &str) + Send + Sync>;

/// Everything that handlers use.
pub struct Service {
    sessions: Sessions,
    keys: Mutex<KeyFollower>,
    users: Users,
    clock: Arc<dyn Clock>,
    mailer: Mailer,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Service {
    /// The service that issues as `issuer`, with its keys and its sessions in `directory`.
    ///
    /// # Errors
    /// When the keys or the store cannot be opened.
    pub fn open(
        directory: &Path,
        issuer: &str,
        users: Users,
        clock: Arc<dyn Clock>,
        mailer: Mailer,
    ) -> Result<Self, Error> {
        let now = clock.now();
        let keys =
            KeyDirectory::new(directory.join("keys"), Algorithm::EdDsa).rotate_every(QUARTER);
        let records = keys.load(now)?;
        let store = SqliteStore::open(SqliteOptions::new(directory.join("sessions.db")))?;
        // Every lifetime is a field of the settings; these are the defaults, five minutes for an
        // access token and thirty days for a refresh token.
        let sessions = Sessions::builder(issuer).client(APP, ProfileSettings::default()).build(
            Arc::new(store),
            &records,
            now,
        )?;
        Ok(Self { sessions, keys: Mutex::new(keys.follow(&records)), users, clock, mailer })
    }

    /// Rotates the keys when it is time, and uses what other replicas changed. Call this about once
    /// a second.
    ///
    /// # Errors
    /// When the keys cannot be read. The current keys stay in use.
    pub fn follow_keys(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut follower = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        follower.poll(now, |records| Ok(self.sessions.replace_keys(records, now)?))
    }

    /// Policy, keys and time: obtained once per request.
    fn context(&self) -> RequestContext {
        self.sessions.context(self.clock.now())
    }

    /// Deletes the records of sessions that no token can need any more. Call this about once an hour.
    ///
    /// # Errors
    /// When the store fails. The records stay until the next call.
    pub async fn purge(&self) -> Result<u64, Error> {
        Ok(self.sessions.purge(1000, self.clock.now()).await?)
    }

    /// Makes the sessions of a subject follow the user table: they end when the user is removed, and
    /// carry the current plan. Code that removes users or changes plans can do the same at once; this
    /// also finds changes made elsewhere.
    async fn follow(&self, context: &RequestContext, subject: &Subject) -> Result<(), Rejection> {
        // A table that cannot be read must be reported as unavailable, never as a missing user.
        let Some(user) = self.users.by_subject(subject) else {
            let reason = EndReason::AccountDeleted;
            let _ = self.sessions.end_all(context, subject, None, reason).await?;
            return Err(Rejection::UserGone);
        };
        let claims = user.claims();
        let sessions = self.sessions.list(context, subject).await?;
        if sessions.iter().any(|session| session.claims != claims) {
            self.sessions.set_claims(subject, &claims).await?;
        }
        Ok(())
    }
}

/// The routes.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/login/code", post(send_code))
        .route("/login", post(log_in))
        .route("/refresh", post(refresh))
        .route("/logout", post(log_out))
        .route("/tank", get(tank))
        .route("/.well-known/jwks.json", get(key_set))
        .with_state(service)
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

/// Always 202, and before any mail is sent: neither the response nor its timing reveals whether the
/// address has an account.
async fn send_code(
    State(service): State<Arc<Service>>,
    Form(Address { email }): Form<Address>,
) -> StatusCode {
    if let Some(code) = service.users.invite(&email, &SystemRandom, service.clock.now()) {
        drop(spawn_blocking(move || (service.mailer)(&email, &code)));
    }
    StatusCode::ACCEPTED
}

#[derive(Deserialize)]
struct Login {
    email: String,
    code: String,
}

async fn log_in(
    State(service): State<Arc<Service>>,
    Form(Login { email, code }): Form<Login>,
) -> Result<Response, Rejection> {
    let context = service.context();
    // The team's part: authenticate the user.
    let user = service.users.redeem(&email, &code, context.now).ok_or(Rejection::WrongCode)?;
    // Aquaware's part: open a session.
    let profile = context.profile(&ClientId::new(APP)?)?;
    let mut new = NewSession::new(user.subject());
    new.claims = user.claims();
    let granted = service.sessions.open(&context, profile, new).await?;
    Ok(tokens(&granted, context.now))
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

/// A client that sends an `Idempotency-Key` can repeat a request whose response was lost: it receives
/// the same refresh token, however late.
async fn refresh(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Form(Refresh { refresh_token }): Form<Refresh>,
) -> Result<Response, Rejection> {
    let context = service.context();
    let key = headers.get("idempotency-key").map(|value| RetryKey::parse(value.as_bytes()));
    let key = key.transpose()?.flatten();
    let token = &service.sessions.check_refresh(&context, &refresh_token)?;
    service.follow(&context, &token.claims().sub).await?;
    let (presenter, retry_key) = (Presenter::FirstParty, key.as_ref());
    let request = RefreshRequest { token, presenter, scope: None, retry_key, device: None };
    let (granted, _) = service.sessions.renew(&context, request).await?;
    Ok(tokens(&granted, context.now))
}

/// Always 204: an invalid or expired token has no session to end.
async fn log_out(
    State(service): State<Arc<Service>>,
    Form(Refresh { refresh_token }): Form<Refresh>,
) -> Result<StatusCode, Rejection> {
    service.sessions.log_out(&service.context(), &refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A protected route. It does not read the store, so the end of a session takes effect within five
/// minutes; where that is too late, `Sessions::authenticate` looks the session up.
async fn tank(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let token = bearer(&headers).ok_or(Rejection::NoToken)?;
    let claims = service.context().check_access(token)?;
    let user = service.users.by_subject(&claims.sub).ok_or(Rejection::UserGone)?;
    let plan = claims.extra.get("plan");
    Ok(Json(json!({ "tank_of": user.email, "plan": plan })).into_response())
}

/// The token of an `Authorization: Bearer …`, the scheme in any case (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The keys with which other services verify tokens, for example with `aquaware-verifier`.
async fn key_set(State(service): State<Arc<Service>>) -> Response {
    let keys = service.context().key_set();
    ([(CACHE_CONTROL, "public, max-age=300")], Json(keys)).into_response()
}

/// The token response, which must not be cached.
fn tokens(granted: &Granted, now: Timestamp) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(granted.response(now))).into_response()
}

/// Why a request is rejected.
enum Rejection {
    WrongCode,
    UserGone,
    NoToken,
    /// A [`RefreshError::Reused`](aquaware_core::service::RefreshError) among these deserves an
    /// alarm: a second party has a copy of the user's token.
    Session(Error),
}

impl<E: Into<Error>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::Session(error.into())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        const INVALID_TOKEN: &str = r#"Bearer error="invalid_token""#;
        let challenge = |value| (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, value)]);
        let error = match self {
            Self::WrongCode => return (StatusCode::UNAUTHORIZED, "wrong code").into_response(),
            Self::UserGone => return challenge(INVALID_TOKEN).into_response(),
            Self::NoToken => return challenge("Bearer").into_response(),
            Self::Session(error) => error,
        };
        match error.kind() {
            ErrorKind::InvalidRequest => {
                (StatusCode::BAD_REQUEST, error.to_string()).into_response()
            }
            ErrorKind::Unauthenticated => challenge(INVALID_TOKEN).into_response(),
            // The session is unaffected, and the client may repeat the request.
            ErrorKind::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response()
            }
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/using-the-core.md")]
struct UsingTheCore;
