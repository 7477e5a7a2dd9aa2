//! Changes of an account: each affects the named field of the named account only.

use aquaware_core::account::Account;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountChange, AccountStore, EmailChange, NameChange, NewEmail};
use serde_json::json;

use crate::compare::{account_is_stored, create, same_accounts};
use crate::error::{CheckResult, ensure, same};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, full_account, later, password_hash};

fn changed(what: &str, answer: bool) -> CheckResult {
    ensure(answer, || format!("{what}: the store returned false"))
}

fn refused(what: &str, answer: bool) -> CheckResult {
    ensure(!answer, || format!("{what}: the store returned true"))
}

pub(super) async fn replace_password_requires_the_current_hash(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let old = create(store, Account { password: password_hash("aBc"), ..full_account(1) }).await?;
    for other in ["abc", "aBc ", "aBcd", "aB", "", "ABC"] {
        let answer = store
            .change(
                &old.id,
                AccountChange::ReplacePassword {
                    current: &password_hash(other),
                    new: &password_hash("new"),
                },
            )
            .await?;
        refused("replacing another password", answer)?;
        account_is_stored(store, &old).await?;
    }
    let answer = store
        .change(
            &old.id,
            AccountChange::ReplacePassword { current: &old.password, new: &password_hash("new") },
        )
        .await?;
    changed("replacing the current password", answer)?;
    let new = Account { password: password_hash("new"), ..old.clone() };
    account_is_stored(store, &new).await?;
    // A late rehash must not restore the old password.
    let answer = store
        .change(
            &old.id,
            AccountChange::ReplacePassword {
                current: &old.password,
                new: &password_hash("rehash"),
            },
        )
        .await?;
    refused("replacing a former password", answer)?;
    account_is_stored(store, &new).await
}

pub(super) async fn set_password_replaces_any_hash(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let account = create(store, full_account(1)).await?;
    for password in [password_hash("one"), password_hash("two")] {
        changed(
            "setting a password",
            store.change(&account.id, AccountChange::SetPassword(&password)).await?,
        )?;
        account_is_stored(store, &Account { password, ..account.clone() }).await?;
    }
    Ok(())
}

pub(super) async fn an_account_can_be_disabled_and_enabled(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let account = create(store, account(1)).await?;
    for disabled_at in
        [Some(later(1)), Some(later(2)), Some(sample::FIRST_INSTANT), None, Some(later(1))]
    {
        changed(
            "disabling",
            store.change(&account.id, AccountChange::SetDisabled(disabled_at)).await?,
        )?;
        account_is_stored(store, &Account { disabled_at, ..account.clone() }).await?;
    }
    Ok(())
}

pub(super) async fn set_claims_replaces_all_claims(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let account = create(store, full_account(1)).await?;
    for claims in [json!({"other": 1}), json!({"tank": {"litres": 60}}), json!({})] {
        let claims = sample::claims(claims);
        changed(
            "setting claims",
            store.change(&account.id, AccountChange::SetClaims(&claims)).await?,
        )?;
        account_is_stored(store, &Account { claims, ..account.clone() }).await?;
    }
    Ok(())
}

/// A store that counts changed rows would report that no account exists.
pub(super) async fn a_change_to_the_same_value_succeeds(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    for account in [account(1), full_account(2)] {
        let account = create(store, account).await?;
        let Account { id, password, disabled_at, claims, .. } = &account;
        for _ in 0..2 {
            changed(
                "the same password",
                store.change(id, AccountChange::SetPassword(password)).await?,
            )?;
            let answer = store
                .change(id, AccountChange::ReplacePassword { current: password, new: password })
                .await?;
            changed("replacing a password by the same", answer)?;
            changed(
                "the same instant",
                store.change(id, AccountChange::SetDisabled(*disabled_at)).await?,
            )?;
            changed("the same claims", store.change(id, AccountChange::SetClaims(claims)).await?)?;
            let (first_name, last_name) =
                (Some(account.first_name.clone()), Some(account.last_name.clone()));
            let names = NameChange { first_name, last_name };
            changed("the same names", store.change(id, AccountChange::SetNames(&names)).await?)?;
            changed(
                "no names",
                store.change(id, AccountChange::SetNames(&NameChange::default())).await?,
            )?;
        }
        account_is_stored(store, &account).await?;
    }
    Ok(())
}

