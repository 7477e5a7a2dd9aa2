//! What survives a restart, and the detection of corrupt records.

use aquaware_core::account::Account;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountChange, EmailChange, NewEmail};

use crate::compare::{account_is_stored, create, is_corrupt, same_accounts};
use crate::error::{CheckResult, same};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, full_account, later, password_hash};

pub(super) async fn acknowledged_account_changes_survive_reopening(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let mut expected = vec![full_account(1), account(2), account(3), full_account(4)];
    for account in expected.iter().chain([&account(5)]) {
        create(store, account.clone()).await?;
    }
    store.change(&account(2).id, AccountChange::SetPassword(&password_hash("new"))).await?;
    store.change(&account(3).id, AccountChange::SetDisabled(Some(later(9)))).await?;
    store.change(&account(4).id, AccountChange::SetClaims(&ExtraClaims::new())).await?;
    let (moving, new) = (full_account(4), moved());
    let moving = Account { claims: ExtraClaims::new(), ..moving };
    let change = store.change_email(&moving.id, (&moving).into(), &new).await?;
    same("change_email", &EmailChange::Changed, &change)?;
    store.delete(&account(5).id).await?;
    expected =
        expected.into_iter().zip(1..).map(|(account, number)| changed(account, number)).collect();
    let Some(fixture) = fixture.reopen().await? else { return Ok(()) };
    for account in &expected {
        account_is_stored(fixture.store(), account).await?;
    }
    same("the deleted account", &None, &fixture.store().by_login(&account(5).login).await?)?;
    same_accounts("the list", &expected, &fixture.store().list(None, 100).await?)?;
    same("a taken login", &false, &fixture.store().create(&account(1)).await?)
}

fn moved() -> NewEmail {
    let (email, login) = ("User6@Example.com".to_owned(), sample::login("user6@example.com"));
    NewEmail { email, login, at: later(8) }
}

fn changed(mut account: Account, number: u64) -> Account {
    match number {
        2 => Account { password: password_hash("new"), ..account },
        3 => Account { disabled_at: Some(later(9)), ..account },
        4 => {
            moved().apply(&mut account);
            Account { claims: ExtraClaims::new(), ..account }
        }
        _ => account,
    }
}

pub(super) async fn a_damaged_account_is_reported_as_corrupt(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let damaged = create(store, full_account(1)).await?;
    let other = create(store, full_account(2)).await?;
    if !fixture.corrupt_account(&damaged.id).await {
        return Ok(());
    }
    is_corrupt("by_id", store.by_id(&damaged.id).await)?;
    is_corrupt("by_login", store.by_login(&damaged.login).await)?;
    is_corrupt("list", store.list(None, 10).await)?;
    account_is_stored(store, &other).await
}
