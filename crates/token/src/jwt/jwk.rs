//! Published keys: JWK Sets (RFC 7517), written and read.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use serde::Serialize;

use super::algorithm::Algorithm;
use super::key::{SigningKey, VerifyingKey};
use super::verify::Keys;
use crate::id::KeyId;

/// An entry of a published JWK Set: the public key with `kid`, `alg` and `use: "sig"`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PublicKey(serde_json::Value);

impl PublicKey {
    /// The public key of `key`; `None` for a shared secret, which must not be published.
    #[must_use]
    pub fn of(key: &SigningKey) -> Option<Self> {
        let mut jwk = key.public_jwk()?;
        jwk.common.key_id = Some(key.kid().to_string());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut entry = serde_json::to_value(jwk).ok()?;
        // jsonwebtoken does not know the fully specified name of this algorithm (RFC 9864).
        entry.as_object_mut()?.insert("alg".to_owned(), key.algorithm().as_str().into());
        Some(Self(entry))
    }
}

/// A JWK Set for publication (RFC 7517 §5).
#[derive(Clone, Debug, Default, Serialize)]
pub struct PublicKeySet {
    /// The keys of the issuer.
    pub keys: Vec<PublicKey>,
}

/// Verification keys from a published JWK Set. The ids of the keys may have any form.
#[derive(Debug, Default)]
pub struct KeySet(HashMap<String, VerifyingKey>);

impl KeySet {
    /// Parses a JWK Set. Entries that have an unknown type, another use, no id, or `key_ops`
    /// without `verify` are ignored
    /// (RFC 7517 §5), as are shared secrets and all entries that share an id.
    ///
    /// # Errors
    /// When `json` is not a JWK Set.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Wire {
            keys: Vec<serde_json::Value>,
        }
        let wire: Wire = serde_json::from_slice(json)?;
        let mut keys = HashMap::new();
        let mut duplicates = Vec::new();
        for (kid, key) in wire.keys.into_iter().filter_map(read) {
            if keys.insert(kid.clone(), key).is_some() {
                duplicates.push(kid);
            }
        }
        for kid in duplicates {
            keys.remove(&kid);
        }
        Ok(Self(keys))
    }

    /// Returns the key with the id `kid`.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }

    #[cfg(test)]
    pub(super) fn into_key(mut self, kid: &str) -> Option<VerifyingKey> {
        self.0.remove(kid)
    }

    /// Whether the set has a key for one of `algorithms`.
    #[must_use]
    pub fn supports_any(&self, algorithms: &[Algorithm]) -> bool {
        self.0.values().any(|key| algorithms.contains(&key.algorithm()))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Keys for KeySet {
    fn verifying_key(&self, kid: &KeyId) -> Option<&VerifyingKey> {
        self.get(kid.as_str())
    }
}

fn read(mut entry: serde_json::Value) -> Option<(String, VerifyingKey)> {
    // jsonwebtoken does not know the newer name of this algorithm (RFC 9864).
    if entry.get("alg").and_then(|alg| alg.as_str()) == Some("Ed25519") {
        entry.as_object_mut()?.insert("alg".to_owned(), "EdDSA".into());
    }
    let jwk: Jwk = serde_json::from_value(entry).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    // A key for other operations must not verify signatures (RFC 7517 §4.3).
    let operations = jwk.common.key_operations.as_ref();
    if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
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
    let matches = match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDsa,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::Es256,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::Rs256,
        Some(_) => false,
    };
    let kid = jwk.common.key_id.clone().filter(|kid| !kid.is_empty())?;
    let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| matches)?;
    Some((kid, VerifyingKey::published(algorithm, decoding)))
}
