//! Logins: the form in which e-mail addresses are compared. Two addresses that name the same
//! mailbox have the same login.
//!
//! Earlier releases compared addresses by NFC and lower case alone, and their rows remain as they
//! are. [`Login::stored_forms`] lists the forms under which an account can be found.
//!
//! Accounts that were imported from another system can have a user name in place of an address. No text
//! is both: what can be read as an address is one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use email_address::EmailAddress;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use idna::{AsciiDenyList, domain_to_unicode};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// An e-mail address in the form in which addresses are compared: NFKC and lower case, the domain as
/// A-labels (UTS #46), and the local part without quotes where it needs none. Or the user name of an
/// imported account: NFKC, and distinguished by case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login(String);

/// The text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid e-mail address")]
pub struct InvalidLoginError;

impl Login {
    /// Maximum length of an address in SMTP (RFC 5321 §4.5.3.1.3).
    pub const MAX_LENGTH: usize = 254;

    /// Maximum length of a local part (RFC 5321 §4.5.3.1.1).
    const MAX_LOCAL_LENGTH: usize = 64;

    /// The comparable form of `email`, without surrounding white space.
    ///
    /// # Errors
    /// [`InvalidLoginError`] if it is not the address of a mailbox, if an A-label of its domain is
    /// invalid, or if it contains characters that are not displayed.
    pub fn new(email: &str) -> Result<Self, InvalidLoginError> {
        /// Folding a folded address changes it at most once or twice more.
        const MAX_ROUNDS: usize = 8;
        let email = email.trim();
        let mut login = (email.len() <= Self::MAX_LENGTH).then(|| fold(email)).flatten();
        // Removing quotes can bring characters together that compose, and a login must be its own
        // form.
        for _ in 0..MAX_ROUNDS {
            let folded = login.as_deref().and_then(fold);
            if folded == login {
                break;
            }
            login = folded;
        }
        login.filter(|login| fold(login).as_ref() == Some(login)).map(Self).ok_or(InvalidLoginError)
    }

    /// The login of `email`, or the form of earlier releases for an address that only they accept.
    #[must_use]
    pub fn of_mailbox(email: &str) -> Option<Self> {
        Self::new(email).ok().or_else(|| Self::earlier(email))
    }

    /// The user name `name`, without surrounding white space.
    ///
    /// # Errors
    /// [`InvalidLoginError`] if it can be read as an e-mail address, is empty or too long, or contains
    /// control characters, white space other than single spaces, or characters that are not displayed.
    pub fn user_name(name: &str) -> Result<Self, InvalidLoginError> {
        let login: String = name.trim().nfkc().collect();
        let plain = |c: char| c == ' ' || !is_blank(c) && !is_ignorable(c);
        let valid = (1..=Self::MAX_LENGTH).contains(&login.len())
            && login.trim() == login
            && !login.contains("  ")
            && login.chars().all(plain)
            && Self::of_mailbox(&login).is_none();
        valid.then_some(Self(login)).ok_or(InvalidLoginError)
    }

    /// What a user types to log in: an address or a user name.
    #[must_use]
    pub fn of_input(text: &str) -> Option<Self> {
        Self::of_mailbox(text).or_else(|| Self::user_name(text).ok())
    }

