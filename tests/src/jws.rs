//! Parsing and building tokens without the server's code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A compact JWS (RFC 7515 §7.1).
#[derive(Clone, Debug)]
pub struct Jws {
    /// The header.
    pub header: Value,
    /// The payload.
    pub claims: Value,
    /// The signature.
    pub signature: Vec<u8>,
    /// The three parts as encoded.
    pub parts: [String; 3],
}

impl Jws {
    /// Reads a token.
    #[must_use]
    #[track_caller]
    pub fn read(token: &str) -> Self {
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let parts: [String; 3] = parts.try_into().expect("a JWS has three parts");
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url without padding");
        let json = |part| serde_json::from_slice(&bytes(part)).expect("header and claims are JSON");
        Self {
            header: json(&parts[0]),
            claims: json(&parts[1]),
            signature: bytes(&parts[2]),
            parts,
        }
    }

    /// A claim that is an integer.
    #[must_use]
    #[track_caller]
    pub fn number(&self, claim: &str) -> u64 {
        let value = &self.claims[claim];
        value.as_u64().unwrap_or_else(|| panic!("{claim} is no number: {}", self.claims))
    }

    /// The signed part of the token.
    #[must_use]
    pub fn signed(&self) -> String {
        format!("{}.{}", self.parts[0], self.parts[1])
    }

    /// The names of the claims in alphabetical order.
    #[must_use]
    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.claims.as_object().expect("claims").keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// base64url without padding.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding.
#[must_use]
#[track_caller]
pub fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url without padding")
}

/// The encoded header and claims, without a signature.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| base64url(json.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}
