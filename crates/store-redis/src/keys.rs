//! The layout of keys. Only this file knows it.
//!
//! | key | content |
//! | --- | --- |
//! | `s:SESSION` | a session: a hash |
//! | `u:SUBJECT` | the sessions of a subject: a sorted set, see [`crate::subject`] |
//! | `x:INDEX` | the owner of a status index, and since when: a string, see [`crate::status`] |
//! | `r` | the status indices of ended sessions: a sorted set by the instant of the end |
//! | `l:NAME` | an account, a reference to one, or both: a hash, see [`crate::logins`]; the name is a login or an id |
//! | `i:ID` | the name in the key of the account with this id: a string |
//! | `{outbox}:e` | the entries of the outbox, by id: a hash |
//! | `{outbox}:o` | their order: a sorted set in byte order, see [`crate::outbox`] |
//! | `{outbox}:d` | their queues: a sorted set by the instant when the first entry is due |
//! | `{outbox}:f` | the failed attempts of entries, by id: a hash |
//! | `c:LIMIT:HASH` | a counter of a limit: a string that expires with its period, see [`crate::counters`] |
//! | `a` | all logins: a sorted set in byte order, because all scores are 0 |

use aquaware_core::account::Login;
use aquaware_core::id::{SessionId, Subject};
use aquaware_core::limits::CounterKey;
use aquaware_core::status::StatusIndex;

/// The keys of one store, which share a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Keys(String);

impl Keys {
    pub(crate) const fn new(prefix: String) -> Self {
        Self(prefix)
    }

    pub(crate) fn session(&self, id: &SessionId) -> String {
        format!("{}s:{id}", self.0)
    }

    pub(crate) fn subject(&self, subject: &Subject) -> String {
        format!("{}u:{subject}", self.0)
    }

    pub(crate) fn claim(&self, index: StatusIndex) -> String {
        format!("{}x:{}", self.0, index.number())
    }

    pub(crate) fn revoked(&self) -> String {
        format!("{}r", self.0)
    }

    pub(crate) fn account(&self, name: &str) -> String {
        format!("{}l:{name}", self.0)
    }

    pub(crate) fn login(&self, login: &Login) -> String {
        self.account(login.as_str())
    }

    pub(crate) fn id(&self, id: &Subject) -> String {
        format!("{}i:{id}", self.0)
    }

    pub(crate) fn logins(&self) -> String {
        format!("{}a", self.0)
    }

    /// The keys of the outbox, in the order of its scripts. A Cluster keeps them on one node, because
    /// the part in braces alone decides that.
    pub(crate) fn outbox(&self) -> [String; 4] {
        ["e", "o", "d", "f"].map(|part| format!("{}{{outbox}}:{part}", self.0))
    }

    pub(crate) fn counter(&self, key: &CounterKey) -> String {
        format!("{}c:{key}", self.0)
    }

    /// A key that exists only while a script runs.
    pub(crate) fn write_check(&self) -> String {
        format!("{}w", self.0)
    }
}