    /// The forms under which the account of `email` may be stored. The first is the one that earlier
    /// releases stored for exactly this spelling, so that accounts which share a mailbox stay apart.
    /// An address in ASCII and a user name usually have one form. An invalid text has none.
    #[must_use]
    pub fn stored_forms(email: &str) -> Vec<Self> {
        let login = Self::new(email).ok();
        let displayed = login.as_ref().and_then(|login| {
            let (local, domain) = login.0.rsplit_once('@')?;
            Self::earlier(&format!("{local}@{}", domain_to_unicode(domain).0))
        });
        let mut forms = Vec::new();
        let user_name = Self::user_name(email).ok();
        for form in [Self::earlier(email), login, displayed, user_name].into_iter().flatten() {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }

    /// Reads a login from a store: the current form, that of earlier releases, or a user name.
    ///
    /// # Errors
    /// [`InvalidLoginError`] for texts that [`Login::as_str`] never returned.
    pub fn from_stored(text: &str) -> Result<Self, InvalidLoginError> {
        let forms = [Self::new(text).ok(), Self::earlier(text), Self::user_name(text).ok()];
        forms.into_iter().flatten().find(|login| login.0 == text).ok_or(InvalidLoginError)
    }

    /// The form of earlier releases: NFC and lower case.
    fn earlier(email: &str) -> Option<Self> {
        let login: String = email.trim().nfc().collect::<String>().to_lowercase().nfc().collect();
        let plain = login.len() <= Self::MAX_LENGTH && !login.chars().any(is_blank);
        (plain && EmailAddress::from_str(&login).is_ok()).then_some(Self(login))
    }

    /// The text, for a store to keep.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.0)
    }
}

/// One round of folding; `None` for an invalid address.
fn fold(email: &str) -> Option<String> {
    if email.chars().any(is_ignorable) {
        return None;
    }
    let (local, domain) = email.rsplit_once('@')?;
    let local: String = local.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    let (local, domain) = (unquote(&local)?, fold_domain(domain)?);
    let login = format!("{local}@{domain}");
    // The parser knows neither combining marks nor letters in quotes; both count as letters here.
    let letter = |c: char| !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c));
    let ascii: String = login.chars().map(|c| if letter(c) { 'x' } else { c }).collect();
    let valid = local.len() <= Login::MAX_LOCAL_LENGTH
        && login.len() <= Login::MAX_LENGTH
        && !login.chars().any(|c| is_blank(c) || is_ignorable(c))
        && EmailAddress::from_str(&ascii).is_ok();
    valid.then_some(login)
}

/// The domain as A-labels. UTS #46 folds it like NFKC and lower case, and a few characters further.
fn fold_domain(domain: &str) -> Option<String> {
    if domain.starts_with('[') {
        return Some(domain.to_ascii_lowercase());
    }
    // The parser of addresses checks the lengths.
    let (hyphens, length) = (Hyphens::Allow, DnsLength::Ignore);
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::URL, hyphens, length);
    ascii.ok().map(Cow::into_owned)
}

