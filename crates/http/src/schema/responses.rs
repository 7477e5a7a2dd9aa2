//! Bodies of responses with types of the core.
#![allow(dead_code, reason = "the types are described, not created")]

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 6749 §5.1.
#[derive(ToSchema)]
pub(crate) struct TokenResponse {
    /// A JWT (RFC 9068).
    #[schema(format = "password")]
    access_token: String,
    #[schema(pattern = "^Bearer$", example = "Bearer")]
    token_type: String,
    /// The lifetime of the access token, in seconds.
    #[schema(minimum = 0, example = 300)]
    expires_in: u64,
    /// Absent if the client has its refresh token in a cookie, if it keeps one refresh token for the
    /// whole session (on refresh), and with the grant `client_credentials`.
    #[schema(format = "password", nullable = false)]
    refresh_token: Option<String>,
    /// The lifetime of the refresh token, in seconds.
    #[schema(nullable = false, minimum = 0, example = 2592000)]
    refresh_expires_in: Option<u64>,
    /// How long the refresh token may be held, in seconds. Only at `/oauth2/token`.
    #[schema(nullable = false, minimum = 0, example = 2592000)]
    refresh_token_timeout: Option<u64>,
    /// The rest of the session's absolute lifetime, in seconds. Only at `/oauth2/token`.
    #[schema(nullable = false, minimum = 0, example = 31536000)]
    authorization_expires_in: Option<u64>,
    /// Absent with the grant `client_credentials`.
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_-]{22}$")]
    session_id: Option<String>,
    /// Absent if it is empty.
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// RFC 7662 §2.2: the claims of an active token, and nothing about any other.
#[derive(ToSchema)]
pub(crate) struct Introspection {
    active: bool,
    /// `Bearer` or `refresh_token`.
    #[schema(nullable = false)]
    token_type: Option<String>,
    #[schema(nullable = false)]
    iss: Option<String>,
    #[schema(nullable = false)]
    sub: Option<String>,
    #[schema(nullable = false)]
    aud: Option<Audience>,
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    exp: Option<u64>,
    #[schema(nullable = false)]
    iat: Option<u64>,
    /// Absent in the description of a refresh token.
    #[schema(nullable = false)]
    jti: Option<String>,
    /// The session; absent if the client obtained the token for itself.
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_-]{22}$")]
    sid: Option<String>,
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// One audience, or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// A JWK set (RFC 7517 §5): the keys that sign now, did so lately, or will do so next.
#[derive(ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// A public key. Which of the last five members it has depends on its type.
#[derive(ToSchema)]
pub(crate) struct Key {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(pattern = "^sig$")]
    r#use: String,
    #[schema(example = "EdDSA")]
    alg: String,
    kid: String,
    #[schema(nullable = false, example = "Ed25519")]
    crv: Option<String>,
    #[schema(nullable = false)]
    x: Option<String>,
    #[schema(nullable = false)]
    y: Option<String>,
    #[schema(nullable = false)]
    n: Option<String>,
    #[schema(nullable = false)]
    e: Option<String>,
}

/// The tokens of simplejwt.
#[derive(ToSchema)]
pub(crate) struct SimpleJwtTokens {
    #[schema(format = "password")]
    access: String,
    /// Absent at a refresh without rotation.
    #[schema(format = "password", nullable = false)]
    refresh: Option<String>,
}

/// `detail`, and `code` for tokens; or texts for each field of the request.
#[derive(ToSchema)]
#[schema(value_type = Object, example = json!({ "detail": "Token is invalid", "code": "token_not_valid" }))]
pub(crate) struct SimpleJwtError(serde_json::Value);
