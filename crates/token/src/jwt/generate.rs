//! Generation of private keys and shared secrets.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use crate::random::Random;
use crate::secret::KeyMaterial;

/// The DER that precedes the 32 bytes of an Ed25519 private key (RFC 8410 §7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The cryptographic library failed to generate a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("failed to generate a key for {}", algorithm.as_str())]
pub struct KeyGenerationError {
    /// The algorithm that the key was meant for.
    pub algorithm: Algorithm,
}

/// Generates a key for `algorithm`, in the form that [`SigningKey::new`](super::SigningKey::new)
/// accepts.
///
/// Ed25519 keys and shared secrets are made from `random` and take about a microsecond. ES256 and
/// RS256 keys use the generator of the cryptographic library; RSA (2048 bits) can take seconds.
///
/// # Errors
/// [`KeyGenerationError`] when the cryptographic library fails.
pub fn generate_key(
    algorithm: Algorithm,
    random: &dyn Random,
) -> Result<KeyMaterial, KeyGenerationError> {
    let failed = || KeyGenerationError { algorithm };
    Ok(match algorithm {
        Algorithm::EdDsa | Algorithm::Ed25519 => {
            let mut der = Zeroizing::new([0; 48]);
            let (header, seed) = der.split_at_mut(16);
            header.copy_from_slice(&ED25519_PKCS8);
            random.fill(seed);
            pem(&*der)
        }
        Algorithm::Es256 => {
            let system = aws_lc_rs::rand::SystemRandom::new();
            let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &system);
            pem(der.map_err(|_| failed())?.as_ref())
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
            pem(der.as_ref())
        }
        Algorithm::Hs256 => {
            let mut secret = vec![0; 32];
            random.fill(&mut secret);
            KeyMaterial::new(secret)
        }
    })
}

/// Encodes a PKCS#8 key as PEM (RFC 7468 §10).
fn pem(der: &[u8]) -> KeyMaterial {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    // Reserve everything first: reallocation would leave copies of the key behind in memory.
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    KeyMaterial::new(text.into_bytes())
}
