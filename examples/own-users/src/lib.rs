//! A service with its own users, its own way of letting them in, and its own HTTP server, which
//! takes only sessions and tokens from aquaware: `aquaware_core::service::Sessions` over a store.
//!
//! [`users`] is the user table that the team had before. This file connects it with sessions, and
//! maps HTTP requests to both.

pub mod users;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::id::{ClientId, Issuer, Subject};
use aquaware_core::jwt::{Algorithm, PublicKeySet, TokenError};
use aquaware_core::keys::KeyRing;
use aquaware_core::policy::{ClientProfile, ProfileSettings, TokenPolicy};
use aquaware_core::random::SystemRandom;
use aquaware_core::retry::RetryKey;
use aquaware_core::service::{
    Granted, NewSession, Presenter, RefreshError, RefreshRequest, RequestContext, ServiceError,
    Sessions, Snapshot,
};
use aquaware_core::session::{Device, EndReason};
use aquaware_core::store::StoreError;
use aquaware_core::time::{Clock, Timestamp};
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

/// How long a key signs.
const QUARTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// Sends a code to an address, and may take its time. The team's own.
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
    /// When the keys or the sessions can't be had.
    pub fn open(
        directory: &Path,
        issuer: &str,
        users: Users,
        clock: Arc<dyn Clock>,
        mailer: Mailer,
    ) -> Result<Self, Box<dyn Error>> {
        let now = clock.now();
        // Every lifetime is a field of the settings; these are the defaults, five minutes for an
        // access token and thirty days for a refresh token.
        let app = ClientProfile::new(app(), ProfileSettings::default())
            .map_err(|errors| format!("{errors:?}"))?;
        let policy = TokenPolicy::new(Issuer::new(issuer)?, [app]);
        let keys =
            KeyDirectory::new(directory.join("keys"), Algorithm::EdDsa).rotate_every(QUARTER);
        let records = keys.load(now)?;
        let ring = KeyRing::new(&records, &policy, now)?;
        let store = SqliteStore::open(SqliteOptions::new(directory.join("sessions.db")))?;
        let snapshot = Arc::new(Snapshot::new(policy, ring));
        let sessions = Sessions::new(Arc::new(store), Arc::new(SystemRandom), snapshot);
        Ok(Self { sessions, keys: Mutex::new(keys.follow(&records)), users, clock, mailer })
    }

    /// Rotates the keys when it is time, and uses what other replicas changed. Call this about once
    /// a second.
    ///
    /// # Errors
    /// When the keys cannot be read. The current keys stay in use.
    pub fn follow_keys(&self) -> Result<bool, Box<dyn Error>> {
        let now = self.clock.now();
        let mut follower = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        follower.poll(now, |records| {
            let policy = self.sessions.context(now).snapshot.policy().clone();
            let ring = KeyRing::new(records, &policy, now)?;
            self.sessions.replace_snapshot(Arc::new(Snapshot::new(policy, ring)));
            Ok(())
        })
    }

    /// Policy, keys and time: obtained once per request.
    fn context(&self) -> RequestContext {
        self.sessions.context(self.clock.now())
    }

    /// Drops the records of sessions that no token can need any more: to be called now and then.
    ///
    /// # Errors
    /// When the store is away. They stay until the next time.
    pub async fn purge(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.sessions.purge(1000, self.clock.now()).await?)
    }

    /// Makes the sessions of a subject follow the user table: they end with the user, and have the
    /// plan of today. Where it is the team's own code that removes users and changes plans, it can
    /// do the same right there; this also finds what others changed.
    async fn follow(&self, context: &RequestContext, subject: &Subject) -> Result<(), Refusal> {
        // A table that can't be asked has to be `Later`: nobody is gone because of it.
        let Some(user) = self.users.by_subject(subject) else {
            let reason = EndReason::AccountDeleted;
            self.sessions.end_all(context, subject, None, reason).await?;
            return Err(Refusal::LogInAgain);
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

/// The only client: the team's app.
fn app() -> ClientId {
    #[allow(clippy::expect_used, reason = "a word is a name")]
    ClientId::new("app").expect("a word is a name")
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

/// Always 202, and before any mail is sent: neither the answer nor the time that a mail server takes
/// tells who has an account.
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
) -> Result<Response, Refusal> {
    let context = service.context();
    // The team's part: who is it?
    let user = service.users.redeem(&email, &code, context.now).ok_or(Refusal::WrongCode)?;
    // Aquaware's part: a session for them, whoever they are.
    let profile = context.client(&app()).ok_or(Refusal::Later)?;
    let new = NewSession {
        subject: user.subject(),
        scope: Default::default(),
        claims: user.claims(),
        device: Device::default(),
    };
    let granted = service.sessions.open(&context, profile, new).await?;
    Ok(tokens(&granted, context.now))
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

/// With an `Idempotency-Key` of its own, a client whose answer got lost asks again, and gets the
/// same refresh token, however late.
async fn refresh(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Form(Refresh { refresh_token }): Form<Refresh>,
) -> Result<Response, Refusal> {
    let context = service.context();
    let key = headers.get("idempotency-key").map(|value| RetryKey::parse(value.as_bytes()));
    let key = key.transpose().map_err(|_| Refusal::BadKey)?.flatten();
    let token = &service.sessions.check_refresh(&context, &refresh_token)?;
    service.follow(&context, &token.claims().sub).await?;
    let (presenter, retry_key) = (Presenter::FirstParty, key.as_ref());
    let request = RefreshRequest { token, presenter, scope: None, retry_key };
    let (granted, _) = service.sessions.renew(&context, request).await?;
    Ok(tokens(&granted, context.now))
}

/// 204 for any token: what isn't a live one has nothing to end.
async fn log_out(
    State(service): State<Arc<Service>>,
    Form(Refresh { refresh_token }): Form<Refresh>,
) -> Result<StatusCode, Refusal> {
    service.sessions.log_out(&service.context(), &refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A protected route. It asks no store, so that a session that ended counts within five minutes;
/// where that is too late, `Sessions::authenticate` looks the session up.
async fn tank(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = bearer(&headers).ok_or(Refusal::NoToken)?;
    let claims = service.context().check_access(token)?;
    let user = service.users.by_subject(&claims.sub).ok_or(Refusal::BadToken)?;
    let plan = claims.extra.get("plan");
    Ok(Json(json!({ "tank_of": user.email, "plan": plan })).into_response())
}

/// The token of an `Authorization: Bearer …`, the scheme in any case (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// What other services check this one's tokens with, by `aquaware-verifier` for instance.
async fn key_set(State(service): State<Arc<Service>>) -> Response {
    let context = service.context();
    let keys = context.snapshot.ring().published(context.now).collect();
    ([(CACHE_CONTROL, "public, max-age=300")], Json(PublicKeySet { keys })).into_response()
}

/// The answer that the app expects, which no cache may keep.
fn tokens(granted: &Granted, now: Timestamp) -> Response {
    let body = json!({
        "access_token": granted.access.expose(),
        "expires_in": granted.access_expires_at.seconds_after(now),
        "refresh_token": granted.refresh.as_ref().map(|it| it.token.expose()),
    });
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Why a request gets nothing. What the app does about it is all that its words tell.
enum Refusal {
    WrongCode,
    BadKey,
    LogInAgain,
    NoToken,
    BadToken,
    Later,
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            // The session is unharmed: the same request again does no harm either.
            RefreshError::Service(_) => Self::Later,
            // `Reused` is worth an alarm: somebody has a copy of the user's token.
            RefreshError::Reused
            | RefreshError::Token(_)
            | RefreshError::Unknown
            | RefreshError::Expired
            | RefreshError::Ended(_)
            | RefreshError::NotAllowed
            | RefreshError::Foreign
            | RefreshError::InvalidScope => Self::LogInAgain,
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(_: ServiceError) -> Self {
        Self::Later
    }
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::Later
    }
}

impl From<TokenError> for Refusal {
    fn from(_: TokenError) -> Self {
        Self::BadToken
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        const BEARER: (axum::http::HeaderName, &str) =
            (WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#);
        match self {
            Self::WrongCode => (StatusCode::UNAUTHORIZED, "wrong code").into_response(),
            Self::BadKey => (StatusCode::BAD_REQUEST, "bad Idempotency-Key").into_response(),
            Self::LogInAgain => (StatusCode::UNAUTHORIZED, "log in again").into_response(),
            Self::NoToken => {
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response()
            }
            Self::BadToken => (StatusCode::UNAUTHORIZED, [BEARER]).into_response(),
            Self::Later => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
        }
    }
}
