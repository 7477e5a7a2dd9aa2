//! The secret that signs messages, and signatures.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
/// Base64 with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret shared with the receiver: `whsec_` and 24 to 64 bytes in base64. Never formatted.
#[derive(Clone)]
pub(crate) struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// `None` if the text is not a secret.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(LENIENT.decode(text.strip_prefix(PREFIX)?).ok()?);
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The header `webhook-signature` of a message.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_that_of_the_reference_libraries() {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_never_formatted() {
        for length in [24, 32, 33, 64] {
            let text = STANDARD.encode(vec![7; length]);
            assert!(SigningSecret::parse(&format!("whsec_{text}")).is_some(), "{length}");
            let bare = text.trim_end_matches('=');
            assert!(SigningSecret::parse(&format!("whsec_{bare}")).is_some(), "{length}");
        }
        let text = |length: usize| STANDARD.encode(vec![7; length]);
        for invalid in [
            text(32),
            format!("whsec_{}", text(23)),
            format!("whsec_{}", text(65)),
            "whsec_!".into(),
        ] {
            assert!(SigningSecret::parse(&invalid).is_none(), "{invalid}");
        }
        assert_eq!(format!("{:?}", SigningSecret::parse(SECRET)), "Some(SigningSecret(…))");
    }
}
