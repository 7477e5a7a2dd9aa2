//! Names the format of a stored password hash, for operators who copied accounts from elsewhere.

use crate::secret::PasswordHash;

/// The hash of an account that has no password: nothing matches it until a password is set. Django
/// begins such hashes in the same way.
pub(crate) const UNUSABLE: &str = "!";

/// Prefixes of known formats. Longer ones come before their own prefixes.
const FORMATS: [(&str, &str); 23] = [
    (UNUSABLE, "no usable password"),
    ("$argon2id$", "argon2id"),
    ("$argon2i$", "argon2i"),
    ("$argon2d$", "argon2d"),
    ("argon2$", "Django argon2"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2x$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("bcrypt_sha256$", "Django bcrypt_sha256"),
    ("bcrypt$", "Django bcrypt"),
    ("$scrypt$", "scrypt"),
    ("scrypt$", "Django scrypt"),
    ("scrypt:", "Werkzeug scrypt"),
    ("$pbkdf2", "PBKDF2"),
    ("pbkdf2_", "Django PBKDF2"),
    ("pbkdf2:", "Werkzeug PBKDF2"),
    ("$1$", "md5-crypt"),
    ("$5$", "sha256-crypt"),
    ("$6$", "sha512-crypt"),
    ("$y$", "yescrypt"),
    ("$P$", "phpass"),
    ("{", "LDAP"),
];

/// The name of the format of `hash`, as far as its prefix shows it. Never a part of the hash.
#[must_use]
pub fn format_of(hash: &PasswordHash) -> &'static str {
    let text = hash.expose();
    let known = FORMATS.iter().find(|(prefix, _)| text.starts_with(prefix));
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (known, text.len()) {
        (Some((_, name)), _) => name,
        (None, 0) => "empty",
        (None, 32 | 40 | 64 | 128) if hex => "unsalted hexadecimal digest",
        (None, _) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_prefix() {
        for (hash, expected) in [
            ("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$!!!", "argon2id"),
            ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "bcrypt"),
            ("pbkdf2_sha256$720000$salt$hash", "Django PBKDF2"),
            ("argon2$argon2id$v=19$m=8", "Django argon2"),
            ("{SSHA}c2FsdA", "LDAP"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "unsalted hexadecimal digest"),
            ("horse", "unknown"),
            ("", "empty"),
        ] {
            assert_eq!(format_of(&PasswordHash::new(hash.to_owned())), expected);
        }
    }
}
