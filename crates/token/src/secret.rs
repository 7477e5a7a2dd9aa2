//! Tokens, passwords and keys. Their `Debug` output hides the value, and their memory is zeroized
//! on drop.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// Wraps `text`.
            #[must_use]
            pub const fn new(text: String) -> Self {
                Self(text)
            }

            /// The secret value, for the wire or for a comparison. Never log it.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_text!(
    /// A signed access token in its compact form.
    AccessToken
);
secret_text!(
    /// A signed refresh token in its compact form.
    RefreshToken
);
secret_text!(
    /// A signed token in a message to a user, in its compact form.
    MessageToken
);
secret_text!(
    /// A password as the user typed it.
    Password
);
secret_text!(
    /// A password hash in PHC string format.
    PasswordHash
);

impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// The bytes of a private key (PKCS#8 in PEM) or of a shared secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyMaterial(Vec<u8>);

impl KeyMaterial {
    /// Wraps `bytes`.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret bytes. Never log them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_formatted() {
        let secret = "correct horse battery staple";
        let texts = [
            format!("{:?}", AccessToken::new(secret.to_owned())),
            format!("{:#?}", RefreshToken::new(secret.to_owned())),
            format!("{:?}", MessageToken::new(secret.to_owned())),
            format!("{:?}", Password::new(secret.to_owned())),
            format!("{:?}", PasswordHash::new(secret.to_owned())),
            format!("{:?}", KeyMaterial::new(secret.as_bytes().to_vec())),
        ];
        for text in texts {
            assert!(!text.contains("horse") && !text.contains("99, 111"), "{text}");
        }
    }
}
