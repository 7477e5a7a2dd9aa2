//! `create`, `by_id` and `by_login`: an account is read back exactly as it was created, and is not
//! confused with another.

use aquaware_core::account::Account;
use aquaware_core::claims::MAX_EXTRA_BYTES;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::{AccountChange, AccountStore};
use aquaware_core::time::Timestamp;
use serde_json::json;

use crate::compare::{account_is_stored, create, same_accounts};
use crate::error::{CheckResult, ensure, same};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, full_account};

pub(super) async fn the_account_store_answers_a_ping(fixture: AccountFixture) -> CheckResult {
    Ok(fixture.store().ping().await?)
}

async fn round_trips(store: &dyn AccountStore, account: Account) -> CheckResult {
    let account = create(store, account).await?;
    account_is_stored(store, &account).await
}

pub(super) async fn an_account_is_read_back_unchanged(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    round_trips(store, account(1)).await?;
    round_trips(store, full_account(2)).await?;
    let full = full_account(3);
    round_trips(store, Account { first_name: full.first_name, ..account(3) }).await?;
    round_trips(store, Account { last_name: full.last_name, ..account(4) }).await?;
    round_trips(store, Account { disabled_at: full.disabled_at, ..account(5) }).await?;
    let email_verified_at = full.email_verified_at;
    round_trips(store, Account { email_verified_at, ..account(6) }).await?;
    round_trips(store, Account { email_changed_at: full.email_changed_at, ..account(7) }).await
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

pub(super) async fn any_text_of_an_account_is_read_back_unchanged(
    fixture: AccountFixture,
) -> CheckResult {
    for (number, text) in (1..).zip(sample::DIFFICULT_TEXTS) {
        round_trips(fixture.store(), with_text(number, text)).await?;
    }
    Ok(())
}

pub(super) async fn account_texts_of_maximum_length_are_read_back_unchanged(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    for (number, name) in [(1, "n".repeat(255)), (2, format!("{}abc", "🐟".repeat(63)))] {
        let id = sample::subject(&name);
        let (first_name, last_name) = (Some(name.clone()), Some(name));
        round_trips(store, Account { id, first_name, last_name, ..account(number) }).await?;
    }
    // A local part of 64 bytes and 254 bytes in total: the longest valid address.
    let host = ["h".repeat(63), "o".repeat(63), "s".repeat(57), "com".to_owned()].join(".");
    let email = format!("{}@{host}", "N".repeat(64));
    same("the length", &254, &email.len())?;
    let login = sample::login(&email);
    let password = PasswordHash::new("p".repeat(255));
    let claims = sample::claims(json!({"c": "x".repeat(MAX_EXTRA_BYTES - r#"{"c":""}"#.len())}));
    round_trips(store, Account { email, login, password, claims, ..account(3) }).await
}

pub(super) async fn times_of_an_account_are_kept_to_the_millisecond(
    fixture: AccountFixture,
) -> CheckResult {
    let epoch = Timestamp::from_millis(0);
    let before = Timestamp::from_millis(-1);
    for (number, time) in
        (1..).zip([sample::FIRST_INSTANT, before, epoch, sample::NOON, sample::LAST_INSTANT])
    {
        let account = Account { created_at: time, disabled_at: Some(time), ..account(number) };
        round_trips(fixture.store(), account).await?;
    }
    Ok(())
}

pub(super) async fn account_claims_of_every_json_type_are_read_back(
    fixture: AccountFixture,
) -> CheckResult {
    let store = fixture.store();
    let claims = sample::claims_of_every_type();
    round_trips(store, Account { claims: claims.clone(), ..account(1) }).await?;
    let other = create(store, full_account(2)).await?;
    ensure(store.change(&other.id, AccountChange::SetClaims(&claims)).await?, || {
        "set_claims returned false".to_owned()
    })?;
    account_is_stored(store, &Account { claims, ..other }).await
}

pub(super) async fn a_taken_login_is_rejected(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let taken = create(store, full_account(1)).await?;
    let other = Account { login: taken.login.clone(), ..account(2) };
    for again in [&taken, &other] {
        ensure(!store.create(again).await?, || "a taken login was accepted".to_owned())?;
    }
    account_is_stored(store, &taken).await?;
    same("the rejected account", &None, &store.by_id(&other.id).await?)?;
    same_accounts("the list", &[taken], &store.list(None, 10).await?)
}

pub(super) async fn a_taken_id_is_rejected(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let taken = create(store, full_account(1)).await?;
    let other = Account { id: taken.id.clone(), ..account(2) };
    ensure(!store.create(&other).await?, || "a taken id was accepted".to_owned())?;
    account_is_stored(store, &taken).await?;
    same("the rejected account", &None, &store.by_login(&other.login).await?)?;
    same_accounts("the list", &[taken], &store.list(None, 10).await?)?;
    // Nothing of the rejected account is stored: its login is still free.
    round_trips(store, account(2)).await
}

pub(super) async fn an_unknown_account_is_not_found(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    same_accounts("the list in an empty store", &[], &store.list(None, 10).await?)?;
    let unknown = account(1);
    for _ in 0..2 {
        same("the account found by id", &None, &store.by_id(&unknown.id).await?)?;
        same("the account found by login", &None, &store.by_login(&unknown.login).await?)?;
        store.create(&account(2)).await?;
    }
    Ok(())
}

/// Addresses that a collation or a pattern may confuse. Case is not covered, because a `Login`
/// is always lower case.
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

pub(super) async fn similar_logins_are_different(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let mut accounts = Vec::new();
    for (number, email) in (1..).zip(LOGINS) {
        let account = Account { login: sample::login(email), ..account(number) };
        accounts.push(create(store, account).await?);
    }
    for account in &accounts {
        account_is_stored(store, account).await?;
    }
    Ok(())
}

pub(super) async fn similar_account_ids_are_different(fixture: AccountFixture) -> CheckResult {
    let store = fixture.store();
    let names =
        ["rene", "Rene", "ren\u{e9}", "rene\u{301}", "rene ", " rene", "ren_", "ren%", "ren"];
    let mut accounts = Vec::new();
    for (number, name) in (1..).zip(names) {
        let account = Account { id: sample::subject(name), ..account(number) };
        accounts.push(create(store, account).await?);
    }
    for number in 0..accounts.len() {
        let Some(account) = accounts.get_mut(number) else { continue };
        account.claims = sample::claims(json!({"number": number}));
        let changed = store.change(&account.id, AccountChange::SetClaims(&account.claims)).await?;
        ensure(changed, || "set_claims returned false".to_owned())?;
        for account in &accounts {
            account_is_stored(store, account).await?;
        }
    }
    for number in (1..=names.len()).rev() {
        let Some(account) = accounts.pop() else { continue };
        ensure(store.delete(&account.id).await?, || "delete returned false".to_owned())?;
        same(
            "the number of remaining accounts",
            &(number - 1),
            &store.list(None, 100).await?.len(),
        )?;
    }
    Ok(())
}
