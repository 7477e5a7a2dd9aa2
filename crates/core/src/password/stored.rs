//! Stored password hashes: the formats that can be checked, and what a check may cost.
//!
//! New hashes are argon2id in PHC format. All others come from systems that accounts were imported
//! from; they are checked as they are, and replaced at the next login. A hash that would need too
//! much memory or time is rejected before any work: a stolen or forged row must not stop the server.

use std::num::NonZeroU32;

use argon2::password_hash::phc;
use argon2::{Algorithm, Params, Version};
use aws_lc_rs::pbkdf2;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, engine};
use thiserror::Error;

use super::format::format_of;
use crate::secret::PasswordHash;
use crate::time::Timestamp;

/// Why a stored hash cannot be checked. Texts never contain a part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsupportedHashError {
    /// The hash is in another format.
    #[error("the format of the password hash ({0}) is not supported")]
    Format(&'static str),
    /// The hash is incomplete or malformed.
    #[error("the password hash ({0}) is malformed")]
    Malformed(&'static str),
    /// A check would need more than 1 GiB or about ten seconds.
    #[error("the password hash ({0}) would need more than 1 GiB or ten seconds to check")]
    TooCostly(&'static str),
}

/// Whether a [`Worker`](super::Worker) can check passwords against `stored`, within 1 GiB and about ten
/// seconds.
///
/// # Errors
/// [`UnsupportedHashError`]: such a hash never matches.
pub fn check_hash(stored: &PasswordHash) -> Result<(), UnsupportedHashError> {
    StoredHash::parse(stored).map(drop)
}

/// Whether `stored` is a complete argon2id hash in PHC format that can be checked: the only format for
/// secrets of clients that are not generated.
#[must_use]
pub fn is_argon2id(stored: &PasswordHash) -> bool {
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let is_current = |hash: &StoredHash| match hash {
        StoredHash::Argon2 { algorithm: a, version: v, .. } => (*a, *v) == (algorithm, version),
        _ => false,
    };
    let is_phc = stored.expose().starts_with('$');
    is_phc && StoredHash::parse(stored).as_ref().is_ok_and(is_current)
}

/// When the password of `stored` was set, if this system set it: at sign-up, by a change or by a reset. A
/// hash that only replaced another one at a login keeps the instant. `None` for imported passwords.
#[must_use]
pub fn set_at(stored: &PasswordHash) -> Option<Timestamp> {
    match StoredHash::parse(stored) {
        Ok(StoredHash::Argon2 { params, .. }) => set_at_of(params.data()),
        _ => None,
    }
}

/// The associated data of argon2 (RFC 9106 §3.1) holds the instant, so that it is written together with
/// the hash: three letters and 48 bits of milliseconds.
const SET_AT: &[u8] = b"set";

/// The associated data of a password that is set at `at`.
pub(super) fn set_at_data(at: Timestamp) -> Vec<u8> {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    let [_, _, millis @ ..] = millis.to_be_bytes();
    [SET_AT, &millis].concat()
}

fn set_at_of(data: &[u8]) -> Option<Timestamp> {
    let [a, b, c, d, e, f] = data.strip_prefix(SET_AT)?.try_into().ok()?;
    Some(Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f])))
}

/// The memory of a check, in KiB: 1 GiB.
const MAX_KIB: u64 = 1 << 20;
/// The work of a check: about ten seconds on a slow core, for each algorithm in its own unit.
const MAX_ARGON2_KIB_PASSES: u64 = 1 << 24;
const MAX_SCRYPT_BLOCKS: u64 = 1 << 24;
const MAX_PBKDF2_ITERATIONS: u64 = 1 << 24;
const MAX_BCRYPT_COST: u32 = 17;
const MIN_BCRYPT_COST: u32 = 4;
/// Shorter outputs would match by chance, longer ones are made by no known system.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
const MAX_SALT_BYTES: usize = 256;

/// The parts of a stored hash.
pub(super) enum StoredHash {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        output: [u8; 23],
        input: BcryptInput,
    },
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        iterations: NonZeroU32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
}

/// What bcrypt is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BcryptInput {
    /// The first 72 bytes of the password.
    Password,
    /// The SHA-256 of the password in hexadecimal digits: Django's `bcrypt_sha256`.
    Sha256Hex,
}

