//! Changing an account: what was asked for, on the one that was named.

use aquaware_core::account::Account;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::AccountStore;
use serde_json::json;

use crate::bench::AccountBench;
use crate::compare::{account_stands, created, same_accounts};
use crate::failure::{Verdict, ensure, same};
use crate::sample::{self, account, hash, later, rich_account};

fn changed(what: &str, answer: bool) -> Verdict {
    ensure(answer, || format!("{what}: the store says there is nothing to change"))
}

fn refused(what: &str, answer: bool) -> Verdict {
    ensure(!answer, || format!("{what}: the store says it was done"))
}

pub(super) async fn a_password_is_replaced_only_if_it_is_the_current_one(
    bench: AccountBench,
) -> Verdict {
    let store = bench.store();
    let old = created(store, Account { password: hash("aBc"), ..rich_account(1) }).await?;
    for wrong in ["abc", "aBc ", "aBcd", "aB", "", "ABC"] {
        let answer = store.replace_password(&old.id, &hash(wrong), &hash("new")).await?;
        refused("replacing another password", answer)?;
        account_stands(store, &old).await?;
    }
    let answer = store.replace_password(&old.id, &old.password, &hash("new")).await?;
    changed("replacing the current password", answer)?;
    let new = Account { password: hash("new"), ..old.clone() };
    account_stands(store, &new).await?;
    // A rehash that comes late must not bring the old password back.
    let answer = store.replace_password(&old.id, &old.password, &hash("rehash")).await?;
    refused("replacing a former password", answer)?;
    account_stands(store, &new).await
}

pub(super) async fn an_operators_password_replaces_any(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let account = created(store, rich_account(1)).await?;
    for password in [hash("one"), hash("two")] {
        changed("setting a password", store.set_password(&account.id, &password).await?)?;
        account_stands(store, &Account { password, ..account.clone() }).await?;
    }
    Ok(())
}

pub(super) async fn an_account_is_disabled_and_enabled(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let account = created(store, account(1)).await?;
    for disabled_at in [Some(later(1)), Some(later(2)), Some(sample::DAWN), None, Some(later(1))] {
        changed("disabling", store.set_disabled(&account.id, disabled_at).await?)?;
        account_stands(store, &Account { disabled_at, ..account.clone() }).await?;
    }
    Ok(())
}

pub(super) async fn new_claims_replace_the_old(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let account = created(store, rich_account(1)).await?;
    for claims in [json!({"other": 1}), json!({"tank": {"litres": 60}}), json!({})] {
        let claims = sample::claims(claims);
        changed("setting claims", store.set_claims(&account.id, &claims).await?)?;
        account_stands(store, &Account { claims, ..account.clone() }).await?;
    }
    Ok(())
}

/// Where "rows affected" counts changed rows, these look like no account at all.
pub(super) async fn a_change_to_the_same_value_is_a_change(bench: AccountBench) -> Verdict {
    let store = bench.store();
    for account in [account(1), rich_account(2)] {
        let account = created(store, account).await?;
        let Account { id, password, disabled_at, claims, .. } = &account;
        for _ in 0..2 {
            changed("the same password", store.set_password(id, password).await?)?;
            let answer = store.replace_password(id, password, password).await?;
            changed("replacing a password by itself", answer)?;
            changed("the same instant", store.set_disabled(id, *disabled_at).await?)?;
            changed("the same claims", store.set_claims(id, claims).await?)?;
        }
        account_stands(store, &account).await?;
    }
    Ok(())
}

pub(super) async fn a_change_touches_one_field_of_one_account(bench: AccountBench) -> Verdict {
    let store = bench.store();
    for round in 0..5 {
        let account = created(store, rich_account(round)).await?;
        // The other has the same password: it is no name.
        let other = Account { password: account.password.clone(), ..rich_account(10 + round) };
        let other = created(store, other).await?;
        one_change(store, account, round).await?;
        account_stands(store, &other).await?;
    }
    Ok(())
}

async fn one_change(store: &dyn AccountStore, mut account: Account, which: u64) -> Verdict {
    let (id, password) = (account.id.clone(), account.password.clone());
    let answer = match which {
        0 => {
            account.password = hash("new");
            store.replace_password(&id, &password, &account.password).await?
        }
        1 => {
            account.password = hash("newer");
            store.set_password(&id, &account.password).await?
        }
        2 => {
            account.disabled_at = None;
            store.set_disabled(&id, None).await?
        }
        3 => {
            account.claims = ExtraClaims::new();
            store.set_claims(&id, &account.claims).await?
        }
        _ => return changed("deleting", store.delete(&id).await?),
    };
    changed("a change", answer)?;
    account_stands(store, &account).await
}

pub(super) async fn an_unknown_account_is_never_changed_into_being(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let known = created(store, rich_account(2)).await?;
    let Account { id, password, claims, .. } = &account(1);
    refused("a password", store.set_password(id, password).await?)?;
    refused("a replacement", store.replace_password(id, &known.password, password).await?)?;
    refused("disabling", store.set_disabled(id, Some(later(1))).await?)?;
    refused("enabling", store.set_disabled(id, None).await?)?;
    refused("claims", store.set_claims(id, claims).await?)?;
    refused("deleting", store.delete(id).await?)?;
    same("the unknown account", &None, &store.by_id(id).await?)?;
    same_accounts("the list", &[known], &store.list(None, 10).await?)
}

pub(super) async fn a_deleted_account_is_gone_and_its_login_is_free(
    bench: AccountBench,
) -> Verdict {
    let store: &dyn AccountStore = bench.store();
    let account = created(store, rich_account(1)).await?;
    changed("deleting", store.delete(&account.id).await?)?;
    same("the account by id", &None, &store.by_id(&account.id).await?)?;
    same("the account by login", &None, &store.by_login(&account.login).await?)?;
    same_accounts("the list", &[], &store.list(None, 10).await?)?;
    refused("deleting once more", store.delete(&account.id).await?)?;
    let other = Account { login: account.login.clone(), ..rich_account(2) };
    let other = created(store, other).await?;
    account_stands(store, &other).await
}
