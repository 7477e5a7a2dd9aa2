//! The user table that the team had before: its own ids, and logins without passwords.
//!
//! A login starts with a code sent by e-mail, which can be used once within ten minutes. Requesting
//! another code allows no additional guesses. Aquaware only learns the subject of the session to open.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::id::Subject;
use aquaware_core::random::Random;
use aquaware_core::session::ExtraClaims;
use aquaware_core::time::{Leeway, Timestamp, expired};
use serde_json::json;

/// How long a code is valid.
const CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Minimum time between two codes for one address.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
/// Number of guesses at one of a million codes. A new code inherits the remaining guesses of a code
/// that has not expired, so more requests never allow more guesses within ten minutes.
const MAX_GUESSES: u8 = 5;

/// A row of the user table.
#[derive(Clone, Debug)]
pub struct User {
    /// The team's own key, never reused: the subject of tokens.
    pub id: u64,
    /// The address that codes are sent to.
    pub email: String,
    /// The plan that the user pays for.
    pub plan: String,
}

impl User {
    /// The user's id in tokens.
    pub fn subject(&self) -> Subject {
        #[allow(clippy::expect_used, reason = "digits are a subject")]
        Subject::new(self.id.to_string()).expect("a number is a subject")
    }

    /// The user's extra claims in access tokens.
    pub fn claims(&self) -> ExtraClaims {
        ExtraClaims::from_iter([("plan".to_owned(), json!(self.plan))])
    }
}

struct Code {
    digits: String,
    made_at: Timestamp,
    tries_left: u8,
}

impl Code {
    fn is_older_than(&self, span: Duration, now: Timestamp) -> bool {
        expired(self.made_at.plus(span), Leeway::NONE, now)
    }
}

/// The user table and the pending codes, in place of the team's database.
#[derive(Default)]
pub struct Users {
    rows: Vec<User>,
    codes: Mutex<HashMap<u64, Code>>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Users {
    /// A table with these rows.
    pub fn new(rows: Vec<User>) -> Self {
        Self { rows, codes: Mutex::default() }
    }

    /// The user with this subject.
    pub fn by_subject(&self, subject: &Subject) -> Option<&User> {
        self.rows.iter().find(|user| user.subject() == *subject)
    }

    fn by_email(&self, email: &str) -> Option<&User> {
        self.rows.iter().find(|user| user.email == email)
    }

    /// A new code for the user with this address, to be sent only there. `None` if the last code was
    /// created less than a minute ago or has no guesses left; that code stays in force.
    pub fn invite(&self, email: &str, random: &dyn Random, now: Timestamp) -> Option<String> {
        let user = self.by_email(email)?;
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let last = codes.get(&user.id).filter(|code| !code.is_older_than(CODE_LIFETIME, now));
        let tries_left = match last {
            Some(code) if code.tries_left == 0 || !code.is_older_than(MIN_INTERVAL, now) => {
                return None;
            }
            Some(code) => code.tries_left,
            None => MAX_GUESSES,
        };
        let digits = six_digits(random);
        let _ = codes.insert(user.id, Code { digits: digits.clone(), made_at: now, tries_left });
        Some(digits)
    }

    /// The user that this code was sent to. The code cannot be used again.
    pub fn redeem(&self, email: &str, digits: &str, now: Timestamp) -> Option<&User> {
        let user = self.by_email(email)?;
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let code = codes.get_mut(&user.id)?;
        // A code without guesses left stays, so that no new one is created before it expires.
        code.tries_left = code.tries_left.checked_sub(1)?;
        let valid = code.digits == digits && !code.is_older_than(CODE_LIFETIME, now);
        if valid {
            let _ = codes.remove(&user.id);
        }
        valid.then_some(user)
    }
}

fn six_digits(random: &dyn Random) -> String {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    format!("{:06}", u64::from_le_bytes(bytes) % 1_000_000)
}
