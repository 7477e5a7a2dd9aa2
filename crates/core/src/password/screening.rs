//! Screening of new passwords: length, and resistance to guessing.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};
use zxcvbn::{Score, zxcvbn};

use super::{MAX_LENGTH, Weakness};
use crate::secret::Password;

/// NFC, so that a password is the same on keyboards that compose characters differently.
pub(super) fn normalized(password: &Password) -> Zeroizing<String> {
    let mut text = String::with_capacity(password.expose().len() * 3);
    text.extend(password.expose().nfc());
    Zeroizing::new(text)
}

/// Every weakness of `password`: its length in code points, and whether an attacker finds it within
/// the first million guesses. Composition rules do not exist.
pub(super) fn weaknesses(
    password: &Password,
    min_length: usize,
    context: &[String],
) -> Vec<Weakness> {
    let text = normalized(password);
    let length = text.chars().count();
    let mut found = Vec::new();
    if length < min_length {
        found.push(Weakness::TooShort(min_length));
    }
    if length > MAX_LENGTH {
        found.push(Weakness::TooLong);
        return found;
    }
    let mut words: Vec<String> = context.iter().flat_map(|text| words_of(text)).collect();
    let known: Vec<&str> = words.iter().map(String::as_str).collect();
    if zxcvbn(&text, &[]).score() < Score::Two {
        found.push(Weakness::Common);
    } else if zxcvbn(&text, &known).score() < Score::Two {
        found.push(Weakness::Derived);
    }
    words.zeroize();
    found
}

/// A name or address as a whole, and its parts of three or more characters.
fn words_of(text: &str) -> Vec<String> {
    let whole = text.to_lowercase();
    let parts = whole.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 2);
    let local = whole.split('@').next().unwrap_or_default();
    let joined: String = local.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut words: Vec<String> = parts.map(str::to_owned).collect();
    words.extend([whole.clone(), joined]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weak(text: &str, context: &[&str]) -> Vec<Weakness> {
        let context: Vec<String> = context.iter().map(|&word| word.to_owned()).collect();
        weaknesses(&Password::new(text.to_owned()), 8, &context)
    }

    #[test]
    fn length_counts_code_points() {
        assert!(weak("häßlich", &[]).contains(&Weakness::TooShort(8)));
        // Seven code points of four bytes each.
        assert!(weak("🐠🐟🐡🦈🐙🐚🦀", &[]).contains(&Weakness::TooShort(8)));
        assert!(!weak("🐠🐟🐡🦈🐙🐚🦀🦑", &[]).contains(&Weakness::TooShort(8)));
        assert_eq!(weak(&"long ".repeat(103), &[]), [Weakness::TooLong]);
        assert!(weak(&"a".repeat(64), &[]).iter().all(|w| *w != Weakness::TooLong));
    }

    #[test]
    fn common_passwords_are_rejected_without_composition_rules() {
        for common in
            ["password", "password1", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "iloveyou"]
        {
            assert_eq!(weak(common, &[]), [Weakness::Common], "{common}");
        }
        for good in ["seven blue snails", "vqpxkzmwjt", "correct horse battery staple"] {
            assert_eq!(weak(good, &[]), [], "{good}");
        }
    }

    #[test]
    fn passwords_derived_from_the_account_are_rejected() {
        let context = ["hermione.waterford@example.com", "Hermione", "Waterford"];
        for derived in ["hermionewaterford", "hermione.waterford@example.com"] {
            assert_eq!(weak(derived, &context), [Weakness::Derived], "{derived}");
            assert_eq!(weak(derived, &[]), [], "{derived} is fine for another account");
        }
    }
}
