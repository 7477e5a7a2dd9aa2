//! The steps of the journey, one function each: say why, send, check what came back.
//!
//! What is true of this system and what a reader should learn about it is in here; how it is sent
//! and printed isn't. A step gives back what the next one needs.

pub(super) mod account;
pub(super) mod device;
pub(super) mod ending;
pub(super) mod keys;
pub(super) mod renewal;
pub(super) mod theft;

use std::time::Duration;

use aquaware_core::jwt::inspect;
use aquaware_core::secret::{AccessToken, RefreshToken};
use serde_json::{Value, json};

use super::client::{Answer, Call};
use super::stage::Stop;
use super::tell::status_line;

/// How long an access token of the client `web` lives in the demo.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_secs(2);
/// How long a superseded refresh token of the client `web` is taken for an honest retry.
pub(super) const RETRY_WINDOW: Duration = Duration::from_secs(1);
/// What is waited on top, so that a wait is over for certain.
const MARGIN: Duration = Duration::from_millis(150);

/// Somebody with an account.
pub(super) struct Person {
    pub(super) email: &'static str,
    pub(super) password: &'static str,
}

/// What a client holds: the tokens of one session.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access: AccessToken,
    pub(super) refresh: RefreshToken,
    pub(super) session: String,
}

impl Tokens {
    /// The tokens in a *token answer* that has both.
    fn of(answer: &Answer) -> Result<Self, Stop> {
        let refresh = RefreshToken::new(text(answer, "refresh_token")?);
        Ok(Self { refresh, access: access_of(answer)?, session: text(answer, "session_id")? })
    }
}

/// The access token of an answer that may have no other.
fn access_of(answer: &Answer) -> Result<AccessToken, Stop> {
    text(answer, "access_token").map(AccessToken::new)
}

fn text(answer: &Answer, name: &'static str) -> Result<String, Stop> {
    let found = answer.field(name).as_str().map(ToOwned::to_owned);
    found.ok_or_else(|| Stop::Missing { what: name, status: status_line(answer.status) })
}

/// The call that every renewal is.
fn refresh_call(token: &RefreshToken) -> Call {
    Call::post("/auth/refresh", json!({ "refresh_token": token.expose() }))
}

/// The place of a refresh token in its session's succession.
fn generation(token: &RefreshToken) -> Result<Value, Stop> {
    Ok(inspect(token.expose())?.claims.get("gen").cloned().unwrap_or_default())
}

/// The place after that.
fn next(generation: &Value) -> Value {
    generation.as_u64().map_or(Value::Null, |number| (number + 1).into())
}