impl StoredHash {
    /// Parses a hash, and checks what it costs.
    pub(super) fn parse(stored: &PasswordHash) -> Result<Self, UnsupportedHashError> {
        let name = format_of(stored);
        let text = stored.expose();
        let (kind, rest) =
            text.strip_prefix('$').unwrap_or(text).split_once('$').unwrap_or_default();
        let is_phc = text.starts_with('$');
        let parsed = match (is_phc, kind) {
            (true, "argon2id" | "argon2i" | "argon2d") => argon2(text),
            (false, "argon2") => text.strip_prefix("argon2").and_then(argon2),
            (true, "2a" | "2b" | "2y") => bcrypt(text, BcryptInput::Password),
            (false, "bcrypt") => bcrypt(rest, BcryptInput::Password),
            (false, "bcrypt_sha256") => bcrypt(rest, BcryptInput::Sha256Hex),
            (true, "scrypt") => scrypt_phc(rest),
            (false, "scrypt") => scrypt_django(rest),
            (true, "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512") => {
                pbkdf2_phc(kind, rest)
            }
            (false, "pbkdf2_sha256" | "pbkdf2_sha1") => pbkdf2_django(kind, rest),
            _ => return Err(UnsupportedHashError::Format(name)),
        };
        let parsed = parsed.ok_or(UnsupportedHashError::Malformed(name))?;
        parsed.bounded().ok_or(UnsupportedHashError::TooCostly(name))
    }

    /// The memory of a check, in KiB.
    pub(super) fn kib(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => u64::from(params.m_cost()),
            Self::Scrypt { params, .. } => {
                let blocks = params.n().saturating_add(params.p().into());
                blocks.saturating_mul(params.r().into()) / 8
            }
            Self::Bcrypt { .. } | Self::Pbkdf2 { .. } => 0,
        }
    }

    /// The hash, unless a check would cost too much.
    fn bounded(self) -> Option<Self> {
        let work_fits = match &self {
            Self::Argon2 { params, .. } => {
                let passes = u64::from(params.t_cost());
                passes.saturating_mul(params.m_cost().into()) <= MAX_ARGON2_KIB_PASSES
            }
            Self::Scrypt { params, .. } => {
                let blocks = params.n().saturating_mul(params.r().into());
                blocks.saturating_mul(params.p().into()) <= MAX_SCRYPT_BLOCKS
            }
            Self::Bcrypt { cost, .. } => *cost <= MAX_BCRYPT_COST,
            Self::Pbkdf2 { algorithm, iterations, output, .. } => {
                let blocks = output.len().div_ceil(block_bytes(*algorithm));
                let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
                blocks.saturating_mul(iterations.get().into()) <= MAX_PBKDF2_ITERATIONS
            }
        };
        (work_fits && self.kib() <= MAX_KIB).then_some(self)
    }
}

/// The bytes of one block of the output, each of which costs all iterations.
fn block_bytes(algorithm: pbkdf2::Algorithm) -> usize {
    if algorithm == pbkdf2::PBKDF2_HMAC_SHA1 {
        20
    } else if algorithm == pbkdf2::PBKDF2_HMAC_SHA512 {
        64
    } else {
        32
    }
}

/// `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
fn argon2(text: &str) -> Option<StoredHash> {
    let hash = phc::PasswordHash::new(text).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = match hash.version {
        // Hashes of the first version of argon2 name none.
        None | Some(0x10) => Version::V0x10,
        Some(0x13) => Version::V0x13,
        Some(_) => return None,
    };
    let params = Params::try_from(&hash).ok()?;
    let (salt, output) = (hash.salt?.to_vec(), hash.hash?.as_bytes().to_vec());
    Some(StoredHash::Argon2 { algorithm, version, params, salt, output })
}

/// `$2b$12$SALTHASH`.
fn bcrypt(text: &str, input: BcryptInput) -> Option<StoredHash> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$').filter(|(cost, _)| cost.len() == 2)?;
    let (salt, output) = rest.split_at_checked(22)?;
    let cost = number(cost).filter(|cost| (MIN_BCRYPT_COST..=31).contains(cost))?;
    let engine = decoder(&alphabet::BCRYPT);
    let salt = engine.decode(salt).ok()?.try_into().ok()?;
    let output = engine.decode(output).ok()?.try_into().ok()?;
    Some(StoredHash::Bcrypt { cost, salt, output, input })
}

/// `ln=16,r=8,p=1$SALT$HASH`.
fn scrypt_phc(rest: &str) -> Option<StoredHash> {
    let [params, salt, output] = parts(rest)?;
    let mut log_n = None;
    let (mut block_size, mut lanes) = (None, None);
    for param in params.split(',') {
        let (name, value) = param.split_once('=')?;
        let slot = match name {
            "ln" => &mut log_n,
            "r" => &mut block_size,
            "p" => &mut lanes,
            _ => return None,
        };
        if slot.replace(number(value)?).is_some() {
            return None;
        }
    }
    scrypt(log_n?, block_size?, lanes?, decoded_salt(salt)?, output)
}

