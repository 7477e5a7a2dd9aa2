//! Keys for signing and verification. A signing key is bound to its id, its algorithm and one type
//! of token.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{DecodingKey, EncodingKey};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::token_type::TokenType;
use crate::id::KeyId;
use crate::secret::KeyMaterial;

/// A key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The material is not a private key of the algorithm.
    #[error("key {kid} is not a valid private key for {}", algorithm.as_str())]
    Unusable {
        /// The key's id.
        kid: KeyId,
        /// The algorithm for which it was loaded.
        algorithm: Algorithm,
    },
    /// The key is too short, or looks like a password (RFC 8725 §3.5).
    #[error("key {kid} is too weak for {}: {reason}", algorithm.as_str())]
    Weak {
        /// The key's id.
        kid: KeyId,
        /// The algorithm for which it was loaded.
        algorithm: Algorithm,
        /// The reason.
        reason: &'static str,
    },
}

/// A private key or shared secret that signs tokens of one type.
pub struct SigningKey {
    pub(super) kid: KeyId,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: EncodingKey,
    /// The encoded header and the dot after it, the same for every token of this key.
    pub(super) header: String,
    /// Identifies the key in the signer caches of all threads.
    pub(super) serial: u64,
    verifying: VerifyingKey,
}

/// A public key or shared secret that verifies signatures.
pub struct VerifyingKey {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    /// Whether tokens may use either name of Ed25519 (RFC 9864).
    either_name: bool,
}

impl SigningKey {
    /// Loads a key from a PKCS#8 private key in PEM, or from the bytes of a shared secret.
    ///
    /// # Errors
    /// [`KeyError`] when `material` is not a key for `algorithm`, or is weak: RSA below 2048 bits, a
    /// secret below 32 bytes, or a secret that looks like a password.
    ///
    /// # Panics
    /// When another crate enables the `rust_crypto` feature of `jsonwebtoken` as well and the
    /// application has not called `jsonwebtoken::crypto::CryptoProvider::install_default`.
    pub fn new(
        kid: KeyId,
        token_type: TokenType,
        algorithm: Algorithm,
        material: &KeyMaterial,
    ) -> Result<Self, KeyError> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let unusable = || KeyError::Unusable { kid: kid.clone(), algorithm };
        let weak = |reason| KeyError::Weak { kid: kid.clone(), algorithm, reason };
        if algorithm.is_symmetric() {
            check_secret(material.expose()).map_err(weak)?;
        }
        let encoding = encoding_key(algorithm, material).ok_or_else(unusable)?;
        let decoding = if algorithm.is_symmetric() {
            DecodingKey::from_secret(material.expose())
        } else {
            let jwk = public_jwk(&encoding, algorithm).ok_or_else(unusable)?;
            check_modulus(&jwk).map_err(weak)?;
            DecodingKey::from_jwk(&jwk)
        };
        Ok(Self {
            header: encoded_header(token_type.typ(), algorithm, &kid),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            verifying: VerifyingKey {
                algorithm,
                decoding: decoding.map_err(|_| unusable())?,
                either_name: false,
            },
            kid,
            algorithm,
            encoding,
        })
    }

    /// The key's id.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The algorithm with which the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that verifies its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The public key as a JWK; `None` for a shared secret.
    pub(super) fn public_jwk(&self) -> Option<Jwk> {
        let jwk = || public_jwk(&self.encoding, self.algorithm);
        (!self.algorithm.is_symmetric()).then(jwk)?
    }
}

/// The encoded header of a token, and the dot after it.
pub(super) fn encoded_header(typ: &str, algorithm: Algorithm, kid: &KeyId) -> String {
    // No part needs escapes, and the order is the same in every build: see `DjangoForm`.
    let header = format!(r#"{{"alg":"{}","kid":"{kid}","typ":"{typ}"}}"#, algorithm.as_str());
    URL_SAFE_NO_PAD.encode(header) + "."
}

fn encoding_key(algorithm: Algorithm, material: &KeyMaterial) -> Option<EncodingKey> {
    let bytes = material.expose();
    match algorithm {
        Algorithm::EdDsa | Algorithm::Ed25519 => EncodingKey::from_ed_pem(bytes).ok(),
        Algorithm::Es256 => EncodingKey::from_ec_pem(bytes).ok(),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(bytes).ok(),
        Algorithm::Hs256 => EncodingKey::from_secret(bytes).ok(),
    }
}

fn public_jwk(encoding: &EncodingKey, algorithm: Algorithm) -> Option<Jwk> {
    Jwk::from_encoding_key(encoding, engine_algorithm(algorithm)).ok()
}

/// A secret must be at least as long as the hash (RFC 7518 §3.2). Printable text is rejected at any
/// length, because it is probably a password; a random secret is printable once in 10^13 times.
fn check_secret(secret: &[u8]) -> Result<(), &'static str> {
    let mut distinct = [false; 256];
    for byte in secret {
        if let Some(seen) = distinct.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    if secret.len() < 32 {
        Err("a secret needs 32 random bytes or more")
    } else if secret.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        Err("a secret must be random bytes, not text")
    } else if distinct.iter().filter(|seen| **seen).count() < 16 {
        Err("a secret must be random bytes")
    } else {
        Ok(())
    }
}

/// RSA keys must have 2048 bits or more (RFC 7518 §3.3).
fn check_modulus(jwk: &Jwk) -> Result<(), &'static str> {
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return Ok(()) };
    let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).unwrap_or_default();
    let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    if bits >= 2048 { Ok(()) } else { Err("an RSA key needs 2048 bits or more") }
}

impl VerifyingKey {
    /// A published key. Issuers write either name of Ed25519, in the key set and in tokens.
    pub(super) const fn published(algorithm: Algorithm, decoding: DecodingKey) -> Self {
        Self { algorithm, decoding, either_name: true }
    }

    /// Whether a token with this `alg` can be verified with the key.
    pub(super) fn accepts(&self, alg: &str) -> bool {
        match alg.parse() {
            Ok(Algorithm::Ed25519) if self.either_name => self.algorithm == Algorithm::EdDsa,
            named => named == Ok(self.algorithm),
        }
    }

    /// The only algorithm that the key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// The algorithm in the terms of `jsonwebtoken`, which must not appear in the public interface.
pub(super) const fn engine_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::EdDsa | Algorithm::Ed25519 => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {}, …)", self.kid, self.algorithm.as_str())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, …)", self.algorithm.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> Result<SigningKey, KeyError> {
        let kid = KeyId::new("k").unwrap();
        SigningKey::new(
            kid,
            TokenType::Refresh,
            Algorithm::Hs256,
            &KeyMaterial::new(bytes.to_vec()),
        )
    }

    #[test]
    fn weak_secrets_are_rejected() {
        let random: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(151).wrapping_add(7)).collect();
        assert!(secret(&random).is_ok());
        let weak = |bytes: &[u8]| matches!(secret(bytes), Err(KeyError::Weak { .. }));
        assert!(weak(b""));
        assert!(weak(&random[..31]));
        assert!(weak(&[0; 64]));
        assert!(weak(b"correct horse battery staple and then some more words"));
    }

    #[test]
    fn malformed_keys_are_rejected() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let material = KeyMaterial::new(b"-----BEGIN PRIVATE KEY-----\nAAAA\n".to_vec());
            let key =
                SigningKey::new(KeyId::new("k").unwrap(), TokenType::Access, algorithm, &material);
            assert!(matches!(key, Err(KeyError::Unusable { .. })), "{algorithm:?}");
        }
    }
}
