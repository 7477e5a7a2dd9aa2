//! Comparing records field by field, so that an error names the field; and the calls that almost
//! every check makes and verifies.

use aquaware_core::account::Account;
use aquaware_core::id::{SessionId, Subject};
use aquaware_core::session::{Ended, Session};
use aquaware_core::store::{AccountStore, Outcome, SessionStore, StoreError};

use crate::error::{CheckError, CheckResult, difference, ensure, same, same_items};

macro_rules! differences {
    ($record:ident, $expected:expr, $found:expr, $($field:ident)*) => {{
        // Names every field: a new one must be compared as well.
        let $record { $($field: _),* } = $expected;
        let mut list = String::new();
        $(if $expected.$field != $found.$field {
            let difference = difference(&$expected.$field, &$found.$field);
            list.push_str(&format!("\n  {}: {difference}", stringify!($field)));
        })*
        list
    }};
}

fn without_differences(what: &str, differences: &str) -> CheckResult {
    ensure(differences.is_empty(), || format!("{what} differs in{differences}"))
}

/// Fails with the fields in which `found` differs from `expected`.
pub(crate) fn same_session(what: &str, expected: &Session, found: &Session) -> CheckResult {
    let list = differences!(
        Session, expected, found,
        id subject client scope claims device created_at ends_at generation issued_at expires_at
        last_used_at shown_use mark used_from ended status
    );
    without_differences(what, &list)
}

/// Fails with the fields in which `found` differs from `expected`.
pub(crate) fn same_account(what: &str, expected: &Account, found: &Account) -> CheckResult {
    let list = differences!(
        Account, expected, found,
        id email login password first_name last_name created_at disabled_at
        email_verified_at email_changed_at claims
    );
    without_differences(what, &list)
}

/// Fails unless both lists contain the same sessions, in any order.
pub(crate) fn same_sessions(what: &str, expected: &[Session], found: &[Session]) -> CheckResult {
    let ids = |sessions: &[Session]| sessions.iter().map(|session| session.id).collect();
    same_items(&format!("{what}, by session id"), ids(expected), ids(found))?;
    expected.iter().try_for_each(|expected| {
        let found = found.iter().find(|found| found.id == expected.id);
        found.map_or(Ok(()), |found| same_session(what, expected, found))
    })
}

/// Fails unless both lists contain the same accounts in the same order.
pub(crate) fn same_accounts(what: &str, expected: &[Account], found: &[Account]) -> CheckResult {
    let logins = |accounts: &[Account]| -> Vec<String> {
        accounts.iter().map(|account| account.login.as_str().to_owned()).collect()
    };
    same(&format!("{what}, by login"), &logins(expected), &logins(found))?;
    let mut pairs = expected.iter().zip(found);
    pairs.try_for_each(|(expected, found)| same_account(what, expected, found))
}

/// The name of an outcome.
const fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "Applied",
        Outcome::Refused(_) => "Refused",
        Outcome::NotFound => "NotFound",
    }
}

/// Fails unless both outcomes are of one kind and carry equal records.
pub(crate) fn same_outcome(what: &str, expected: &Outcome, found: &Outcome) -> CheckResult {
    match (expected, found) {
        (Outcome::Applied(expected), Outcome::Applied(found))
        | (Outcome::Refused(expected), Outcome::Refused(found)) => {
            same_session(what, expected, found)
        }
        (Outcome::NotFound, Outcome::NotFound) => Ok(()),
        _ => {
            let (expected, found) = (name(expected), name(found));
            Err(CheckError::new(format!("{what}: expected {expected}, found {found}")))
        }
    }
}

/// Inserts `session` and returns it.
pub(crate) async fn insert(
    store: &dyn SessionStore,
    session: Session,
) -> Result<Session, CheckError> {
    let inserted = store.insert(&session).await?;
    ensure(inserted, || format!("insert rejected the new session {}", session.id))?;
    Ok(session)
}

