//! Names, verification, resets and changes of the address: each step has its condition, and a login
//! belongs to one account.

use std::slice::from_ref;

use aquaware_core::account::Account;
use aquaware_core::store::{AccountChange, Current, EmailChange, NameChange, NewEmail};

use crate::compare::{account_is_stored, create, same_accounts};
use crate::concurrent::run_concurrently;
use crate::error::{CheckResult, same};
use crate::fixture::AccountFixture;
use crate::sample::{account, full_account, later, login, password_hash, subject};

pub(super) async fn set_names_changes_only_the_named_ones(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let mut account = create(store, full_account(1)).await?;
    let name = |name: &str| Some(Some(name.to_owned()));
    for change in [
        NameChange { first_name: name("Grace"), last_name: None },
        NameChange { first_name: None, last_name: name("Hopper") },
        NameChange { first_name: Some(None), last_name: None },
        NameChange { first_name: name("G."), last_name: Some(None) },
        NameChange::default(),
    ] {
        same(
            "set_names",
            &true,
            &store.change(&account.id, AccountChange::SetNames(&change)).await?,
        )?;
        change.apply(&mut account);
        account_is_stored(store, &account).await?;
    }
    let unknown =
        store.change(&subject("unknown"), AccountChange::SetNames(&NameChange::default())).await?;
    same("set_names of an unknown account", &false, &unknown)
}

pub(super) async fn verify_email_requires_the_login_and_happens_once(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let other = create(store, account(2)).await?;
    let account = create(store, account(1)).await?;
    let answer = store
        .change(&account.id, AccountChange::VerifyEmail { login: &other.login, at: later(1) })
        .await?;
    same("verify_email with the login of another account", &false, &answer)?;
    account_is_stored(store, &account).await?;
    let answer = store
        .change(&account.id, AccountChange::VerifyEmail { login: &account.login, at: later(1) })
        .await?;
    same("verify_email", &true, &answer)?;
    let verified = Account { email_verified_at: Some(later(1)), ..account };
    account_is_stored(store, &verified).await?;
    let again = store
        .change(&verified.id, AccountChange::VerifyEmail { login: &verified.login, at: later(2) })
        .await?;
    same("verify_email of a verified account", &false, &again)?;
    account_is_stored(store, &verified).await?;
    account_is_stored(store, &other).await
}

pub(super) async fn reset_password_requires_the_current_login_and_hash(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let account = create(store, account(1)).await?;
    let (login, password) = (login("other@example.com"), password_hash("other"));
    let current = Current::from(&account);
    let new = password_hash("new");
    for wrong in [Current { login: &login, ..current }, Current { password: &password, ..current }]
    {
        let answer = store
            .change(
                &account.id,
                AccountChange::ResetPassword { current: wrong, new: &new, at: later(1) },
            )
            .await?;
        same("reset_password with another login or password", &false, &answer)?;
        account_is_stored(store, &account).await?;
    }
    let answer = store
        .change(&account.id, AccountChange::ResetPassword { current, new: &new, at: later(1) })
        .await?;
    same("reset_password", &true, &answer)?;
    let reset =
        Account { password: new.clone(), email_verified_at: Some(later(1)), ..account.clone() };
    account_is_stored(store, &reset).await?;
    let answer = store
        .change(&account.id, AccountChange::ResetPassword { current, new: &password, at: later(2) })
        .await?;
    same("reset_password with the former password", &false, &answer)?;
    account_is_stored(store, &reset).await
}

fn new_email(number: u64) -> NewEmail {
    let Account { email, login, .. } = account(number);
    NewEmail { email, login, at: later(number) }
}

fn changed(account: &Account, new: &NewEmail) -> Account {
    let mut account = account.clone();
    new.apply(&mut account);
    account
}

pub(super) async fn change_email_requires_the_current_login_and_hash(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let account = create(store, full_account(1)).await?;
    let (login, password) = (login("other@example.com"), password_hash("other"));
    let (current, new) = (Current::from(&account), new_email(7));
    for wrong in [Current { login: &login, ..current }, Current { password: &password, ..current }]
    {
        let answer = store.change_email(&account.id, wrong, &new).await?;
        same("change_email with another login or password", &EmailChange::Refused, &answer)?;
        account_is_stored(store, &account).await?;
        same("the new login", &None, &store.by_login(&new.login).await?)?;
    }
    let unknown = store.change_email(&subject("unknown"), current, &new).await?;
    same("change_email of an unknown account", &EmailChange::Refused, &unknown)?;
    let answer = store.change_email(&account.id, current, &new).await?;
    same("change_email", &EmailChange::Changed, &answer)?;
    account_is_stored(store, &changed(&account, &new)).await?;
    same("the former login", &None, &store.by_login(&account.login).await?)?;
    let again = store.change_email(&account.id, current, &new_email(8)).await?;
    same("change_email with the former login", &EmailChange::Refused, &again)?;
    account_is_stored(store, &changed(&account, &new)).await?;
    let all = store.list(None, 10).await?;
    same_accounts("the list", &[changed(&account, &new)], &all)
}

