//! Concurrent creations, changes and deletions.

use std::slice::from_ref;

use aquaware_core::account::Account;
use aquaware_core::store::{AccountChange, EmailChange, NewEmail};
use serde_json::json;

use crate::compare::{account_is_stored, create, same_accounts};
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, full_account, later, password_hash};

async fn one_creation_succeeds(
    fixture: &AccountFixture,
    make: impl Fn(u64) -> Account,
) -> Result<Account, CheckError> {
    let created = run_concurrently(fixture.all_handles().await, |position, store| {
        let account = make(position as u64);
        async move { Ok(store.create(&account).await?.then_some(account)) }
    })
    .await?;
    let mut created: Vec<Account> = created.into_iter().flatten().collect();
    same("the number of creations that succeeded", &1, &created.len())?;
    let created = created.pop().ok_or_else(|| CheckError::new("no creation succeeded"))?;
    account_is_stored(fixture.store(), &created).await?;
    same_accounts("the list", from_ref(&created), &fixture.store().list(None, 100).await?)?;
    Ok(created)
}

pub(super) async fn concurrent_creations_with_one_login_succeed_once(
    mut fixture: AccountFixture,
) -> CheckResult {
    for _ in 0..fixture.settings().rounds {
        fixture.renew().await;
        let login = account(0).login;
        one_creation_succeeds(&fixture, |position| Account {
            login: login.clone(),
            ..account(position)
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn concurrent_creations_with_one_id_succeed_once(
    mut fixture: AccountFixture,
) -> CheckResult {
    for _ in 0..fixture.settings().rounds {
        fixture.renew().await;
        let id = account(0).id;
        let created = one_creation_succeeds(&fixture, |position| Account {
            id: id.clone(),
            ..account(position)
        })
        .await?;
        // The rejected creations must not occupy a login.
        for position in 0..fixture.settings().concurrency as u64 {
            let other =
                Account { id: sample::subject(&format!("x{position}")), ..account(position) };
            if other.login != created.login {
                create(fixture.store(), other).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn concurrent_password_replacements_succeed_once(
    fixture: AccountFixture,
) -> CheckResult {
    let mut current = create(fixture.store(), full_account(1)).await?;
    for round in 0..fixture.settings().rounds {
        let base = current.clone();
        let done = run_concurrently(fixture.all_handles().await, |position, store| {
            let (id, old) = (base.id.clone(), base.password.clone());
            let new = password_hash(&format!("{round}-{position}"));
            async move {
                Ok(store
                    .change(&id, AccountChange::ReplacePassword { current: &old, new: &new })
                    .await?
                    .then_some(new))
            }
        })
        .await?;
        let mut done: Vec<_> = done.into_iter().flatten().collect();
        same("the number of replacements that succeeded", &1, &done.len())?;
        let password = done.pop().ok_or_else(|| CheckError::new("no replacement succeeded"))?;
        current.password = password;
        account_is_stored(fixture.store(), &current).await?;
    }
    Ok(())
}

pub(super) async fn concurrent_deletions_succeed_once(fixture: AccountFixture) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let account = create(fixture.store(), full_account(round as u64)).await?;
        let done = run_concurrently(fixture.all_handles().await, |_, store| {
            let id = account.id.clone();
            async move { Ok(store.delete(&id).await?) }
        })
        .await?;
        same(
            "the number of deletions that succeeded",
            &1,
            &done.iter().filter(|done| **done).count(),
        )?;
    }
    Ok(())
}

/// A store that writes back a whole account it read earlier undoes the changes made in between, such
/// as a new password.
pub(super) async fn concurrent_account_changes_never_undo_each_other(
    fixture: AccountFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let account = create(fixture.store(), full_account(round as u64)).await?;
        let done = run_concurrently(fixture.handles(4).await, |position, store| {
            let (id, mut password) = (account.id.clone(), account.password.clone());
            let mut moving = account.clone();
            async move {
                for lap in 1..=20_u64 {
                    let done = match position {
                        0 => {
                            let (old, new) = (password, password_hash(&lap.to_string()));
                            password = new.clone();
                            store
                                .change(
                                    &id,
                                    AccountChange::ReplacePassword { current: &old, new: &new },
                                )
                                .await?
                        }
                        1 => {
                            store.change(&id, AccountChange::SetDisabled(Some(later(lap)))).await?
                        }
                        // The password changes all the time, so some of them are refused.
                        2 => {
                            moving.password = match store.by_id(&id).await? {
                                Some(found) => found.password,
                                None => return Err(CheckError::new("the account is gone")),
                            };
                            let new = address(round as u64, lap);
                            let change = store.change_email(&id, (&moving).into(), &new).await?;
                            if change == EmailChange::Changed {
                                new.apply(&mut moving);
                            }
                            true
                        }
                        _ => {
                            store
                                .change(
                                    &id,
                                    AccountChange::SetClaims(&sample::claims(json!({"lap": lap}))),
                                )
                                .await?
                        }
                    };
                    ensure(done, || format!("change {lap} of kind {position} returned false"))?;
                    tokio::task::yield_now().await;
                }
                Ok(moving)
            }
        })
        .await?;
        let (disabled_at, claims) = (Some(later(20)), sample::claims(json!({"lap": 20})));
        let moved = done.get(2).ok_or_else(|| CheckError::new("no result"))?.clone();
        let expected = Account { password: password_hash("20"), disabled_at, claims, ..moved };
        account_is_stored(fixture.store(), &expected).await?;
    }
    Ok(())
}

fn address(round: u64, lap: u64) -> NewEmail {
    let Account { email, login, .. } = account(1000 + round * 100 + lap);
    NewEmail { email, login, at: later(lap) }
}
