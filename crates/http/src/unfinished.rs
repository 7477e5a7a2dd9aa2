//! Changes of password whose sessions have not all ended, so that a repeat of the request continues.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::id::Subject;
use aquaware_core::time::Timestamp;

/// How long a repeat of a change of password is recognized after its 202.
const REMEMBER: Duration = Duration::from_secs(3600);
/// The number of accounts that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// The accounts whose password was changed with the response 202. A repeat of the same request has
/// the old password, which does not match any more, and must continue all the same.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedChanges(Mutex<HashMap<Subject, Timestamp>>);

impl UnfinishedChanges {
    /// Remembers that sessions of `subject` remained. Without room, the client has to call
    /// `logout-all` instead of repeating.
    pub(crate) fn insert(&self, subject: Subject, now: Timestamp) {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() >= MAX_REMEMBERED {
            changes.retain(|_, at| at.plus(REMEMBER) > now);
        }
        if changes.len() < MAX_REMEMBERED {
            changes.insert(subject, now);
        }
    }

    /// Whether a repeat is to be expected.
    pub(crate) fn contains(&self, subject: &Subject, now: Timestamp) -> bool {
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(subject).is_some_and(|at| at.plus(REMEMBER) > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_remembered_for_an_hour_and_only_so_many_are() {
        let changes = UnfinishedChanges::default();
        let subject = |number: usize| Subject::new(format!("account {number}")).unwrap();
        let start = Timestamp::from_millis(1_000_000);
        for number in 0..=MAX_REMEMBERED {
            changes.insert(subject(number), start);
        }
        assert!(changes.contains(&subject(0), start.plus(REMEMBER / 2)));
        assert!(!changes.contains(&subject(0), start.plus(REMEMBER)));
        assert!(!changes.contains(&subject(MAX_REMEMBERED), start));
        changes.insert(subject(MAX_REMEMBERED), start.plus(REMEMBER));
        assert!(changes.contains(&subject(MAX_REMEMBERED), start.plus(REMEMBER)));
    }
}
