//! Generated sequences of account steps: every result must equal that of the reference.

use aquaware_core::account::Account;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, MemoryStore, NameChange, NewEmail,
};
use proptest::prelude::*;
use serde_json::json;

use crate::compare::{same_account, same_accounts};
use crate::error::{CheckError, CheckResult, same};
use crate::fixture::AccountFixture;
use crate::sample::{self, account, full_account, later, password_hash};
use crate::sequence::run_sequences;

/// Few ids, logins and passwords, so that the steps affect each other.
const VALUES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Create { id: u64, login: u64, all_fields: bool },
    ByLogin { login: u64 },
    ById { id: u64 },
    ReplacePassword { id: u64, current: u64, new: u64 },
    SetPassword { id: u64, new: u64 },
    SetDisabled { id: u64, at: Option<u64> },
    SetClaims { id: u64, claims: u64 },
    SetNames { id: u64, first: Option<u64>, last: Option<u64> },
    VerifyEmail { id: u64, login: u64 },
    ResetPassword { id: u64, login: u64, current: u64, new: u64 },
    ChangeEmail { id: u64, login: u64, current: u64, new: u64 },
    Delete { id: u64 },
    List { after: Option<u64>, at_most: u32 },
}

fn steps() -> impl Strategy<Value = Step> {
    let value = || 0..VALUES;
    let create = (value(), value(), any::<bool>())
        .prop_map(|(id, login, all_fields)| Step::Create { id, login, all_fields });
    let replace = (value(), value(), value())
        .prop_map(|(id, current, new)| Step::ReplacePassword { id, current, new });
    let disable =
        (value(), prop::option::of(0..3_u64)).prop_map(|(id, at)| Step::SetDisabled { id, at });
    let list = (prop::option::of(value()), 0..6_u32)
        .prop_map(|(after, at_most)| Step::List { after, at_most });
    let reset = (value(), value(), value(), value())
        .prop_map(|(id, login, current, new)| Step::ResetPassword { id, login, current, new });
    let change = (value(), value(), value(), value())
        .prop_map(|(id, login, current, new)| Step::ChangeEmail { id, login, current, new });
    let name = || prop::option::of(value());
    let names =
        (value(), name(), name()).prop_map(|(id, first, last)| Step::SetNames { id, first, last });
    prop_oneof![
        6 => create,
        1 => value().prop_map(|login| Step::ByLogin { login }),
        1 => value().prop_map(|id| Step::ById { id }),
        4 => replace,
        2 => (value(), value()).prop_map(|(id, new)| Step::SetPassword { id, new }),
        2 => disable,
        2 => (value(), value()).prop_map(|(id, claims)| Step::SetClaims { id, claims }),
        2 => names,
        2 => (value(), value()).prop_map(|(id, login)| Step::VerifyEmail { id, login }),
        2 => reset,
        6 => change,
        2 => value().prop_map(|id| Step::Delete { id }),
        2 => list,
    ]
}

pub(super) async fn generated_sequences_of_accounts_match_the_reference(
    fixture: AccountFixture,
) -> CheckResult {
    let settings = fixture.settings().clone();
    let fixture = &tokio::sync::Mutex::new(fixture);
    run_sequences(&settings, steps(), |steps| async move {
        let mut fixture = fixture.lock().await;
        fixture.renew().await;
        let reference = MemoryStore::new();
        for step in &steps {
            make(step, &reference, fixture.store()).await?;
        }
        let ways = (0..VALUES).flat_map(|n| [Step::ById { id: n }, Step::ByLogin { login: n }]);
        for step in ways.chain([Step::List { after: None, at_most: 100 }]) {
            make(&step, &reference, fixture.store()).await?;
        }
        Ok(())
    })
}

/// Makes the step on both stores and compares the results.
async fn make(step: &Step, reference: &MemoryStore, store: &dyn AccountStore) -> CheckResult {
    let model: &dyn AccountStore = reference;
    let what = format!("the result of {step:?}");
    let password = |number: u64| password_hash(&number.to_string());
    let subject = |number: u64| account(number).id;
    let login = |number: u64| account(number).login;
    match *step {
        Step::Create { id, login: named, all_fields } => {
            let made = if all_fields { full_account(id) } else { account(id) };
            let made = Account { login: login(named), password: password(0), ..made };
            same(&what, &model.create(&made).await?, &store.create(&made).await?)
        }
        Step::ByLogin { login: named } => {
            let login = login(named);
            same_found(&what, model.by_login(&login).await?, store.by_login(&login).await?)
        }
        Step::ById { id } => {
            let id = subject(id);
            same_found(&what, model.by_id(&id).await?, store.by_id(&id).await?)
        }
        Step::ReplacePassword { id, current, new } => {
            let (id, current, new) = (subject(id), password(current), password(new));
            let change = AccountChange::ReplacePassword { current: &current, new: &new };
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::SetPassword { id, new } => {
            let (id, new) = (subject(id), password(new));
            let change = AccountChange::SetPassword(&new);
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::SetDisabled { id, at } => {
            let (id, at) = (subject(id), at.map(later));
            let change = AccountChange::SetDisabled(at);
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::SetClaims { id, claims } => {
            let (id, claims) = (subject(id), sample::claims(json!({"number": claims})));
            let change = AccountChange::SetClaims(&claims);
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::SetNames { id, first, last } => {
            // The number 0 removes the name.
            let name = |name: Option<u64>| {
                name.map(|number| (number > 0).then(|| format!("name {number}")))
            };
            let change = NameChange { first_name: name(first), last_name: name(last) };
            let id = subject(id);
            let change = AccountChange::SetNames(&change);
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::VerifyEmail { id, login: named } => {
            let (id, login) = (subject(id), login(named));
            let change = AccountChange::VerifyEmail { login: &login, at: later(1) };
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::ResetPassword { id, login: named, current, new } => {
            let (id, login, hash, new) =
                (subject(id), login(named), password(current), password(new));
            let current = Current { login: &login, password: &hash };
            let change = AccountChange::ResetPassword { current, new: &new, at: later(2) };
            same(&what, &model.change(&id, change).await?, &store.change(&id, change).await?)
        }
        Step::ChangeEmail { id, login: named, current, new } => {
            let (id, former, hash) = (subject(id), login(named), password(current));
            let current = Current { login: &former, password: &hash };
            let (email, login) = (format!("New{new}@example.com"), login(new));
            let new = NewEmail { email, login, at: later(3) };
            let expected = model.change_email(&id, current, &new).await?;
            same(&what, &expected, &store.change_email(&id, current, &new).await?)
        }
        Step::Delete { id } => {
            let id = subject(id);
            same(&what, &model.delete(&id).await?, &store.delete(&id).await?)
        }
        Step::List { after, at_most } => {
            let after = after.map(login);
            let expected = model.list(after.as_ref(), at_most).await?;
            same_accounts(&what, &expected, &store.list(after.as_ref(), at_most).await?)
        }
    }
}

fn same_found(what: &str, expected: Option<Account>, found: Option<Account>) -> CheckResult {
    match (expected, found) {
        (Some(expected), Some(found)) => same_account(what, &expected, &found),
        (None, None) => Ok(()),
        (Some(_), None) => Err(CheckError::new(format!("{what}: expected an account, found None"))),
        (None, Some(_)) => Err(CheckError::new(format!("{what}: expected None, found an account"))),
    }
}