pub(super) async fn a_change_affects_one_field_of_one_account(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    for round in 0..8 {
        let account = create(store, full_account(round)).await?;
        // The other account has the same password hash, which must not identify it.
        let other = Account { password: account.password.clone(), ..full_account(10 + round) };
        let other = create(store, other).await?;
        one_change(store, account, round).await?;
        account_is_stored(store, &other).await?;
    }
    Ok(())
}

async fn one_change(store: &dyn AccountStore, mut account: Account, which: u64) -> CheckResult {
    let (id, password) = (account.id.clone(), account.password.clone());
    let answer = match which {
        0 => {
            account.password = password_hash("new");
            store
                .change(
                    &id,
                    AccountChange::ReplacePassword { current: &password, new: &account.password },
                )
                .await?
        }
        1 => {
            account.password = password_hash("newer");
            store.change(&id, AccountChange::SetPassword(&account.password)).await?
        }
        2 => {
            account.disabled_at = None;
            store.change(&id, AccountChange::SetDisabled(None)).await?
        }
        3 => {
            account.claims = ExtraClaims::new();
            store.change(&id, AccountChange::SetClaims(&account.claims)).await?
        }
        4 => {
            let change = NameChange { first_name: Some(None), last_name: None };
            change.apply(&mut account);
            store.change(&id, AccountChange::SetNames(&change)).await?
        }
        5 => {
            account.email_verified_at = Some(later(50));
            account.password = password_hash("reset");
            let before = Account { password, ..account.clone() };
            store
                .change(
                    &id,
                    AccountChange::ResetPassword {
                        current: (&before).into(),
                        new: &account.password,
                        at: later(50),
                    },
                )
                .await?
        }
        6 => {
            let (email, login) = ("New@example.com".to_owned(), sample::login("new@example.com"));
            let (before, new) = (account.clone(), NewEmail { email, login, at: later(60) });
            new.apply(&mut account);
            let change = store.change_email(&id, (&before).into(), &new).await?;
            same("change_email", &EmailChange::Changed, &change)?;
            true
        }
        _ => return changed("deleting", store.delete(&id).await?),
    };
    changed("a change", answer)?;
    account_is_stored(store, &account).await
}

pub(super) async fn a_change_never_creates_an_account(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let known = create(store, full_account(2)).await?;
    let Account { id, password, claims, .. } = &account(1);
    refused("a password", store.change(id, AccountChange::SetPassword(password)).await?)?;
    refused(
        "a replacement",
        store
            .change(id, AccountChange::ReplacePassword { current: &known.password, new: password })
            .await?,
    )?;
    refused("disabling", store.change(id, AccountChange::SetDisabled(Some(later(1)))).await?)?;
    refused("enabling", store.change(id, AccountChange::SetDisabled(None)).await?)?;
    refused("claims", store.change(id, AccountChange::SetClaims(claims)).await?)?;
    refused("deleting", store.delete(id).await?)?;
    same("the unknown account", &None, &store.by_id(id).await?)?;
    same_accounts("the list", &[known], &store.list(None, 10).await?)
}

pub(super) async fn a_deleted_account_is_gone_and_its_login_is_free(
    fixture: AccountFixture,
) -> CheckResult {
    let store: &dyn AccountStore = fixture.store();
    let account = create(store, full_account(1)).await?;
    changed("deleting", store.delete(&account.id).await?)?;
    same("the account by id", &None, &store.by_id(&account.id).await?)?;
    same("the account by login", &None, &store.by_login(&account.login).await?)?;
    same_accounts("the list", &[], &store.list(None, 10).await?)?;
    refused("deleting it again", store.delete(&account.id).await?)?;
    let other = Account { login: account.login.clone(), ..full_account(2) };
    let other = create(store, other).await?;
    account_is_stored(store, &other).await
}
