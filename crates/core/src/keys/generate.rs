//! New keys.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::record::KeyRecord;
use crate::id::{InvalidId, KeyId};
use crate::jwt::{Algorithm, TokenType};
use crate::random::Random;
use crate::secret::KeyMaterial;
use crate::time::Timestamp;

/// The DER before the 32 bytes of an Ed25519 private key (RFC 8410 §7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Makes a key with a random name of eight characters, not yet active.
///
/// Elliptic and symmetric keys take a microsecond or so, RSA (2048 bits) up to seconds. ES256 and
/// RS256 keys come from the cryptographic library's own generator.
///
/// # Errors
/// When the cryptographic library fails.
pub fn generate(
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<KeyRecord, InvalidId> {
    let failed = |_| InvalidId::new("key");
    let material = match algorithm {
        Algorithm::EdDsa => {
            let mut der = Zeroizing::new([0; 48]);
            let (header, seed) = der.split_at_mut(16);
            header.copy_from_slice(&ED25519_PKCS8);
            random.fill(seed);
            pem(&*der)
        }
        Algorithm::Es256 => {
            let system = aws_lc_rs::rand::SystemRandom::new();
            let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &system);
            pem(der.map_err(failed)?.as_ref())
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            pem(der.as_ref())
        }
        Algorithm::Hs256 => {
            let mut secret = vec![0; 32];
            random.fill(&mut secret);
            KeyMaterial::new(secret)
        }
    };
    let mut name = [0; 6];
    random.fill(&mut name);
    Ok(KeyRecord {
        kid: KeyId::new(URL_SAFE_NO_PAD.encode(name))?,
        token_type,
        algorithm,
        created_at: now,
        active_from: None,
        material,
    })
}

/// RFC 7468 §10.
fn pem(der: &[u8]) -> KeyMaterial {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    // Room for everything, so that no copy is left behind by growth.
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
