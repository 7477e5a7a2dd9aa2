//! An account comes back as it was kept, and is taken for no other.

use aquaware_core::account::Account;
use aquaware_core::claims::MAX_EXTRA_BYTES;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::AccountStore;
use aquaware_core::time::Timestamp;
use serde_json::json;

use crate::bench::AccountBench;
use crate::compare::{account_stands, created, same_accounts};
use crate::failure::{Verdict, ensure, same};
use crate::sample::{self, account, rich_account};

pub(super) async fn the_store_of_accounts_answers(bench: AccountBench) -> Verdict {
    Ok(bench.store().ping().await?)
}

async fn comes_back(store: &dyn AccountStore, account: Account) -> Verdict {
    let account = created(store, account).await?;
    account_stands(store, &account).await
}

pub(super) async fn an_account_comes_back_as_it_was(bench: AccountBench) -> Verdict {
    let store = bench.store();
    comes_back(store, account(1)).await?;
    comes_back(store, rich_account(2)).await?;
    let rich = rich_account(3);
    comes_back(store, Account { first_name: rich.first_name, ..account(3) }).await?;
    comes_back(store, Account { last_name: rich.last_name, ..account(4) }).await?;
    comes_back(store, Account { disabled_at: rich.disabled_at, ..account(5) }).await
}

fn with_text(number: u64, text: &str) -> Account {
    let some = || Some(text.to_owned());
    Account {
        email: text.to_owned(),
        password: PasswordHash::new(text.to_owned()),
        first_name: some(),
        last_name: some(),
        claims: sample::claims(json!({"text": text, (text): [text]})),
        ..account(number)
    }
}

pub(super) async fn any_text_of_an_account_comes_back_whole(bench: AccountBench) -> Verdict {
    for (number, text) in (1..).zip(sample::TEXTS) {
        comes_back(bench.store(), with_text(number, text)).await?;
    }
    Ok(())
}

pub(super) async fn the_longest_names_of_an_account_come_back_whole(
    bench: AccountBench,
) -> Verdict {
    let store = bench.store();
    for (number, name) in [(1, "n".repeat(255)), (2, format!("{}abc", "🐟".repeat(63)))] {
        let id = sample::subject(&name);
        let (first_name, last_name) = (Some(name.clone()), Some(name));
        comes_back(store, Account { id, first_name, last_name, ..account(number) }).await?;
    }
    // 64 bytes of name and 254 in all: the longest address there is.
    let host = ["h".repeat(63), "o".repeat(63), "s".repeat(57), "com".to_owned()].join(".");
    let email = format!("{}@{host}", "N".repeat(64));
    same("the length", &254, &email.len())?;
    let login = sample::login(&email);
    let password = PasswordHash::new("p".repeat(255));
    let claims = sample::claims(json!({"c": "x".repeat(MAX_EXTRA_BYTES - r#"{"c":""}"#.len())}));
    comes_back(store, Account { email, login, password, claims, ..account(3) }).await
}

pub(super) async fn times_of_an_account_come_back_to_the_millisecond(
    bench: AccountBench,
) -> Verdict {
    let epoch = Timestamp::from_millis(0);
    let before = Timestamp::from_millis(-1);
    for (number, time) in (1..).zip([sample::DAWN, before, epoch, sample::NOON, sample::DUSK]) {
        let account = Account { created_at: time, disabled_at: Some(time), ..account(number) };
        comes_back(bench.store(), account).await?;
    }
    Ok(())
}

pub(super) async fn claims_of_an_account_come_back_in_every_shape(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let claims = sample::claims_of_every_shape();
    comes_back(store, Account { claims: claims.clone(), ..account(1) }).await?;
    let other = created(store, rich_account(2)).await?;
    ensure(store.set_claims(&other.id, &claims).await?, || "no account to change".to_owned())?;
    account_stands(store, &Account { claims, ..other }).await
}

pub(super) async fn a_taken_login_is_refused(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let taken = created(store, rich_account(1)).await?;
    let other = Account { login: taken.login.clone(), ..account(2) };
    for again in [&taken, &other] {
        ensure(!store.create(again).await?, || "a login was given twice".to_owned())?;
    }
    account_stands(store, &taken).await?;
    same("the refused account", &None, &store.by_id(&other.id).await?)?;
    same_accounts("the list", &[taken], &store.list(None, 10).await?)
}

pub(super) async fn a_taken_id_is_refused(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let taken = created(store, rich_account(1)).await?;
    let other = Account { id: taken.id.clone(), ..account(2) };
    ensure(!store.create(&other).await?, || "an id was given twice".to_owned())?;
    account_stands(store, &taken).await?;
    same("the refused account", &None, &store.by_login(&other.login).await?)?;
    same_accounts("the list", &[taken], &store.list(None, 10).await?)?;
    // The refusal left nothing of it behind: its login is still free.
    comes_back(store, account(2)).await
}

pub(super) async fn an_unknown_account_is_absent(bench: AccountBench) -> Verdict {
    let store = bench.store();
    same_accounts("an empty store's list", &[], &store.list(None, 10).await?)?;
    let unknown = account(1);
    for _ in 0..2 {
        same("the account found by id", &None, &store.by_id(&unknown.id).await?)?;
        same("the account found by login", &None, &store.by_login(&unknown.login).await?)?;
        store.create(&account(2)).await?;
    }
    Ok(())
}

/// Addresses that some collation or pattern takes for one another. Their case is not the store's
/// affair: a login is lower case by its making.
const LOGINS: [&str; 12] = [
    "rene@example.com",
    "ren\u{e9}@example.com",
    "ren@example.com",
    "renee@example.com",
    "ren_@example.com",
    "ren%@example.com",
    "ren*@example.com",
    "re.ne@example.com",
    "re-ne@example.com",
    "strasse@example.com",
    "stra\u{df}e@example.com",
    "rene@example.com.au",
];

pub(super) async fn logins_that_look_alike_are_different(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let mut accounts = Vec::new();
    for (number, email) in (1..).zip(LOGINS) {
        let account = Account { login: sample::login(email), ..account(number) };
        accounts.push(created(store, account).await?);
    }
    for account in &accounts {
        account_stands(store, account).await?;
    }
    Ok(())
}

pub(super) async fn account_ids_that_look_alike_are_different(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let names =
        ["rene", "Rene", "ren\u{e9}", "rene\u{301}", "rene ", " rene", "ren_", "ren%", "ren"];
    let mut accounts = Vec::new();
    for (number, name) in (1..).zip(names) {
        let account = Account { id: sample::subject(name), ..account(number) };
        accounts.push(created(store, account).await?);
    }
    for number in 0..accounts.len() {
        let Some(account) = accounts.get_mut(number) else { continue };
        account.claims = sample::claims(json!({"number": number}));
        let changed = store.set_claims(&account.id, &account.claims).await?;
        ensure(changed, || "no account to change".to_owned())?;
        for account in &accounts {
            account_stands(store, account).await?;
        }
    }
    for number in (1..=names.len()).rev() {
        let Some(account) = accounts.pop() else { continue };
        ensure(store.delete(&account.id).await?, || "no account to delete".to_owned())?;
        same("how many are left", &(number - 1), &store.list(None, 100).await?.len())?;
    }
    Ok(())
}