/// `16384$SALT$8$5$HASH`, where the salt is used as it is written.
fn scrypt_django(rest: &str) -> Option<StoredHash> {
    let [n, salt, block_size, lanes, output] = parts(rest)?;
    let n = number(n).filter(|n| n.is_power_of_two())?;
    scrypt(n.ilog2(), number(block_size)?, number(lanes)?, literal_salt(salt)?, output)
}

fn scrypt(
    log_n: u32,
    block_size: u32,
    lanes: u32,
    salt: Vec<u8>,
    output: &str,
) -> Option<StoredHash> {
    // The engine multiplies them without a check.
    let small = block_size.checked_mul(lanes).is_some() && (1..=32).contains(&log_n);
    let log_n = u8::try_from(log_n).ok().filter(|_| small)?;
    let params = scrypt::Params::new(log_n, block_size, lanes).ok()?;
    Some(StoredHash::Scrypt { params, salt, output: decoded(output)? })
}

/// `i=600000,l=32$SALT$HASH`, or as passlib writes it: `600000$SALT$HASH`.
fn pbkdf2_phc(kind: &str, rest: &str) -> Option<StoredHash> {
    let [params, salt, output] = parts(rest)?;
    let output = decoded(output)?;
    let (iterations, length) = match params.split_once(',') {
        Some((iterations, length)) => (iterations, Some(length.strip_prefix("l=")?)),
        None => (params, None),
    };
    let iterations = iterations.strip_prefix("i=").unwrap_or(iterations);
    if length.is_some_and(|length| number(length) != u32::try_from(output.len()).ok()) {
        return None;
    }
    pbkdf2(kind, iterations, decoded_salt(salt)?, output)
}

/// `600000$SALT$HASH`, where the salt is used as it is written.
fn pbkdf2_django(kind: &str, rest: &str) -> Option<StoredHash> {
    let [iterations, salt, output] = parts(rest)?;
    pbkdf2(kind, iterations, literal_salt(salt)?, decoded(output)?)
}

fn pbkdf2(kind: &str, iterations: &str, salt: Vec<u8>, output: Vec<u8>) -> Option<StoredHash> {
    let algorithm = match kind {
        "pbkdf2-sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
        "pbkdf2-sha256" | "pbkdf2_sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
        _ => pbkdf2::PBKDF2_HMAC_SHA1,
    };
    let iterations = NonZeroU32::new(number(iterations)?)?;
    Some(StoredHash::Pbkdf2 { algorithm, iterations, salt, output })
}

/// The parts between `$`, if there are exactly this many.
fn parts<const N: usize>(rest: &str) -> Option<[&str; N]> {
    rest.split('$').collect::<Vec<_>>().try_into().ok()
}

/// A decimal number without a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn literal_salt(text: &str) -> Option<Vec<u8>> {
    let fits = !text.is_empty() && text.len() <= MAX_SALT_BYTES;
    fits.then(|| text.as_bytes().to_vec())
}

fn decoded_salt(text: &str) -> Option<Vec<u8>> {
    base64_of(text).filter(|salt| salt.len() <= MAX_SALT_BYTES)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    base64_of(text).filter(|output| OUTPUT_BYTES.contains(&output.len()))
}

/// Base64 with or without padding. passlib writes `.` in place of `+`.
fn base64_of(text: &str) -> Option<Vec<u8>> {
    decoder(&alphabet::STANDARD).decode(text.replace('.', "+")).ok()
}