pub(super) async fn an_address_is_never_changed_to_a_taken_one(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let one = create(store, account(1)).await?;
    let other = create(store, full_account(2)).await?;
    let answer = store.change_email(&one.id, (&one).into(), &new_email(2)).await?;
    same("change_email to a taken login", &EmailChange::Taken, &answer)?;
    account_is_stored(store, &one).await?;
    account_is_stored(store, &other).await?;
    // Another spelling of the address of the account itself.
    let same_login = NewEmail { email: "USER1@example.com".to_owned(), ..new_email(1) };
    let answer = store.change_email(&one.id, (&one).into(), &same_login).await?;
    same("change_email to the same login", &EmailChange::Changed, &answer)?;
    account_is_stored(store, &changed(&one, &same_login)).await
}

pub(super) async fn a_former_login_is_free_and_can_be_taken_back(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let one = create(store, full_account(1)).await?;
    let moved = changed(&one, &new_email(7));
    let answer = store.change_email(&one.id, (&one).into(), &new_email(7)).await?;
    same("change_email", &EmailChange::Changed, &answer)?;
    let back = changed(&moved, &new_email(1));
    let answer = store.change_email(&one.id, (&moved).into(), &new_email(1)).await?;
    same("change_email back", &EmailChange::Changed, &answer)?;
    account_is_stored(store, &back).await?;
    same("the login in between", &None, &store.by_login(&moved.login).await?)?;
    let again = changed(&back, &new_email(8));
    let answer = store.change_email(&one.id, (&back).into(), &new_email(8)).await?;
    same("change_email again", &EmailChange::Changed, &answer)?;
    // A new account with the former login, beside the account that had it.
    let twin = create(store, Account { login: one.login.clone(), ..account(2) }).await?;
    account_is_stored(store, &twin).await?;
    account_is_stored(store, &again).await?;
    let answer = store.change_email(&one.id, (&again).into(), &new_email(1)).await?;
    same("change_email to a login that is taken again", &EmailChange::Taken, &answer)?;
    same(
        "set_password",
        &true,
        &store.change(&twin.id, AccountChange::SetPassword(&password_hash("new"))).await?,
    )?;
    let twin = Account { password: password_hash("new"), ..twin };
    account_is_stored(store, &twin).await?;
    same_accounts("the list", &[twin.clone(), again.clone()], &store.list(None, 10).await?)?;
    same("deleting the new account", &true, &store.delete(&twin.id).await?)?;
    same("the former login", &None, &store.by_login(&one.login).await?)?;
    same_accounts("the list", from_ref(&again), &store.list(None, 10).await?)?;
    same("deleting", &true, &store.delete(&again.id).await?)?;
    same_accounts("the list", &[], &store.list(None, 10).await?)?;
    create(store, account(1)).await?;
    create(store, account(8)).await.map(drop)
}

/// Changes compete for one address, in every other round with sign-ups.
pub(super) async fn concurrent_changes_to_one_address_succeed_once(
    mut fixture: AccountFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        fixture.renew().await;
        let count = fixture.settings().concurrency as u64;
        let signs_up = move |number: u64| round % 2 == 1 && number % 2 == 1;
        for number in (0..count).filter(|number| !signs_up(*number)) {
            create(fixture.store(), account(number)).await?;
        }
        let new = new_email(1000);
        let done = run_concurrently(fixture.all_handles().await, |position, store| {
            let (number, new) = (position as u64, new.clone());
            async move {
                let one = account(number);
                if !signs_up(number) {
                    let answer = store.change_email(&one.id, (&one).into(), &new).await?;
                    return Ok((answer == EmailChange::Changed).then(|| changed(&one, &new)));
                }
                let one = Account { login: new.login.clone(), ..one };
                Ok(store.create(&one).await?.then_some(one))
            }
        })
        .await?;
        let winners: Vec<Account> = done.into_iter().flatten().collect();
        same("the number of accounts with the address", &1, &winners.len())?;
        for winner in &winners {
            account_is_stored(fixture.store(), winner).await?;
        }
        let held = (0..count).filter(|number| !signs_up(*number)).map(account);
        let held = held.filter(|it| winners.iter().all(|winner| winner.id != it.id));
        for account in held {
            account_is_stored(fixture.store(), &account).await?;
        }
    }
    Ok(())
}
