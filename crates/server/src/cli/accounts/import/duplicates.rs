//! Lines of one file that contradict each other. The second one would be taken for an account that
//! exists already, and its user would be lost.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use aquaware_core::account::Account;

/// The ids and logins of the lines so far, as hashes: a file can have millions.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    hasher: RandomState,
    /// By id: the first line with it, and its login.
    ids: HashMap<u64, (u64, u64)>,
    /// By login: the first line with it, and its id if it has one.
    logins: HashMap<u64, (u64, Option<u64>)>,
}

impl Duplicates {
    /// Remembers a line, unless an earlier one has its id with another login, or its login with another
    /// id. A line that repeats an earlier one does not contradict it.
    pub(super) fn check(
        &mut self,
        line: u64,
        account: &Account,
        has_id: bool,
    ) -> Result<(), String> {
        let login = self.hasher.hash_one(account.login.as_str());
        let id = has_id.then(|| self.hasher.hash_one(account.id.as_str()));
        if let Some((first, other)) = id.and_then(|id| self.ids.get(&id))
            && *other != login
        {
            return Err(format!("line {first} has the same id with another login"));
        }
        if let (Some(id), Some((first, Some(other)))) = (id, self.logins.get(&login))
            && *other != id
        {
            return Err(format!("line {first} has the same login with another id"));
        }
        if let Some(id) = id {
            self.ids.entry(id).or_insert((line, login));
        }
        self.logins.entry(login).or_insert((line, id));
        Ok(())
    }
}
