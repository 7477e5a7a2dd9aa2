//! Hashes of generated client secrets.
//!
//! Passwords need slow hashes because they can be guessed. A generated secret has 256 random bits:
//! a slow hash would protect nothing, and would let anyone keep the server busy with wrong secrets.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::random::Random;
use crate::secret::{Password, PasswordHash};

/// A salted SHA-256 hash, written `$sha256$SALT$HASH` with both parts in base64 without padding, as
/// in the PHC format. For secrets of at least 128 random bits only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSecretHash {
    salt: Vec<u8>,
    hash: [u8; 32],
}

impl GeneratedSecretHash {
    const PREFIX: &str = "$sha256$";

    /// Hashes `secret` with a new salt.
    #[must_use]
    pub fn generate(secret: &Password, random: &dyn Random) -> PasswordHash {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let [salt, hash] =
            [&salt[..], &digest_of(&salt, secret)].map(|part| STANDARD_NO_PAD.encode(part));
        PasswordHash::new(format!("{}{salt}${hash}", Self::PREFIX))
    }

    /// Parses a hash; `None` for other formats.
    #[must_use]
    pub fn parse(text: &PasswordHash) -> Option<Self> {
        let (salt, hash) = text.expose().strip_prefix(Self::PREFIX)?.split_once('$')?;
        let salt =
            STANDARD_NO_PAD.decode(salt).ok().filter(|salt| (8..=64).contains(&salt.len()))?;
        Some(Self { salt, hash: STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()? })
    }

    /// Whether this is the hash of `secret`.
    #[must_use]
    pub fn matches(&self, secret: &Password) -> bool {
        digest_of(&self.salt, secret).ct_eq(&self.hash).into()
    }
}

fn digest_of(salt: &[u8], secret: &Password) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(secret.expose().as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    fn parsed(text: &str) -> Option<GeneratedSecretHash> {
        GeneratedSecretHash::parse(&PasswordHash::new(text.to_owned()))
    }

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let random = SeededRandom::new(1);
        let secret = Password::new("secret".to_owned());
        let [one, two] = [(); 2].map(|()| GeneratedSecretHash::generate(&secret, &random));
        assert_ne!(one.expose(), two.expose(), "each has its own salt");
        for hash in [one, two] {
            let hash = GeneratedSecretHash::parse(&hash).unwrap();
            assert!(hash.matches(&secret));
            for other in ["", "Secret", "secret "] {
                assert!(!hash.matches(&Password::new(other.to_owned())), "{other:?}");
            }
        }
    }

    #[test]
    fn the_format_is_stable() {
        // The SHA-256 of "saltsaltsecret", computed with sha256sum.
        let hash =
            parsed("$sha256$c2FsdHNhbHQ$J7DZ9QiIkiAbTVNB007sp9/TsZpqTzXFNt2gy+1F5wE").unwrap();
        assert!(hash.matches(&Password::new("secret".to_owned())));
    }

    #[test]
    fn malformed_hashes_are_rejected() {
        let hash = "A".repeat(43);
        assert!(parsed(&format!("$sha256$AAAAAAAAAAA${hash}")).is_some());
        for text in [
            String::new(),
            "$sha256$".to_owned(),
            format!("$sha256$AAAAAAAAAAA${hash}="),
            format!("$sha256$AAAAAAAAAAA${hash}A"),
            "$sha256$AAAAAAAAAAA$$".to_owned(),
            format!("$sha256$AAAA${hash}"),
            format!("$sha256$!!!!!!!!!!!${hash}"),
            format!("$sha512$AAAAAAAAAAA${hash}"),
            "$sha256$AAAAAAAAAAA$!!!".to_owned(),
        ] {
            assert_eq!(parsed(&text), None, "{text}");
        }
    }
}
