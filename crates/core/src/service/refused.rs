//! Sessions with recently refused tokens.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::id::SessionId;

/// The sessions whose record showed that a presented token cannot be used any more. The next token
/// of such a session is checked with a read, not with an advance that would fail: floods of dead
/// tokens must not reach the writing side of a store.
///
/// This only decides what is tried first. A forgotten session costs one failed advance.
#[derive(Debug, Default)]
pub(super) struct RefusedSessions(Mutex<[HashSet<SessionId>; 2]>);

/// Maximum number of sessions in each of the two sets. When the newer set is full, it replaces the
/// older one.
const MAX_SESSIONS: usize = 8192;

impl RefusedSessions {
    pub(super) fn add(&self, id: SessionId) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [newer, older] = &mut *sets;
        if newer.len() >= MAX_SESSIONS {
            *older = std::mem::take(newer);
        }
        newer.insert(id);
    }

    pub(super) fn contains(&self, id: &SessionId) -> bool {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.iter().any(|set| set.contains(id))
    }
}
