//! A key for signing or checking: bound to its name, its algorithm and one type of token.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::json;
use thiserror::Error;

use super::{Algorithm, TokenType};
use crate::id::KeyId;
use crate::secret::KeyMaterial;

/// A key that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a private key of the algorithm.
    #[error("key {kid} is not a private key for {}", algorithm.word())]
    Unusable {
        /// Which key.
        kid: KeyId,
        /// What it should be good for.
        algorithm: Algorithm,
    },
    /// Too short, or text that a person could have thought of (RFC 8725 §3.5).
    #[error("key {kid} is too weak for {}: {why}", algorithm.word())]
    Weak {
        /// Which key.
        kid: KeyId,
        /// What it should be good for.
        algorithm: Algorithm,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A private key, or a shared secret, with everything that a signature needs beside the claims.
pub struct SigningKey {
    pub(super) kid: KeyId,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: EncodingKey,
    /// The encoded header with its dot: the same for every token of this key.
    pub(super) header: String,
    /// Tells keys apart in the signers that each thread keeps.
    pub(super) serial: u64,
    verifying: VerifyingKey,
}

/// What checks signatures of one key.
pub struct VerifyingKey {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl SigningKey {
    /// Makes a key of `material`: a PKCS#8 private key in PEM, or the bytes of a shared secret.
    ///
    /// # Errors
    /// [`KeyError`] when it isn't a key of that algorithm, or a weak one: RSA below 2048 bits, a
    /// secret below 32 bytes or of the looks of a password.
    pub fn new(
        kid: KeyId,
        token_type: TokenType,
        algorithm: Algorithm,
        material: &KeyMaterial,
    ) -> Result<Self, KeyError> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let unusable = || KeyError::Unusable { kid: kid.clone(), algorithm };
        let weak = |why| KeyError::Weak { kid: kid.clone(), algorithm, why };
        let encoding = encoding_key(algorithm, material).ok_or_else(unusable)?;
        if algorithm.is_symmetric() {
            check_secret(material.expose()).map_err(weak)?;
        }
        let decoding = match public_jwk(&encoding, algorithm) {
            _ if algorithm.is_symmetric() => DecodingKey::from_secret(material.expose()),
            Some(jwk) => {
                check_modulus(&jwk).map_err(weak)?;
                DecodingKey::from_jwk(&jwk).map_err(|_| unusable())?
            }
            None => return Err(unusable()),
        };
        Ok(Self {
            header: header(token_type.word(), algorithm, &kid),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            verifying: VerifyingKey { algorithm, decoding },
            kid,
            algorithm,
            encoding,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What checks its signatures.
    #[must_use]
    pub const fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Its public half as a JWK; `None` for a shared secret, which nobody publishes.
    pub(super) fn public_jwk(&self) -> Option<Jwk> {
        if self.algorithm.is_symmetric() {
            return None;
        }
        public_jwk(&self.encoding, self.algorithm)
    }
}

/// The encoded header of a token of `typ`, with its dot.
pub(super) fn header(typ: &str, algorithm: Algorithm, kid: &KeyId) -> String {
    let header = json!({ "typ": typ, "alg": algorithm.word(), "kid": kid });
    URL_SAFE_NO_PAD.encode(header.to_string()) + "."
}

fn encoding_key(algorithm: Algorithm, material: &KeyMaterial) -> Option<EncodingKey> {
    let bytes = material.expose();
    match algorithm {
        Algorithm::EdDsa => EncodingKey::from_ed_pem(bytes).ok(),
        Algorithm::Es256 => EncodingKey::from_ec_pem(bytes).ok(),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(bytes).ok(),
        Algorithm::Hs256 => Some(EncodingKey::from_secret(bytes)),
    }
}

fn public_jwk(encoding: &EncodingKey, algorithm: Algorithm) -> Option<Jwk> {
    Jwk::from_encoding_key(encoding, algorithm.into()).ok()
}

/// RFC 7518 §3.2: at least as long as the hash. Text that a person can type is refused although
/// it may be long: one random secret in 10^13 looks like it.
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

/// RFC 7518 §3.3: 2048 bits or more.
fn check_modulus(jwk: &Jwk) -> Result<(), &'static str> {
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return Ok(()) };
    let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).unwrap_or_default();
    let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    if bits >= 2048 { Ok(()) } else { Err("an RSA key needs 2048 bits or more") }
}

impl VerifyingKey {
    pub(super) const fn new(algorithm: Algorithm, decoding: DecodingKey) -> Self {
        Self { algorithm, decoding }
    }

    /// The one algorithm it checks.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Hs256 => Self::HS256,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {}, …)", self.kid, self.algorithm.word())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, …)", self.algorithm.word())
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
    fn weak_secrets_are_refused() {
        let random: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(151).wrapping_add(7)).collect();
        assert!(secret(&random).is_ok());
        let weak = |bytes: &[u8]| matches!(secret(bytes), Err(KeyError::Weak { .. }));
        assert!(weak(b""));
        assert!(weak(&random[..31]));
        assert!(weak(&[0; 64]));
        assert!(weak(b"correct horse battery staple and then some more words"));
    }

    #[test]
    fn what_is_no_key_of_the_algorithm_is_refused() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let material = KeyMaterial::new(b"-----BEGIN PRIVATE KEY-----\nAAAA\n".to_vec());
            let key =
                SigningKey::new(KeyId::new("k").unwrap(), TokenType::Access, algorithm, &material);
            assert!(matches!(key, Err(KeyError::Unusable { .. })), "{algorithm:?}");
        }
    }
}
