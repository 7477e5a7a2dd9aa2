//! The error codes of the HTTP contract, each with its status, title and default detail.
//!
//! No `match` over the codes has a `_` arm, so a new code must be given all its parts.

use actix_web::http::StatusCode;

/// What went wrong, as clients distinguish it: the `code` of a problem document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The body cannot be parsed, or a field is missing or malformed.
    InvalidRequest,
    /// The password is wrong, the login is unknown, or the account is disabled.
    InvalidCredentials,
    /// The token is not a refresh token of this issuer.
    InvalidRefreshToken,
    /// The idle or absolute lifetime of the refresh token has ended.
    RefreshTokenExpired,
    /// A superseded refresh token was used again; its session has been revoked.
    RefreshTokenReused,
    /// The session has already ended.
    SessionRevoked,
    /// The login of a sign-up belongs to an existing account.
    AccountExists,
    /// The password does not meet the password policy.
    WeakPassword,
    /// The account had too many failed logins.
    AccountLocked,
    /// The caller sent too many requests.
    RateLimited,
    /// Sign-up is disabled.
    SignupClosed,
    /// The address of the account must be verified before a login.
    EmailNotVerified,
    /// The token of a message is invalid, expired or used.
    InvalidMessageToken,
    /// The client is not configured.
    UnknownClient,
    /// The requested scope exceeds the client's.
    InvalidScope,
    /// A requested resource is not an audience of the client.
    InvalidTarget,
    /// The client is not allowed to make this request.
    ClientNotAllowed,
    /// The access token is missing or invalid.
    InvalidToken,
    /// The access token lacks a required scope.
    InsufficientScope,
    /// The refresh cookie was sent by a page of another origin.
    CrossSite,
    /// No resource exists at this path.
    NotFound,
    /// The resource does not support this method.
    MethodNotAllowed,
    /// The resource has no representation that the client accepts.
    NotAcceptable,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The request line or the headers are too long.
    HeadersTooLarge,
    /// The body exceeds 16 KiB.
    PayloadTooLarge,
    /// The body has an unsupported media type.
    UnsupportedMediaType,
    /// Too many password checks are queued.
    Overloaded,
    /// The store is unreachable; the session is unaffected.
    StoreUnavailable,
    /// The clock of the server is wrong, so it cannot issue tokens; the session is unaffected.
    ClockUnreliable,
    /// The server failed unexpectedly.
    InternalError,
}

impl ErrorCode {
    /// All codes.
    #[cfg(any(test, feature = "documents"))]
    pub(crate) const ALL: [Self; 31] = [
        Self::InvalidRequest,
        Self::InvalidCredentials,
        Self::InvalidRefreshToken,
        Self::RefreshTokenExpired,
        Self::RefreshTokenReused,
        Self::SessionRevoked,
        Self::AccountExists,
        Self::WeakPassword,
        Self::AccountLocked,
        Self::RateLimited,
        Self::SignupClosed,
        Self::EmailNotVerified,
        Self::InvalidMessageToken,
        Self::UnknownClient,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::ClientNotAllowed,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::CrossSite,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::HeadersTooLarge,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::ClockUnreliable,
        Self::InternalError,
    ];