/// Some implementations of bcrypt leave the unused bits of the last character set.
fn decoder(alphabet: &Alphabet) -> engine::GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), UnsupportedHashError> {
        check_hash(&PasswordHash::new(text.to_owned()))
    }

    const SALT: &str = "c2FsdHlzYWx0MTIzNDU2Nw";
    const OUTPUT: &str = "HoKHRkjvepMAayGR+hZrZcVDxsRoalSlYlOm9Z3AUS8";

    #[test]
    fn hashes_that_cost_more_than_a_gibibyte_or_ten_seconds_are_rejected() {
        for (fits, costly) in [
            ("$argon2id$v=19$m=1048576,t=16,p=1", "$argon2id$v=19$m=1048576,t=17,p=1"),
            ("$argon2id$v=19$m=8192,t=2048,p=8", "$argon2i$v=19$m=1048577,t=1,p=1"),
            ("$scrypt$ln=20,r=7,p=2", "$scrypt$ln=20,r=8,p=1"),
            ("$scrypt$ln=14,r=8,p=100", "$scrypt$ln=14,r=8,p=200"),
            ("$pbkdf2-sha256$i=16777216", "$pbkdf2-sha256$i=16777217"),
            ("$pbkdf2$8388608", "$pbkdf2$8388609"),
        ] {
            assert_eq!(check(&format!("{fits}${SALT}${OUTPUT}")), Ok(()), "{fits}");
            let error = check(&format!("{costly}${SALT}${OUTPUT}")).unwrap_err();
            assert!(matches!(error, UnsupportedHashError::TooCostly(_)), "{costly}: {error:?}");
        }
        let bcrypt = "nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m";
        assert_eq!(check(&format!("$2b$17${bcrypt}")), Ok(()));
        let costly = Err(UnsupportedHashError::TooCostly("bcrypt"));
        assert_eq!(check(&format!("$2b$18${bcrypt}")), costly);
        assert_eq!(check(&format!("$2b$31${bcrypt}")), costly);
    }

    #[test]
    fn malformed_hashes_are_rejected() {
        for text in [
            "$argon2id$v=19$m=64,t=1,p=1$AAAA".to_owned(),
            format!("$argon2id$v=20$m=64,t=1,p=1${SALT}${OUTPUT}"),
            format!("argon2${SALT}"),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
            "$2b$03$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m".to_owned(),
            "$2b$1$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m".to_owned(),
            "$2b$99$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m".to_owned(),
            "bcrypt$2b$04$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m".to_owned(),
            format!("$scrypt$ln=16,r=8${SALT}${OUTPUT}"),
            format!("$scrypt$ln=16,r=8,p=1,p=1${SALT}${OUTPUT}"),
            format!("$scrypt$ln=0,r=8,p=1${SALT}${OUTPUT}"),
            format!("$scrypt$ln=16,r=4294967295,p=4294967295${SALT}${OUTPUT}"),
            format!("scrypt$16383$salt$8$1${OUTPUT}"),
            format!("pbkdf2_sha256$0$salt${OUTPUT}"),
            format!("pbkdf2_sha256$-1$salt${OUTPUT}"),
            format!("pbkdf2_sha256$1000$${OUTPUT}"),
            "pbkdf2_sha256$1000$salt$".to_owned(),
            "pbkdf2_sha256$1000$salt$c2hvcnQ=".to_owned(),
            format!("pbkdf2_sha256$99999999999$salt${OUTPUT}"),
            format!("$pbkdf2-sha256$i=1000,l=31${SALT}${OUTPUT}"),
            format!("$pbkdf2-sha256$i=1000${SALT}$*"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(matches!(error, UnsupportedHashError::Malformed(_)), "{text}: {error:?}");
        }
    }

    #[test]
    fn other_formats_are_named_and_never_quoted() {
        for (text, name) in [
            ("", "empty"),
            ("horse", "unknown"),
            ("!", "no usable password"),
            ("$2x$04$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m", "bcrypt"),
            ("$6$salt$hash", "sha512-crypt"),
            ("md5$salt$hash", "unknown"),
            ("scrypt:32768:8:1$salt$hash", "Werkzeug scrypt"),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error, UnsupportedHashError::Format(name), "{text}");
            assert!(!error.to_string().contains("salt"), "{error}");
        }
    }

    #[test]
    fn only_argon2id_is_accepted_for_secrets_of_clients() {
        let is_argon2id = |text: String| is_argon2id(&PasswordHash::new(text));
        assert!(is_argon2id(format!("$argon2id$v=19$m=64,t=1,p=1${SALT}${OUTPUT}")));
        assert!(!is_argon2id(format!("$argon2i$v=19$m=64,t=1,p=1${SALT}${OUTPUT}")));
        assert!(!is_argon2id(format!("$argon2id$v=16$m=64,t=1,p=1${SALT}${OUTPUT}")));
        assert!(!is_argon2id(format!("argon2$argon2id$v=19$m=64,t=1,p=1${SALT}${OUTPUT}")));
        assert!(!is_argon2id(format!("$pbkdf2-sha256$i=1000${SALT}${OUTPUT}")));
        assert!(!is_argon2id("$argon2id$v=19$m=64,t=1,p=1$AAAA".to_owned()));
    }
}
