//! Extra claims: what an issuer may add to access tokens beyond the claims defined here.

use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::exact::is_exact_number;

/// Claims beyond those defined in this crate, such as roles or a tenant.
pub type ExtraClaims = Map<String, Value>;

/// Maximum size of extra claims as JSON, so that tokens fit into a request header.
pub const MAX_EXTRA_BYTES: usize = 2048;

/// Names that extra claims may not use: the claims of this system, the registered claims that
/// affect security, and those of RFC 9068 that only an authorization server may set.
const RESERVED: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "sid",
    "auth_time",
    "scope",
    "status",
    "gen",
    "cnf",
    "act",
    "may_act",
    "acr",
    "amr",
    "azp",
    "nonce",
];

/// The extra claims cannot be put into a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExtraClaimsError {
    /// Only the issuer itself may set this claim.
    #[error("the claim {0:?} is reserved")]
    Reserved(String),
    /// Some stores cannot keep NUL characters.
    #[error("the extra claims contain a NUL character")]
    Nul,
    /// JSON readers round this number.
    #[error("the number {0} cannot be carried exactly in JSON; use a string")]
    Inexact(String),
    /// The claims exceed [`MAX_EXTRA_BYTES`].
    #[error("the extra claims are longer than {MAX_EXTRA_BYTES} bytes of JSON")]
    TooLong,
}

/// Checks that `claims` may be put into access tokens.
///
/// # Errors
/// [`ExtraClaimsError`] for a reserved name, a NUL character, a number beyond ±2^53, or more than
/// [`MAX_EXTRA_BYTES`]. Text must be parsed with [`parse_exact`](super::parse_exact), because a
/// parsed value does not show what was rounded or given twice.
pub fn check_extra(claims: ExtraClaims) -> Result<ExtraClaims, ExtraClaimsError> {
    if let Some(name) = claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(ExtraClaimsError::Reserved(name.clone()));
    }
    if claims.iter().any(|(name, value)| name.contains('\0') || has_nul(value)) {
        return Err(ExtraClaimsError::Nul);
    }
    if let Some(number) = claims.values().find_map(inexact) {
        return Err(ExtraClaimsError::Inexact(number.to_string()));
    }
    let length = serde_json::to_string(&claims).map_or(usize::MAX, |json| json.len());
    if length > MAX_EXTRA_BYTES { Err(ExtraClaimsError::TooLong) } else { Ok(claims) }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
    }
}

fn inexact(value: &Value) -> Option<&Number> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => None,
        Value::Number(number) => Some(number).filter(|number| !is_exact_number(number)),
        Value::Array(values) => values.iter().find_map(inexact),
        Value::Object(map) => map.values().find_map(inexact),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reserved_names_nul_inexact_numbers_and_long_claims_are_rejected() {
        for name in RESERVED {
            let mut claims = Map::new();
            claims.insert(name.to_owned(), Value::Null);
            assert_eq!(check_extra(claims), Err(ExtraClaimsError::Reserved(name.to_owned())));
        }
        for nul in [json!({ "a\0": 1 }), json!({ "a": [{ "b": "\0" }] })] {
            assert_eq!(check_extra(nul.as_object().unwrap().clone()), Err(ExtraClaimsError::Nul));
        }
        for (number, exact) in [
            (json!(9_007_199_254_740_992_u64), true),
            (json!(-9_007_199_254_740_992_i64), true),
            (json!(9_007_199_254_740_993_u64), false),
            (json!(u64::MAX), false),
            (json!(1e300), false),
            (json!(0.1), true),
        ] {
            let claims = json!({ "a": [{ "b": number }] }).as_object().unwrap().clone();
            let refused = Err(ExtraClaimsError::Inexact(number.to_string()));
            assert_eq!(check_extra(claims.clone()), if exact { Ok(claims) } else { refused });
        }
        let mut long = Map::new();
        long.insert("roles".to_owned(), Value::String("x".repeat(MAX_EXTRA_BYTES)));
        assert_eq!(check_extra(long), Err(ExtraClaimsError::TooLong));
    }
}
