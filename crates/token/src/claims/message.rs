//! The claims of a token in a message to a user.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::TokenError;
use crate::id::{Issuer, Subject};
use crate::json::ClaimReader;
use crate::time::Timestamp;

/// What the token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// To set a new password without the current one.
    Reset,
    /// To verify the address of the account.
    Verify,
    /// To replace the address of the account by the one to which the message was sent.
    Change,
}

/// A digest of what the token replaces. The token is invalid once that has been replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageBinding([u8; 16]);

impl MessageBinding {
    /// The binding with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the binding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for MessageBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageBinding(…)")
    }
}

impl Serialize for MessageBinding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for MessageBinding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| D::Error::custom("not a binding"))
    }
}

/// The claims of a token in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The account.
    pub sub: Subject,
    /// What the token allows.
    #[serde(rename = "use")]
    pub kind: MessageKind,
    /// What it is bound to.
    #[serde(rename = "bnd")]
    pub binding: MessageBinding,
    /// The new address; only for [`MessageKind::Change`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The expiry. The token is invalid from this second on.
    pub exp: Timestamp,
}

impl MessageClaims {
    pub(crate) fn read(mut claims: ClaimReader) -> Result<Self, TokenError> {
        Ok(Self {
            iss: claims.required("iss")?,
            sub: claims.required("sub")?,
            kind: claims.required("use")?,
            binding: claims.required("bnd")?,
            email: claims.optional("email")?,
            exp: claims.required("exp")?,
        })
    }
}
