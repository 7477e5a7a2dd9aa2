//! Lists of accounts: in pages, in an order that no collation changes.

use aquaware_core::account::Account;
use aquaware_core::store::AccountStore;

use crate::bench::AccountBench;
use crate::compare::{created, same_accounts};
use crate::failure::{Failure, Verdict, ensure};
use crate::sample::{self, account, login};

/// In the order of their bytes. Dictionaries put punctuation and accents elsewhere.
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

async fn fill(store: &dyn AccountStore) -> Result<Vec<Account>, Failure> {
    let mut accounts = Vec::new();
    for (number, email) in (1..).zip(IN_ORDER) {
        accounts.push(Account { login: login(email), ..account(number) });
    }
    // Neither the order of creation nor that of the ids is the order asked for.
    for number in [3, 9, 0, 7, 1, 8, 4, 2, 6, 5] {
        let Some(account) = accounts.get(number) else { continue };
        created(store, account.clone()).await?;
    }
    Ok(accounts)
}

pub(super) async fn a_list_is_in_the_order_of_the_logins_bytes(bench: AccountBench) -> Verdict {
    let wanted = fill(bench.store()).await?;
    ensure(wanted.is_sorted_by_key(|account| account.login.as_str().to_owned()), || {
        "the check's own list is out of order".to_owned()
    })?;
    same_accounts("the list", &wanted, &bench.store().list(None, 100).await?)?;
    same_accounts("the list without an end", &wanted, &bench.store().list(None, u32::MAX).await?)
}

pub(super) async fn a_list_comes_in_pages(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let wanted = fill(store).await?;
    for size in [1, 3, 5, 10, 11] {
        let mut found: Vec<Account> = Vec::new();
        loop {
            let after = found.last().map(|account| account.login.clone());
            let page = store.list(after.as_ref(), size).await?;
            ensure(page.len() <= size as usize, || format!("a page of {} > {size}", page.len()))?;
            if page.is_empty() || found.len() > wanted.len() {
                break;
            }
            found.extend(page);
        }
        same_accounts("all pages together", &wanted, &found)?;
    }
    same_accounts("a page of nothing", &[], &store.list(None, 0).await?)?;
    after_no_account(store, &wanted).await
}

/// A page may begin after a login that nobody has, or has any more.
async fn after_no_account(store: &dyn AccountStore, wanted: &[Account]) -> Verdict {
    for text in ["0@example.com", "a-a@example.com", "aa@example.com", "\u{f6}@example.com"] {
        let rest = after(wanted, text);
        let found = store.list(Some(&sample::login(text)), 100).await?;
        same_accounts("the accounts after nobody", &rest, &found)?;
    }
    let Some(gone) = wanted.get(4) else { return Ok(()) };
    store.delete(&gone.id).await?;
    let rest = after(wanted, gone.login.as_str());
    let found = store.list(Some(&gone.login), 100).await?;
    same_accounts("the accounts after a deleted one", &rest, &found)
}

fn after(accounts: &[Account], login: &str) -> Vec<Account> {
    accounts.iter().filter(|account| account.login.as_str() > login).cloned().collect()
}
