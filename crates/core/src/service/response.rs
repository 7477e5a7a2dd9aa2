//! The JSON document in which tokens are handed to a client.

use serde::Serialize;

use super::{ClientToken, Granted};
use crate::claims::Scope;
use crate::id::SessionId;
use crate::secret::AccessToken;
use crate::time::Timestamp;

/// The token response (RFC 6749 §5.1), to be serialized and sent with `Cache-Control: no-store`.
///
/// It borrows the tokens, which are overwritten when they are dropped.
#[derive(Serialize)]
#[non_exhaustive]
pub struct TokenResponse<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// The lifetime of the access token, in seconds.
    pub expires_in: u64,
    /// The refresh token, if there is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<&'a str>,
    /// The lifetime of the refresh token, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_expires_in: Option<u64>,
    /// How long the refresh token may be held without exchanging it, in seconds
    /// (draft-ietf-oauth-refresh-token-expiration-03). Only at OAuth token endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_timeout: Option<u64>,
    /// The rest of the session's absolute lifetime, in seconds, from the same draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_expires_in: Option<u64>,
    /// The session; `None` for a token that a client obtained for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The scope of the access token; `None` if it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a Scope>,
}

impl<'a> TokenResponse<'a> {
    fn new(
        access: &'a AccessToken,
        expires_at: Timestamp,
        scope: &'a Scope,
        now: Timestamp,
    ) -> Self {
        Self {
            access_token: access.expose(),
            token_type: "Bearer",
            expires_in: expires_at.seconds_after(now),
            refresh_token: None,
            refresh_expires_in: None,
            refresh_token_timeout: None,
            authorization_expires_in: None,
            session_id: None,
            scope: (!scope.is_empty()).then_some(scope),
        }
    }

    /// The same without the refresh token, which is sent in a cookie instead.
    #[must_use]
    pub fn without_refresh_token(self) -> Self {
        Self { refresh_token: None, refresh_expires_in: None, ..self }
    }
}

impl std::fmt::Debug for TokenResponse<'_> {
    /// Leaves out the tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

impl Granted {
    /// The response with these tokens at `now`.
    #[must_use]
    pub fn response(&self, now: Timestamp) -> TokenResponse<'_> {
        let refresh = self.refresh.as_ref();
        TokenResponse {
            refresh_token: refresh.map(|it| it.token.expose()),
            refresh_expires_in: refresh.map(|it| it.expires_at.seconds_after(now)),
            session_id: Some(self.session.id),
            ..TokenResponse::new(&self.access, self.access_expires_at, &self.scope, now)
        }
    }
}

impl Granted {
    /// The response of an OAuth token endpoint. With a refresh token, it also has the members of
    /// draft-ietf-oauth-refresh-token-expiration.
    #[must_use]
    pub fn oauth_response(&self, now: Timestamp) -> TokenResponse<'_> {
        let response = self.response(now);
        let ends_in = self.session.ends_at.seconds_after(now);
        TokenResponse {
            refresh_token_timeout: response.refresh_expires_in,
            authorization_expires_in: response.refresh_expires_in.map(|_| ends_in),
            ..response
        }
    }
}

impl ClientToken {
    /// The response with this token at `now`.
    #[must_use]
    pub fn response(&self, now: Timestamp) -> TokenResponse<'_> {
        TokenResponse::new(&self.access, self.expires_at, &self.scope, now)
    }
}
