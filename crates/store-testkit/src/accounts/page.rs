//! `list`: in pages, in an order that does not depend on a collation.

use aquaware_core::account::Account;
use aquaware_core::store::AccountStore;

use crate::compare::{create, same_accounts};
use crate::error::{CheckError, CheckResult, ensure};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, login};

/// In byte order. A collation sorts punctuation and accents differently.
const IN_ORDER: [&str; 10] = [
    "a+z@example.com",
    "a-b@example.com",
    "a.b@example.com",
    "a1@example.com",
    "a@example.com",
    "a_b@example.com",
    "ab@example.com",
    "b@example.com",
    "z@example.com",
    "\u{e4}@example.com",
];

async fn fill(store: &dyn AccountStore) -> Result<Vec<Account>, CheckError> {
    let mut accounts = Vec::new();
    for (number, email) in (1..).zip(IN_ORDER) {
        accounts.push(Account { login: login(email), ..account(number) });
    }
    // Neither the order of creation nor the order of the ids equals the expected order.
    for number in [3, 9, 0, 7, 1, 8, 4, 2, 6, 5] {
        let Some(account) = accounts.get(number) else { continue };
        create(store, account.clone()).await?;
    }
    Ok(accounts)
}

pub(super) async fn accounts_are_listed_in_byte_order_of_their_logins(
    fixture: AccountFixture,
) -> CheckResult {
    let expected = fill(fixture.store()).await?;
    ensure(expected.is_sorted_by_key(|account| account.login.as_str().to_owned()), || {
        "the list of this check is not sorted".to_owned()
    })?;
    same_accounts("the list", &expected, &fixture.store().list(None, 100).await?)?;
    same_accounts(
        "the list without a limit",
        &expected,
        &fixture.store().list(None, u32::MAX).await?,
    )
}

pub(super) async fn accounts_are_listed_in_pages(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let expected = fill(store).await?;
    for size in [1, 3, 5, 10, 11] {
        let mut found: Vec<Account> = Vec::new();
        loop {
            let after = found.last().map(|account| account.login.clone());
            let page = store.list(after.as_ref(), size).await?;
            ensure(page.len() <= size as usize, || format!("a page of {} > {size}", page.len()))?;
            if page.is_empty() || found.len() > expected.len() {
                break;
            }
            found.extend(page);
        }
        same_accounts("all pages run_concurrently", &expected, &found)?;
    }
    same_accounts("a page of nothing", &[], &store.list(None, 0).await?)?;
    after_unknown_logins(store, &expected).await
}

/// A page may start after a login that no account has, or no longer has.
async fn after_unknown_logins(store: &dyn AccountStore, expected: &[Account]) -> CheckResult {
    for text in ["0@example.com", "a-a@example.com", "aa@example.com", "\u{f6}@example.com"] {
        let rest = after(expected, text);
        let found = store.list(Some(&sample::login(text)), 100).await?;
        same_accounts("the accounts after an unknown login", &rest, &found)?;
    }
    let Some(gone) = expected.get(4) else { return Ok(()) };
    store.delete(&gone.id).await?;
    let rest = after(expected, gone.login.as_str());
    let found = store.list(Some(&gone.login), 100).await?;
    same_accounts("the accounts after a deleted one", &rest, &found)
}

fn after(accounts: &[Account], login: &str) -> Vec<Account> {
    accounts.iter().filter(|account| account.login.as_str() > login).cloned().collect()
}