    /// The status of the response.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidMessageToken
            | Self::UnknownClient
            | Self::InvalidScope
            | Self::InvalidTarget => StatusCode::BAD_REQUEST,
            Self::InvalidCredentials
            | Self::InvalidRefreshToken
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused
            | Self::SessionRevoked
            | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::SignupClosed
            | Self::EmailNotVerified
            | Self::ClientNotAllowed
            | Self::InsufficientScope
            | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::AccountExists => StatusCode::CONFLICT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WeakPassword => StatusCode::UNPROCESSABLE_ENTITY,
            Self::AccountLocked | Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::StoreUnavailable | Self::ClockUnreliable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The stable name that the document carries in `code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::RefreshTokenExpired => "refresh_token_expired",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::SessionRevoked => "session_revoked",
            Self::AccountExists => "account_exists",
            Self::WeakPassword => "weak_password",
            Self::AccountLocked => "account_locked",
            Self::RateLimited => "rate_limited",
            Self::SignupClosed => "signup_closed",
            Self::EmailNotVerified => "email_not_verified",
            Self::InvalidMessageToken => "invalid_message_token",
            Self::UnknownClient => "unknown_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::RequestTimeout => "request_timeout",
            Self::HeadersTooLarge => "headers_too_large",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Overloaded => "overloaded",
            Self::StoreUnavailable => "store_unavailable",
            Self::ClockUnreliable => "clock_unreliable",
            Self::InternalError => "internal_error",
        }
    }

    /// The reason phrase of the status in RFC 9110 §15, as the type `about:blank` requires
    /// (RFC 9457 §4.2.1).
    pub(crate) fn title(self) -> &'static str {
        match self.status() {
            // The HTTP library still uses the phrases of RFC 7231.
            StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
            StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
            status => status.canonical_reason().unwrap_or_default(),
        }
    }

    /// The default detail of problems with this code.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is malformed.",
            Self::InvalidCredentials => "The login or the password is wrong.",
            Self::InvalidRefreshToken => "This is not a refresh token of this issuer.",
            Self::RefreshTokenExpired => "The refresh token has expired. Log in again.",
            Self::RefreshTokenReused => {
                "The refresh token was used before. The session has ended. Log in again."
            }
            Self::SessionRevoked => "The session has ended. Log in again.",
            Self::AccountExists => "An account with this login already exists.",
            Self::WeakPassword => "The password is too easy to guess.",
            Self::AccountLocked => "Too many failed logins. Try again later.",
            Self::RateLimited => "Too many requests. Try again later.",
            Self::SignupClosed => "Sign-up is closed.",
            Self::EmailNotVerified => {
                "The e-mail address is not verified yet. Follow the link in the message sent to it."
            }
            Self::InvalidMessageToken => "The token is invalid, expired or already used.",
            Self::UnknownClient => "Unknown client.",
            Self::InvalidScope => "The client is not allowed to request this scope.",
            Self::InvalidTarget => "A resource is not an audience of the client.",
            Self::ClientNotAllowed => "The client is not allowed to make this request.",
            Self::InvalidToken => "The access token is malformed, expired or revoked.",
            Self::InsufficientScope => "The access token lacks a required scope.",
            Self::CrossSite => "The cookie is not accepted from this origin.",
            Self::NotFound => "There is no resource at this path.",
            Self::MethodNotAllowed => "This resource does not support the method.",
            Self::NotAcceptable => "The resource has no representation of an accepted type.",
            Self::RequestTimeout => "The request did not arrive in time.",
            Self::HeadersTooLarge => "The request line or the headers are too long.",
            Self::PayloadTooLarge => "The body is larger than 16 KiB.",
            Self::UnsupportedMediaType => "The media type of the body is not supported.",
            Self::Overloaded => "The server is overloaded. Try again shortly.",
            Self::StoreUnavailable => {
                "The session store is unreachable. Your session is unaffected. Try again shortly."
            }
            Self::ClockUnreliable => {
                "The server cannot issue tokens, because its clock is wrong. Your session is \
                 unaffected. Try again later."
            }
            Self::InternalError => "The server encountered an internal error.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the contract, row by row, and the codes that it does not list.
    const TABLE: [(&str, u16); 31] = [
        ("invalid_request", 400),
        ("invalid_credentials", 401),
        ("invalid_refresh_token", 401),
        ("refresh_token_expired", 401),
        ("refresh_token_reused", 401),
        ("session_revoked", 401),
        ("account_exists", 409),
        ("weak_password", 422),
        ("account_locked", 429),
        ("rate_limited", 429),
        ("signup_closed", 403),
        ("email_not_verified", 403),
        ("invalid_message_token", 400),
        ("unknown_client", 400),
        ("invalid_scope", 400),
        ("invalid_target", 400),
        ("client_not_allowed", 403),
        ("invalid_token", 401),
        ("insufficient_scope", 403),
        ("cross_site", 403),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("not_acceptable", 406),
        ("request_timeout", 408),
        ("headers_too_large", 431),
        ("payload_too_large", 413),
        ("unsupported_media_type", 415),
        ("overloaded", 503),
        ("store_unavailable", 503),
        ("clock_unreliable", 503),
        ("internal_error", 500),
    ];

    #[test]
    fn names_and_statuses_match_the_contract() {
        let ours: Vec<_> =
            ErrorCode::ALL.iter().map(|code| (code.as_str(), code.status().as_u16())).collect();
        assert_eq!(ours, TABLE);
    }

    #[test]
    fn only_an_internal_error_is_titled_as_one() {
        for code in ErrorCode::ALL {
            let is_internal = code.title() == "Internal Server Error";
            assert_eq!(is_internal, code == ErrorCode::InternalError, "{code:?}");
        }
    }
}
