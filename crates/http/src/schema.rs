//! What the OpenAPI document says about the bodies of requests and responses: the parts that have
//! no type elsewhere, because requests are read field by field and some responses are types of the
//! core.
//!
//! The types are only described, never created. The error codes are written by their names.

/// The codes of problem documents: `errors![NotFound, WeakPassword]`.
macro_rules! errors {
    ($($code:ident),+ $(,)?) => { [$($crate::error_code::ErrorCode::$code),+] };
}

/// The codes of RFC 6749: `oauth_errors![InvalidGrant]`.
macro_rules! oauth_errors {
    ($($code:ident),+ $(,)?) => { [$($crate::oauth_error::OauthErrorCode::$code),+] };
}

mod requests;
mod responses;

use serde::{Serialize, Serializer};

pub(crate) use {errors, oauth_errors};

pub(crate) use self::requests::{
    Confirmation, EmailChange, Introspect, LogIn, LogOut, NameChange, PasswordChange,
    PasswordReset, Refresh, ResetRequest, Revoke, SignUp, TokenRequest, Verification,
};
#[cfg(feature = "passwords")]
pub(crate) use self::requests::{SimpleJwtLogIn, SimpleJwtRefresh, SimpleJwtVerify};
pub(crate) use self::responses::{Introspection, KeySet, TokenResponse};
#[cfg(feature = "passwords")]
pub(crate) use self::responses::{SimpleJwtError, SimpleJwtTokens};
use crate::error_code::ErrorCode;
use crate::oauth_error::OauthErrorCode;

/// The tags of operations, in the order of the document, with their descriptions.
pub(crate) const TAGS: [(&str, &str); 6] = [
    (ACCOUNTS, "The caller's account."),
    (SESSIONS, "Log in, refresh, log out, and the sessions of the caller's account."),
    (OAUTH, "OAuth 2.0 for clients that speak it (RFC 6749, RFC 7009, RFC 7662)."),
    (
        SIMPLEJWT,
        "For clients of djangorestframework-simplejwt, with its bodies, status codes and error texts.",
    ),
    (DISCOVERY, "Public documents, which any origin may read: keys, metadata and status lists."),
    (DOCUMENTS, "This description."),
];

pub(crate) const ACCOUNTS: &str = "Accounts";
pub(crate) const SESSIONS: &str = "Sessions";
pub(crate) const OAUTH: &str = "OAuth 2.0";
pub(crate) const SIMPLEJWT: &str = "simplejwt";
pub(crate) const DISCOVERY: &str = "Discovery";
pub(crate) const DOCUMENTS: &str = "Documents";

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for OauthErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
