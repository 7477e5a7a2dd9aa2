//! The calls of all ports, and how often each was made.

use std::collections::BTreeMap;

use aquaware_core::store::AccountChange;

/// A method of a port, or a change of an account. `ping`, `list` and the setting of claims exist on
/// both ports, so their calls name the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the method of that name")]
#[non_exhaustive]
pub enum Call {
    Insert,
    Find,
    Advance,
    Touch,
    End,
    EndAll,
    EndLeastUsed,
    ListSessions,
    SetSessionClaims,
    Purge,
    Revoked,
    Release,
    PingSessions,
    Create,
    ByLogin,
    ById,
    ReplacePassword,
    SetPassword,
    SetDisabled,
    SetAccountClaims,
    SetNames,
    VerifyEmail,
    ResetPassword,
    ChangeEmail,
    Delete,
    ListAccounts,
    PingAccounts,
    Append,
    Claim,
    RetryAt,
    Remove,
    Count,
}

impl From<&AccountChange<'_>> for Call {
    fn from(change: &AccountChange<'_>) -> Self {
        match change {
            AccountChange::ReplacePassword { .. } => Self::ReplacePassword,
            AccountChange::SetPassword(_) => Self::SetPassword,
            AccountChange::SetDisabled(_) => Self::SetDisabled,
            AccountChange::SetClaims(_) => Self::SetAccountClaims,
            AccountChange::SetNames(_) => Self::SetNames,
            AccountChange::VerifyEmail { .. } => Self::VerifyEmail,
            AccountChange::ResetPassword { .. } => Self::ResetPassword,
        }
    }
}

/// How often each call was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<Call, u64>);

impl Calls {
    /// How often `call` was made.
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        self.0.get(&call).copied().unwrap_or(0)
    }

    /// The number of all calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn add(&mut self, call: Call) {
        *self.0.entry(call).or_insert(0) += 1;
    }
}
