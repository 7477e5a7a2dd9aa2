//! Public keys as others see them: the JWK Set (RFC 7517), written and read.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Serialize;

use super::key::{SigningKey, VerifyingKey};
use super::{Algorithm, Keys};
use crate::id::KeyId;

/// One entry of a published key set: `kid`, `alg`, `use: "sig"` and the public half.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PublicKey(Jwk);

impl PublicKey {
    /// The public half of `key`; `None` for a shared secret.
    #[must_use]
    pub fn of(key: &SigningKey) -> Option<Self> {
        let mut jwk = key.public_jwk()?;
        jwk.common.key_id = Some(key.kid().to_string());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self(jwk))
    }
}

/// Keys read from somebody's published set, for checking. Their names are the issuer's affair.
#[derive(Debug, Default)]
pub struct KeySet(HashMap<String, VerifyingKey>);

impl KeySet {
    /// Reads a JWK Set. Entries of unknown types, for other uses or without a name are passed over
    /// (RFC 7517 §5), shared secrets too; a name that stands twice loses both.
    ///
    /// # Errors
    /// When it is no JWK Set at all.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Wire {
            keys: Vec<serde_json::Value>,
        }
        let wire: Wire = serde_json::from_slice(json)?;
        let mut keys = HashMap::new();
        let mut twice = Vec::new();
        for (kid, key) in wire.keys.into_iter().filter_map(read) {
            if keys.insert(kid.clone(), key).is_some() {
                twice.push(kid);
            }
        }
        for kid in twice {
            keys.remove(&kid);
        }
        Ok(Self(keys))
    }

    /// The key of that name.
    #[must_use]
    pub fn named(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }

    /// Whether it has a key for one of `algorithms`.
    #[must_use]
    pub fn has_any_of(&self, algorithms: &[Algorithm]) -> bool {
        self.0.values().any(|key| algorithms.contains(&key.algorithm()))
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Keys for KeySet {
    fn verifying(&self, kid: &KeyId) -> Option<&VerifyingKey> {
        self.named(kid.as_str())
    }
}

fn read(mut entry: serde_json::Value) -> Option<(String, VerifyingKey)> {
    // RFC 9864's name for what jsonwebtoken knows as EdDSA.
    if entry.get("alg").and_then(|alg| alg.as_str()) == Some("Ed25519") {
        entry.as_object_mut()?.insert("alg".to_owned(), "EdDSA".into());
    }
    let jwk: Jwk = serde_json::from_value(entry).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDsa
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::Es256
        }
        AlgorithmParameters::RSA(_) => Algorithm::Rs256,
        _ => return None,
    };
    let named = match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDsa,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::Es256,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::Rs256,
        Some(_) => false,
    };
    let kid = jwk.common.key_id.clone().filter(|kid| !kid.is_empty())?;
    let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| named)?;
    Some((kid, VerifyingKey::new(algorithm, decoding)))
}
