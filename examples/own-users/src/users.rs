//! The users that this team had before: ids of its own, and logins without passwords.
//!
//! Whoever asks for a login is sent a code, good once and for ten minutes. Asking for another buys no
//! more guesses. None of it is aquaware's business: all it is told in the end is whose session to
//! open.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::id::Subject;
use aquaware_core::random::Random;
use aquaware_core::session::ExtraClaims;
use aquaware_core::time::{Leeway, Timestamp, expired};
use serde_json::json;

const GOOD_FOR: Duration = Duration::from_secs(600);
/// No address is sent two codes in less.
const APART: Duration = Duration::from_secs(60);
/// Guesses at one of a million codes. A new code has what the last one left, until that has run out:
/// however many codes are asked for, this many guesses cost ten minutes.
const TRIES: u8 = 5;

/// A row of the user table.
#[derive(Clone, Debug)]
pub struct User {
    /// The team's own key, never given to anybody else: what tokens call their subject.
    pub id: u64,
    /// Where the code is sent.
    pub email: String,
    /// What the team sold them.
    pub plan: String,
}

impl User {
    /// The user's name in tokens.
    pub fn subject(&self) -> Subject {
        #[allow(clippy::expect_used, reason = "digits are a subject")]
        Subject::new(self.id.to_string()).expect("a number is a subject")
    }

    /// What access tokens say of them.
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

/// The user table, and the codes that are out. Stands for the team's database.
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

    /// The user that a subject of a token is.
    pub fn by_subject(&self, subject: &Subject) -> Option<&User> {
        self.rows.iter().find(|user| user.subject() == *subject)
    }

    fn by_email(&self, email: &str) -> Option<&User> {
        self.rows.iter().find(|user| user.email == email)
    }

    /// A new code for the user with this address, to be sent there and nowhere else. None while the
    /// last one was made a moment ago, or was guessed at too often: that one stays as it is.
    pub fn invite(&self, email: &str, random: &dyn Random, now: Timestamp) -> Option<String> {
        let user = self.by_email(email)?;
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let last = codes.get(&user.id).filter(|code| !code.is_older_than(GOOD_FOR, now));
        let tries_left = match last {
            Some(code) if code.tries_left == 0 || !code.is_older_than(APART, now) => return None,
            Some(code) => code.tries_left,
            None => TRIES,
        };
        let digits = six_digits(random);
        let _ = codes.insert(user.id, Code { digits: digits.clone(), made_at: now, tries_left });
        Some(digits)
    }

    /// The user who was sent this code, which is used up by it.
    pub fn redeem(&self, email: &str, digits: &str, now: Timestamp) -> Option<&User> {
        let user = self.by_email(email)?;
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let code = codes.get_mut(&user.id)?;
        // With none left the code stays, and keeps the next one from coming early.
        code.tries_left = code.tries_left.checked_sub(1)?;
        let good = code.digits == digits && !code.is_older_than(GOOD_FOR, now);
        if good {
            let _ = codes.remove(&user.id);
        }
        good.then_some(user)
    }
}

fn six_digits(random: &dyn Random) -> String {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    format!("{:06}", u64::from_le_bytes(bytes) % 1_000_000)
}