/// The local part without quotes where it needs none, otherwise with only the required escapes.
fn unquote(local: &str) -> Option<String> {
    let Some(quoted) = local.strip_prefix('"') else { return Some(local.to_owned()) };
    let mut content = String::new();
    let mut characters = quoted.strip_suffix('"')?.chars();
    while let Some(c) = characters.next() {
        content.push(match c {
            '\\' => characters.next()?,
            '"' => return None,
            other => other,
        });
    }
    if content.split('.').all(is_atom) {
        return Some(content);
    }
    Some(format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Whether `text` is an atom of RFC 5322 §3.2.3, extended by RFC 6532 §3.2.
fn is_atom(text: &str) -> bool {
    let plain =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

fn is_blank(c: char) -> bool {
    c.is_control() || c.is_whitespace()
}

/// Whether `c` is not displayed: the property `Default_Ignorable_Code_Point` of Unicode 16.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(email: &str) -> Option<String> {
        Login::new(email).ok().map(|login| login.0)
    }

    /// Spellings of one mailbox per row; the first is its login.
    const MAILBOXES: [&[&str]; 9] = [
        &[
            "ann@example.com",
            "Ann@Example.COM",
            " ann@example.com\t\n",
            "\"ann\"@example.com",
            "\"a\\nn\"@example.com",
            "\u{ff21}nn@example.com",
            "ann@\u{ff25}xample\u{3002}com",
            "\u{3000}ann@example.com\u{a0}",
        ],
        &[
            "ann@xn--bcher-kva.example",
            "ann@b\u{fc}cher.example",
            "ann@BU\u{308}CHER.example",
            "ANN@XN--BCHER-KVA.EXAMPLE",
        ],
        &["ren\u{e9}@example.com", "RENE\u{301}@example.com", "\"RENE\\\u{301}\"@example.com"],
        &["fi@example.com", "\u{fb01}@example.com", "\u{ff26}\u{ff29}@example.com"],
        &["k@example.com", "\u{212a}@example.com"],
        &["x\u{301}y@example.com", "X\u{301}Y@example.com"],
        &["\"a@b\"@example.com", "\"A\\@b\"@example.com", "\"a\u{ff20}b\"@example.com"],
        &["\"\u{e9}@b\"@example.com", "\"e\u{301}@B\"@example.com"],
        &["ann@xn--fa-hia.example", "ann@fa\u{df}.example", "ann@FA\u{1e9e}.example"],
    ];

    #[test]
    fn spellings_of_one_mailbox_have_the_same_login() {
        for spellings in MAILBOXES {
            for spelling in spellings {
                assert_eq!(text(spelling).as_deref(), spellings.first().copied(), "{spelling:?}");
            }
        }
    }

    #[test]
    fn different_mailboxes_have_different_logins() {
        for (one, other) in [
            ("ann@example.com", "bob@example.com"),
            ("a.nn@example.com", "ann@example.com"),
            ("ann+x@example.com", "ann@example.com"),
            ("ann@example.com", "ann@mail.example.com"),
            ("stra\u{df}e@example.com", "strasse@example.com"),
            ("\u{430}nn@example.com", "ann@example.com"),
        ] {
            assert_ne!(Login::new(one).unwrap(), Login::new(other).unwrap());
        }
    }

    #[test]
    fn combining_marks_are_allowed_like_letters() {
        for email in [
            "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}@example.com",
            "\u{939}\u{93f}\u{928}\u{94d}@example.com",
            "ann@\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}.example",
            "\u{e2a}\u{e21}\u{e0a}\u{e31}\u{e22}\u{e4c}@example.com",
            "x\u{20d7}@example.com",
        ] {
            assert!(Login::new(email).is_ok(), "{email:?}");
        }
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        let long = format!("{}@example.com", "a".repeat(250));
        let local = format!("{}@example.com", "a".repeat(65));
        let wide = format!("{}@example.com", "\u{ff41}".repeat(84));
        for bad in [
            "",
            " ",
            "ann",
            "@example.com",
            "ann@",
            "a b@example.com",
            "a\0b@example.com",
            "ann@xn--a.example",
            "ann@xn--.example",
            "ann@xn--example-.com",
            "ann@a..example",
            "ann@-a.example",
            "\"\"@example.com",
            "\"a\"b\"@example.com",
            "\"ann\\\"@example.com",
            "\"a b\"@example.com",
            "a\u{a8}@example.com",
            "a\u{ff20}b@example.com",
            &long,
            &local,
            &wide,
        ] {
            assert_eq!(Login::new(bad), Err(InvalidLoginError), "{bad:?}");
        }
    }

    #[test]
    fn characters_that_are_not_displayed_are_rejected() {
        for c in ['\u{ad}', '\u{34f}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{3164}', '\u{fe0f}'] {
            for email in [format!("a{c}nn@example.com"), format!("ann@ex{c}ample.com")] {
                assert_eq!(Login::new(&email), Err(InvalidLoginError), "{email:?}");
            }
        }
    }

    #[test]
    fn an_account_is_found_under_the_forms_of_earlier_releases_too() {
        let forms = |email| {
            let forms: Vec<String> =
                Login::stored_forms(email).into_iter().map(|it| it.0).collect();
            forms
        };
        assert_eq!(forms("Ann@Example.com"), ["ann@example.com"]);
        let (displayed, ascii) = ("ann@b\u{fc}cher.example", "ann@xn--bcher-kva.example");
        assert_eq!(forms("Ann@B\u{fc}cher.example"), [displayed, ascii]);
        assert_eq!(forms(ascii), [ascii, displayed]);
        assert_eq!(forms("\"Ann\"@example.com"), ["\"ann\"@example.com", "ann@example.com"]);
        assert_eq!(forms("ann@xn--a.example"), ["ann@xn--a.example"]);
        assert_eq!(forms(" Ann "), ["Ann"]);
        assert!(forms("a\tb").is_empty());
    }

    #[test]
    fn stored_logins_of_both_forms_are_read_and_other_texts_are_rejected() {
        for text in ["ann@b\u{fc}cher.example", "ann@xn--bcher-kva.example", "\"ann\"@example.com"]
        {
            assert_eq!(Login::from_stored(text).unwrap().as_str(), text);
        }
        for text in ["Ann@example.com", " ann@example.com", " ann", "\u{ff21}nn"] {
            assert_eq!(Login::from_stored(text), Err(InvalidLoginError), "{text:?}");
        }
    }

    #[test]
    fn user_names_keep_their_case_and_are_never_addresses() {
        let name = |text| Login::user_name(text).map(|login| login.0);
        for (text, expected) in [
            ("ann", "ann"),
            ("Ann", "Ann"),
            (" ann\n", "ann"),
            ("ann smith", "ann smith"),
            ("@ann", "@ann"),
            ("4711", "4711"),
            ("\u{ff41}nn", "ann"),
            ("Jose\u{301}", "Jos\u{e9}"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(expected), "{text:?}");
            assert_eq!(Login::of_input(text).unwrap().as_str(), expected, "{text:?}");
            assert_eq!(Login::from_stored(expected).unwrap().as_str(), expected, "{text:?}");
        }
        let long = "a".repeat(255);
        for text in ["", " ", "a  b", "a\tb", "a\0b", "a\u{200b}b", "Ann@example.com", &long] {
            assert_eq!(name(text), Err(InvalidLoginError), "{text:?}");
        }
        assert_eq!(Login::of_input("Ann@example.com").unwrap().as_str(), "ann@example.com");
        assert_eq!(Login::of_input("a\tb"), None);
        assert!(Login::new("ann").is_err(), "a sign-up requires an address");
    }

    /// Addresses made of characters that fold, compose, quote or separate.
    fn address() -> impl Strategy<Value = String> {
        let local =
            "[a-zA-Z.\"\\\\@ßſ\u{130}Σςéµ\u{301}\u{345}\u{ff21}\u{fb01}\u{1d2e}\u{2126}]{1,8}";
        let domain = "[a-cA-CßΣςü\u{308}\u{ff0e}\u{3002}.-]{1,8}\\.(com|EXAMPLE|xn--p1ai)";
        (local, any::<bool>(), domain).prop_map(|(local, quoted, domain)| {
            if quoted { format!("\"{local}\"@{domain}") } else { format!("{local}@{domain}") }
        })
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(email in prop_oneof![address(), "\\PC{1,10}@\\PC{1,10}"]) {
            if let Ok(login) = Login::new(&email) {
                prop_assert_eq!(Login::new(login.as_str()), Ok(login.clone()));
                prop_assert_eq!(Login::from_stored(login.as_str()), Ok(login));
            }
        }

        #[test]
        fn addresses_of_earlier_releases_are_still_found(email in address()) {
            if let Some(earlier) = Login::earlier(&email) {
                let forms = Login::stored_forms(&email);
                prop_assert_eq!(forms.first(), Some(&earlier));
                // The earlier form of one mailbox is never the login of another.
                if Login::new(earlier.as_str()).as_ref() == Ok(&earlier) {
                    prop_assert_eq!(Login::new(&email), Ok(earlier.clone()));
                }
                prop_assert_eq!(Login::from_stored(earlier.as_str()), Ok(earlier));
            }
        }
    }
}
