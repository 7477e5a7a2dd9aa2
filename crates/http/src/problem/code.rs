//! The stable words for what can go wrong, each with its status: the table of the HTTP contract.
//!
//! Every `match` here is without `_`, so a new code must be given all its parts.

use actix_web::http::StatusCode;

/// A kind of problem. Clients decide by its [word](Code::word).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// The body can't be parsed, a field is missing or malformed.
    InvalidRequest,
    /// Wrong password, unknown login, disabled account.
    InvalidCredentials,
    /// Not a refresh token of this issuer.
    InvalidRefreshToken,
    /// The refresh token's idle or absolute lifetime is over.
    RefreshTokenExpired,
    /// A superseded refresh token came back; its session is revoked.
    RefreshTokenReused,
    /// The session was ended earlier.
    SessionRevoked,
    /// Sign-up with a login that is taken.
    AccountExists,
    /// The password policy refuses.
    WeakPassword,
    /// Too many failed logins of one account.
    AccountLocked,
    /// Too many requests.
    RateLimited,
    /// Sign-up is switched off.
    SignupClosed,
    /// A client that isn't configured.
    UnknownClient,
    /// A scope outside the client's.
    InvalidScope,
    /// The client may not do this, or not here.
    ClientNotAllowed,
    /// No good access token.
    InvalidToken,
    /// The access token lacks a scope.
    InsufficientScope,
    /// A cookie came from another site.
    CrossSite,
    /// Nothing is at this path.
    NotFound,
    /// Something is at this path, but not for this method.
    MethodNotAllowed,
    /// Nothing that the client accepts can be had here.
    NotAcceptable,
    /// The body is larger than it may be.
    PayloadTooLarge,
    /// The body is of a type that isn't read here.
    UnsupportedMediaType,
    /// More password checks are waiting than may.
    Overloaded,
    /// The store can't be reached; the session is unharmed.
    StoreUnavailable,
    /// A mistake of the server's.
    InternalError,
}

impl Code {
    /// Every code there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 25] = [
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
        Self::UnknownClient,
        Self::InvalidScope,
        Self::ClientNotAllowed,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::CrossSite,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::InternalError,
    ];

    /// The status it is answered with.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::UnknownClient | Self::InvalidScope => {
                StatusCode::BAD_REQUEST
            }
            Self::InvalidCredentials
            | Self::InvalidRefreshToken
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused
            | Self::SessionRevoked
            | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::SignupClosed
            | Self::ClientNotAllowed
            | Self::InsufficientScope
            | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::AccountExists => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WeakPassword => StatusCode::UNPROCESSABLE_ENTITY,
            Self::AccountLocked | Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable word that stands in the document's `code`.
    pub(crate) const fn word(self) -> &'static str {
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
            Self::UnknownClient => "unknown_client",
            Self::InvalidScope => "invalid_scope",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Overloaded => "overloaded",
            Self::StoreUnavailable => "store_unavailable",
            Self::InternalError => "internal_error",
        }
    }

    /// The title: the phrase RFC 9110 §15 has for the status, as `about:blank` asks
    /// (RFC 9457 §4.2.1).
    pub(crate) const fn title(self) -> &'static str {
        match self.status() {
            StatusCode::BAD_REQUEST => "Bad Request",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "Not Found",
            StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed",
            StatusCode::NOT_ACCEPTABLE => "Not Acceptable",
            StatusCode::CONFLICT => "Conflict",
            StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "Unsupported Media Type",
            StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
            StatusCode::TOO_MANY_REQUESTS => "Too Many Requests",
            StatusCode::SERVICE_UNAVAILABLE => "Service Unavailable",
            _ => "Internal Server Error",
        }
    }

    /// The sentence a client reads where a handler has nothing better to say.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request can't be understood.",
            Self::InvalidCredentials => "The login or the password is wrong.",
            Self::InvalidRefreshToken => "This is not a refresh token of this issuer.",
            Self::RefreshTokenExpired => "The refresh token has expired. Log in again.",
            Self::RefreshTokenReused => {
                "The refresh token was used before. The session has been ended. Log in again."
            }
            Self::SessionRevoked => "The session has been ended. Log in again.",
            Self::AccountExists => "There is an account with this login already.",
            Self::WeakPassword => "The password is too easy to guess.",
            Self::AccountLocked => "Too many failed logins. Try again later.",
            Self::RateLimited => "Too many requests. Try again later.",
            Self::SignupClosed => "Sign-up is closed.",
            Self::UnknownClient => "There is no such client.",
            Self::InvalidScope => "The client may not have this scope.",
            Self::ClientNotAllowed => "The client may not do this here.",
            Self::InvalidToken => "The access token is malformed, expired or revoked.",
            Self::InsufficientScope => "The access token lacks a scope.",
            Self::CrossSite => "The cookie is not accepted from this origin.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This path does not take this method.",
            Self::NotAcceptable => "There is nothing here of a type that is accepted.",
            Self::PayloadTooLarge => "The body is larger than 16 KiB.",
            Self::UnsupportedMediaType => "Bodies of this type are not read here.",
            Self::Overloaded => "The server is busy. Try again soon.",
            Self::StoreUnavailable => {
                "The store can't be reached. Your session is unharmed. Try again soon."
            }
            Self::InternalError => "The server made a mistake.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the contract, line by line, and the two codes that are ours alone.
    const TABLE: [(&str, u16); 25] = [
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
        ("unknown_client", 400),
        ("invalid_scope", 400),
        ("client_not_allowed", 403),
        ("invalid_token", 401),
        ("insufficient_scope", 403),
        ("cross_site", 403),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("not_acceptable", 406),
        ("payload_too_large", 413),
        ("unsupported_media_type", 415),
        ("overloaded", 503),
        ("store_unavailable", 503),
        ("internal_error", 500),
    ];

    #[test]
    fn words_and_statuses_are_those_of_the_contract() {
        let ours: Vec<_> =
            Code::ALL.iter().map(|code| (code.word(), code.status().as_u16())).collect();
        assert_eq!(ours, TABLE);
    }

    #[test]
    fn only_the_server_s_own_mistake_is_titled_as_one() {
        for code in Code::ALL {
            let mistake = code.title() == "Internal Server Error";
            assert_eq!(mistake, code == Code::InternalError, "{code:?}");
        }
    }
}