/// Fails unless `store` contains exactly this record.
pub(crate) async fn is_stored(store: &dyn SessionStore, expected: &Session) -> CheckResult {
    match store.find(&expected.id).await? {
        Some(found) => same_session("the record found afterwards", expected, &found),
        None => Err(CheckError::new(format!("session {} is no longer found", expected.id))),
    }
}

/// Fails unless the step was applied and this is the record, in the outcome and in the store.
pub(crate) async fn is_applied(
    store: &dyn SessionStore,
    what: &str,
    outcome: Outcome,
    expected: &Session,
) -> CheckResult {
    same_outcome(what, &Outcome::Applied(expected.clone()), &outcome)?;
    is_stored(store, expected).await
}

/// Fails unless the step was refused and this is the record, in the outcome and in the store.
pub(crate) async fn is_refused(
    store: &dyn SessionStore,
    what: &str,
    outcome: Outcome,
    expected: &Session,
) -> CheckResult {
    same_outcome(what, &Outcome::Refused(expected.clone()), &outcome)?;
    is_stored(store, expected).await
}

/// Every session of `subject` that has not ended, read page by page. Fails if a page is too long.
pub(crate) async fn list_all(
    store: &dyn SessionStore,
    subject: &Subject,
) -> Result<Vec<Session>, CheckError> {
    const PAGE: u32 = 64;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(subject, after, PAGE).await?;
        ensure(page.len() <= PAGE as usize, || format!("a page has {} sessions", page.len()))?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|session| (session.created_at, session.id));
        all.extend(page);
        ensure(all.len() <= 10_000, || "the pages of a list never end".to_owned())?;
        if is_last {
            return Ok(all);
        }
    }
}

/// Ends all sessions of `subject` except one, in batches. Fails if a batch is too large.
pub(crate) async fn end_all(
    store: &dyn SessionStore,
    subject: &Subject,
    except: Option<&SessionId>,
    ended: Ended,
) -> Result<Vec<Session>, CheckError> {
    const BATCH: u32 = 64;
    let mut all = Vec::new();
    loop {
        let batch = store.end_all(subject, except, ended, BATCH).await?;
        ensure(batch.len() <= BATCH as usize, || format!("a batch has {} sessions", batch.len()))?;
        let is_last = batch.len() < BATCH as usize;
        all.extend(batch);
        ensure(all.len() <= 10_000, || "the batches never end".to_owned())?;
        if is_last {
            return Ok(all);
        }
    }
}

/// Creates `account` and returns it.
pub(crate) async fn create(
    store: &dyn AccountStore,
    account: Account,
) -> Result<Account, CheckError> {
    let created = store.create(&account).await?;
    ensure(created, || format!("create rejected the new account {:?}", account.login))?;
    Ok(account)
}

/// Fails unless `store` finds exactly this record by its id and by its login.
pub(crate) async fn account_is_stored(store: &dyn AccountStore, expected: &Account) -> CheckResult {
    for (what, found) in [
        ("the account found by id", store.by_id(&expected.id).await?),
        ("the account found by login", store.by_login(&expected.login).await?),
    ] {
        let found = found.ok_or_else(|| CheckError::new(format!("{what}: None")))?;
        same_account(what, expected, &found)?;
    }
    Ok(())
}

/// Fails unless the result is [`StoreError::Corrupt`] and names the record.
pub(crate) fn is_corrupt<T>(what: &str, result: Result<T, StoreError>) -> CheckResult {
    match result {
        Err(StoreError::Corrupt { key, what: _ }) => {
            ensure(!key.is_empty(), || format!("{what}: the error does not name the record"))
        }
        Err(other) => Err(CheckError::new(format!("{what}: expected Corrupt, found {other:?}"))),
        Ok(_) => Err(CheckError::new(format!("{what}: the corrupt record was not detected"))),
    }
}

/// The record of a step that was applied.
pub(crate) const fn applied_record(outcome: &Outcome) -> Option<&Session> {
    match outcome {
        Outcome::Applied(session) => Some(session),
        Outcome::Refused(_) | Outcome::NotFound => None,
    }
}
