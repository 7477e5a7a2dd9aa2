//! Changes that meet.

use std::slice::from_ref;

use aquaware_core::account::Account;
use serde_json::json;

use crate::bench::AccountBench;
use crate::compare::{account_stands, created, same_accounts};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, account, hash, later, rich_account};

async fn one_is_kept(
    bench: &AccountBench,
    make: impl Fn(u64) -> Account,
) -> Result<Account, Failure> {
    let kept = together(bench.handles(bench.settings().racers).await, |place, store| {
        let account = make(place as u64);
        async move { Ok(store.create(&account).await?.then_some(account)) }
    })
    .await?;
    let mut kept: Vec<Account> = kept.into_iter().flatten().collect();
    same("how many were kept", &1, &kept.len())?;
    let kept = kept.pop().ok_or_else(|| Failure::new("none was kept"))?;
    account_stands(bench.store(), &kept).await?;
    same_accounts("the list", from_ref(&kept), &bench.store().list(None, 100).await?)?;
    Ok(kept)
}

pub(super) async fn of_many_accounts_with_one_login_one_is_kept(
    mut bench: AccountBench,
) -> Verdict {
    for _ in 0..bench.settings().rounds {
        bench.renew().await;
        let login = account(0).login;
        one_is_kept(&bench, |place| Account { login: login.clone(), ..account(place) }).await?;
    }
    Ok(())
}

pub(super) async fn of_many_accounts_with_one_id_one_is_kept(mut bench: AccountBench) -> Verdict {
    for _ in 0..bench.settings().rounds {
        bench.renew().await;
        let id = account(0).id;
        let kept =
            one_is_kept(&bench, |place| Account { id: id.clone(), ..account(place) }).await?;
        // Those refused left no login taken.
        for place in 0..bench.settings().racers as u64 {
            let other = Account { id: sample::subject(&format!("x{place}")), ..account(place) };
            if other.login != kept.login {
                created(bench.store(), other).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn of_many_replacements_of_one_password_one_is_done(
    bench: AccountBench,
) -> Verdict {
    let mut current = created(bench.store(), rich_account(1)).await?;
    for round in 0..bench.settings().rounds {
        let base = current.clone();
        let done = together(bench.handles(bench.settings().racers).await, |place, store| {
            let (id, old) = (base.id.clone(), base.password.clone());
            let new = hash(&format!("{round}-{place}"));
            async move { Ok(store.replace_password(&id, &old, &new).await?.then_some(new)) }
        })
        .await?;
        let mut done: Vec<_> = done.into_iter().flatten().collect();
        same("how many replacements were done", &1, &done.len())?;
        let password = done.pop().ok_or_else(|| Failure::new("none was done"))?;
        current.password = password;
        account_stands(bench.store(), &current).await?;
    }
    Ok(())
}

pub(super) async fn of_many_deletions_one_is_done(bench: AccountBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let account = created(bench.store(), rich_account(round as u64)).await?;
        let done = together(bench.handles(bench.settings().racers).await, |_, store| {
            let id = account.id.clone();
            async move { Ok(store.delete(&id).await?) }
        })
        .await?;
        same("how many deletions were done", &1, &done.iter().filter(|done| **done).count())?;
    }
    Ok(())
}

/// A change that writes back an account read before undoes the others: a new password is lost.
pub(super) async fn racing_changes_of_an_account_never_undo_each_other(
    bench: AccountBench,
) -> Verdict {
    for round in 0..bench.settings().rounds {
        let account = created(bench.store(), rich_account(round as u64)).await?;
        together(bench.handles(3).await, |place, store| {
            let (id, mut password) = (account.id.clone(), account.password.clone());
            async move {
                for lap in 1..=20_u64 {
                    let done = match place {
                        0 => {
                            let (old, new) = (password, hash(&lap.to_string()));
                            password = new.clone();
                            store.replace_password(&id, &old, &new).await?
                        }
                        1 => store.set_disabled(&id, Some(later(lap))).await?,
                        _ => store.set_claims(&id, &sample::claims(json!({"lap": lap}))).await?,
                    };
                    ensure(done, || format!("change {lap} of kind {place} found nothing"))?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        })
        .await?;
        let (disabled_at, claims) = (Some(later(20)), sample::claims(json!({"lap": 20})));
        let wanted = Account { password: hash("20"), disabled_at, claims, ..account };
        account_stands(bench.store(), &wanted).await?;
    }
    Ok(())
}
