//! Comparing records: field by field, so that a failure names the field.

use aquaware_core::account::Account;
use aquaware_core::session::Session;
use aquaware_core::store::{AccountStore, Outcome, SessionStore, StoreError};

use crate::failure::{Failure, Verdict, ensure};

macro_rules! differences {
    ($record:ident, $wanted:expr, $found:expr, $($field:ident)*) => {{
        // Names every field: a new one must be compared as well.
        let $record { $($field: _),* } = $wanted;
        let mut list = Vec::new();
        $(if $wanted.$field != $found.$field {
            let (wanted, found) = (&$wanted.$field, &$found.$field);
            list.push(format!("\n  {}: wanted {wanted:?}, found {found:?}", stringify!($field)));
        })*
        list
    }};
}

fn verdict(what: &str, differences: &[String]) -> Verdict {
    ensure(differences.is_empty(), || format!("{what} differs in{}", differences.concat()))
}

/// Fails with the fields in which `found` isn't `wanted`.
pub(crate) fn same_session(what: &str, wanted: &Session, found: &Session) -> Verdict {
    let list = differences!(
        Session, wanted, found,
        id subject client scope claims device created_at ends_at generation issued_at expires_at
        last_used_at mark ended status
    );
    verdict(what, &list)
}

/// Fails with the fields in which `found` isn't `wanted`.
pub(crate) fn same_account(what: &str, wanted: &Account, found: &Account) -> Verdict {
    let list = differences!(
        Account, wanted, found,
        id email login password first_name last_name created_at disabled_at claims
    );
    verdict(what, &list)
}

/// Fails unless these are the same sessions, in whatever order.
pub(crate) fn same_sessions(what: &str, wanted: &[Session], found: &[Session]) -> Verdict {
    let sorted = |sessions: &[Session]| {
        let mut sessions = sessions.to_vec();
        sessions.sort_by_key(|session| session.id);
        sessions
    };
    let (wanted, found) = (sorted(wanted), sorted(found));
    let ids = |sessions: &[Session]| sessions.iter().map(|s| s.id).collect::<Vec<_>>();
    ensure(ids(&wanted) == ids(&found), || {
        format!("{what}: wanted the sessions {:?}, found {:?}", ids(&wanted), ids(&found))
    })?;
    wanted.iter().zip(&found).try_for_each(|(wanted, found)| same_session(what, wanted, found))
}

/// Fails unless these are the same accounts in the same order.
pub(crate) fn same_accounts(what: &str, wanted: &[Account], found: &[Account]) -> Verdict {
    let logins =
        |accounts: &[Account]| accounts.iter().map(|a| a.login.clone()).collect::<Vec<_>>();
    ensure(logins(wanted) == logins(found), || {
        format!("{what}: wanted the accounts {:?}, found {:?}", logins(wanted), logins(found))
    })?;
    wanted.iter().zip(found).try_for_each(|(wanted, found)| same_account(what, wanted, found))
}

/// The name of an outcome.
pub(crate) const fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "Done",
        Outcome::Refused(_) => "Standing",
        Outcome::NotFound => "Absent",
    }
}

/// Fails unless the two outcomes are of one kind with equal records.
pub(crate) fn same_outcome(what: &str, wanted: &Outcome, found: &Outcome) -> Verdict {
    match (wanted, found) {
        (Outcome::Applied(wanted), Outcome::Applied(found))
        | (Outcome::Refused(wanted), Outcome::Refused(found)) => same_session(what, wanted, found),
        (Outcome::NotFound, Outcome::NotFound) => Ok(()),
        _ => Err(Failure::new(format!("{what}: wanted {}, found {}", kind(wanted), kind(found)))),
    }
}

/// Keeps `session` in `store` and gives it back, for the check to go on with.
pub(crate) async fn inserted(
    store: &dyn SessionStore,
    session: Session,
) -> Result<Session, Failure> {
    let kept = store.insert(&session).await?;
    ensure(kept, || format!("the new session {} was taken for a known one", session.id))?;
    Ok(session)
}

/// Fails unless `store` holds exactly this record.
pub(crate) async fn stands(store: &dyn SessionStore, wanted: &Session) -> Verdict {
    match store.find(&wanted.id).await? {
        Some(found) => same_session("the record found afterwards", wanted, &found),
        None => Err(Failure::new(format!("the session {} is gone", wanted.id))),
    }
}

/// Fails unless the step was done and left exactly this record, in the answer and in the store.
pub(crate) async fn done(
    store: &dyn SessionStore,
    what: &str,
    outcome: Outcome,
    wanted: &Session,
) -> Verdict {
    same_outcome(what, &Outcome::Applied(wanted.clone()), &outcome)?;
    stands(store, wanted).await
}

/// Fails unless the step was declined with exactly this record, in the answer and in the store.
pub(crate) async fn standing(
    store: &dyn SessionStore,
    what: &str,
    outcome: Outcome,
    wanted: &Session,
) -> Verdict {
    same_outcome(what, &Outcome::Refused(wanted.clone()), &outcome)?;
    stands(store, wanted).await
}

/// Keeps `account` in `store` and gives it back.
pub(crate) async fn created(
    store: &dyn AccountStore,
    account: Account,
) -> Result<Account, Failure> {
    let kept = store.create(&account).await?;
    ensure(kept, || format!("the new account {:?} was taken for a known one", account.login))?;
    Ok(account)
}

/// Fails unless `store` holds exactly this record, found either way.
pub(crate) async fn account_stands(store: &dyn AccountStore, wanted: &Account) -> Verdict {
    for (way, found) in [
        ("the account found by id", store.by_id(&wanted.id).await?),
        ("the account found by login", store.by_login(&wanted.login).await?),
    ] {
        let found = found.ok_or_else(|| Failure::new(format!("{way}: there is none")))?;
        same_account(way, wanted, &found)?;
    }
    Ok(())
}

/// Fails unless the answer is that the record is corrupt, and which one.
pub(crate) fn corrupt<T>(what: &str, answer: Result<T, StoreError>) -> Verdict {
    match answer {
        Err(StoreError::Corrupt { key, what: _ }) => {
            ensure(!key.is_empty(), || format!("{what}: the error doesn't say which record"))
        }
        Err(other) => Err(Failure::new(format!("{what}: wanted Corrupt, found {other:?}"))),
        Ok(_) => Err(Failure::new(format!("{what}: a damaged record went unnoticed"))),
    }
}

/// The record of a step that was done.
pub(crate) const fn done_record(outcome: &Outcome) -> Option<&Session> {
    match outcome {
        Outcome::Applied(session) => Some(session),
        Outcome::Refused(_) | Outcome::NotFound => None,
    }
}
