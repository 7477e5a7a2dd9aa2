//! The stored form of a key, for a file or a mounted secret.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::KeyId;
use crate::jwt::{Algorithm, KeyError, SigningKey, TokenType};
use crate::secret::KeyMaterial;
use crate::time::Timestamp;

/// A key with the instants that determine its phase.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The key's id.
    pub kid: KeyId,
    /// The type of tokens that it signs.
    pub token_type: TokenType,
    /// The algorithm with which it signs.
    pub algorithm: Algorithm,
    /// When the key was generated.
    pub created_at: Timestamp,
    /// When the key starts to sign, until a later one takes over. `None` if not decided yet.
    pub active_from: Option<Timestamp>,
    /// A PKCS#8 private key in PEM, or the bytes of a shared secret.
    pub material: KeyMaterial,
}

/// The text is not a key record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The JSON is malformed.
    #[error("not a key record: {0}")]
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    kid: KeyId,
    #[serde(rename = "type")]
    token_type: TokenType,
    alg: Algorithm,
    created_at: String,
    active_from: Option<String>,
    key: String,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl KeyRecord {
    /// The text form: JSON with RFC 3339 times, and the private key as PEM or the secret as base64url.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let material = self.material.expose();
        let wire = Wire {
            kid: self.kid.clone(),
            token_type: self.token_type,
            alg: self.algorithm,
            created_at: self.created_at.to_rfc3339(),
            active_from: self.active_from.map(Timestamp::to_rfc3339),
            key: match self.algorithm.is_symmetric() {
                true => URL_SAFE_NO_PAD.encode(material),
                false => String::from_utf8_lossy(material).into_owned(),
            },
        };
        Zeroizing::new(serde_json::to_string_pretty(&wire).unwrap_or_default())
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// [`RecordError`], which describes the problem and never contains the key.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        let malformed = |why: &str| RecordError::Malformed(why.to_owned());
        // The parser's own message could quote the key.
        let wire: Wire = serde_json::from_str(text).map_err(|error| {
            malformed(&format!(
                "unexpected JSON at line {}, column {}",
                error.line(),
                error.column()
            ))
        })?;
        let instant = |text: &str, field| {
            Timestamp::from_rfc3339(text)
                .ok_or_else(|| malformed(&format!("{field} is not an RFC 3339 time")))
        };
        let material = if wire.alg.is_symmetric() {
            URL_SAFE_NO_PAD.decode(&wire.key).map_err(|_| malformed("key is not base64url"))?
        } else {
            wire.key.as_bytes().to_vec()
        };
        Ok(Self {
            kid: wire.kid.clone(),
            token_type: wire.token_type,
            algorithm: wire.alg,
            created_at: instant(&wire.created_at, "created_at")?,
            active_from: wire
                .active_from
                .as_deref()
                .map(|t| instant(t, "active_from"))
                .transpose()?,
            material: KeyMaterial::new(material),
        })
    }

    /// The signing key, checked for strength.
    ///
    /// # Errors
    /// [`KeyError`] if the material is not a key of the algorithm, or a weak one.
    pub fn signing_key(&self) -> Result<SigningKey, KeyError> {
        SigningKey::new(self.kid.clone(), self.token_type, self.algorithm, &self.material)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use crate::random::SystemRandom;

    #[test]
    fn records_round_trip_through_their_text_form() {
        for &algorithm in Algorithm::ALL {
            let now = Timestamp::from_millis(1_790_000_000_123);
            let mut record = generate(TokenType::Access, algorithm, now, &SystemRandom).unwrap();
            record.active_from = Some(now);
            let text = record.to_json();
            let back = KeyRecord::from_json(&text).unwrap();
            assert_eq!(back.kid, record.kid);
            assert_eq!(back.active_from, record.active_from);
            assert_eq!(back.material.expose(), record.material.expose());
            assert!(back.signing_key().is_ok());
        }
    }

    #[test]
    fn errors_never_quote_the_key() {
        let text = r#"{"kid":"k","type":"access","alg":"HS256","created_at":"2026-01-01T00:00:00Z","active_from":null,"key":"SECRET SECRET"}"#;
        let error = KeyRecord::from_json(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"));
        let error = KeyRecord::from_json(&text.replace("\"kid\"", "\"SECRET\"")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"));
    }
}
