//! Token types, as stated by the `typ` header (RFC 8725 §3.11).

use serde::{Deserialize, Serialize};

/// Maximum length of an access or refresh token in bytes.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// Maximum length of a status list token in bytes.
pub const MAX_STATUS_LIST_BYTES: usize = 1 << 20;

/// The `typ` of a status list (draft-ietf-oauth-status-list-20 §5.1), which is signed with a key
/// for access tokens.
pub(super) const STATUS_LIST_TYP: &str = "statuslist+jwt";

/// The `typ` of a token in a message to a user, defined by this system. It is signed with a key for
/// refresh tokens.
pub(super) const MESSAGE_TYP: &str = "mt+jwt";

/// The type of a token. A token of one type is never accepted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// An access token: `at+jwt` (RFC 9068 §2.1).
    Access,
    /// A refresh token: `rt+jwt`, defined by this system.
    Refresh,
}

impl TokenType {
    /// The `typ` header of tokens of this type.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// Compares two media types, ignoring case and an `application/` prefix (RFC 7515 §4.1.9).
pub(super) fn typ_matches(typ: &str, expected: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == expected
}
