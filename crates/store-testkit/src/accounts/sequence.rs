//! Generated sequences of account steps: every answer must be the reference's.

use aquaware_core::account::Account;
use aquaware_core::store::{AccountStore, MemoryStore};
use proptest::prelude::*;
use serde_json::json;

use crate::bench::AccountBench;
use crate::compare::{same_account, same_accounts};
use crate::failure::{Failure, Verdict, same};
use crate::sample::{self, account, hash, later, rich_account};
use crate::sequence::sequences;

/// Few ids, logins and passwords, so that the steps meet.
const NAMES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Create { id: u64, login: u64, rich: bool },
    ByLogin { login: u64 },
    ById { id: u64 },
    ReplacePassword { id: u64, current: u64, new: u64 },
    SetPassword { id: u64, new: u64 },
    SetDisabled { id: u64, at: Option<u64> },
    SetClaims { id: u64, claims: u64 },
    Delete { id: u64 },
    List { after: Option<u64>, at_most: u32 },
}

fn steps() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES;
    let create = (name(), name(), any::<bool>()).prop_map(|(id, login, rich)| Step::Create {
        id,
        login,
        rich,
    });
    let replace = (name(), name(), name()).prop_map(|(id, current, new)| Step::ReplacePassword {
        id,
        current,
        new,
    });
    let disable =
        (name(), prop::option::of(0..3_u64)).prop_map(|(id, at)| Step::SetDisabled { id, at });
    let list = (prop::option::of(name()), 0..6_u32)
        .prop_map(|(after, at_most)| Step::List { after, at_most });
    prop_oneof![
        6 => create,
        1 => name().prop_map(|login| Step::ByLogin { login }),
        1 => name().prop_map(|id| Step::ById { id }),
        4 => replace,
        2 => (name(), name()).prop_map(|(id, new)| Step::SetPassword { id, new }),
        2 => disable,
        2 => (name(), name()).prop_map(|(id, claims)| Step::SetClaims { id, claims }),
        2 => name().prop_map(|id| Step::Delete { id }),
        2 => list,
    ]
}

pub(super) async fn generated_sequences_of_accounts_match_the_reference(
    bench: AccountBench,
) -> Verdict {
    let settings = bench.settings().clone();
    let bench = &tokio::sync::Mutex::new(bench);
    sequences(&settings, steps(), |steps| async move {
        let mut bench = bench.lock().await;
        bench.renew().await;
        let reference = MemoryStore::new();
        for step in &steps {
            take(step, &reference, bench.store()).await?;
        }
        let ways = (0..NAMES).flat_map(|n| [Step::ById { id: n }, Step::ByLogin { login: n }]);
        for step in ways.chain([Step::List { after: None, at_most: 100 }]) {
            take(&step, &reference, bench.store()).await?;
        }
        Ok(())
    })
}

/// Takes the step on both, and compares what they say.
async fn take(step: &Step, reference: &MemoryStore, store: &dyn AccountStore) -> Verdict {
    let model: &dyn AccountStore = reference;
    let what = format!("the answer to {step:?}");
    let password = |number: u64| hash(&number.to_string());
    let subject = |number: u64| account(number).id;
    let login = |number: u64| account(number).login;
    match *step {
        Step::Create { id, login: named, rich } => {
            let made = if rich { rich_account(id) } else { account(id) };
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
            let wanted = model.replace_password(&id, &current, &new).await?;
            same(&what, &wanted, &store.replace_password(&id, &current, &new).await?)
        }
        Step::SetPassword { id, new } => {
            let (id, new) = (subject(id), password(new));
            let wanted = model.set_password(&id, &new).await?;
            same(&what, &wanted, &store.set_password(&id, &new).await?)
        }
        Step::SetDisabled { id, at } => {
            let (id, at) = (subject(id), at.map(later));
            let wanted = model.set_disabled(&id, at).await?;
            same(&what, &wanted, &store.set_disabled(&id, at).await?)
        }
        Step::SetClaims { id, claims } => {
            let (id, claims) = (subject(id), sample::claims(json!({"number": claims})));
            let wanted = model.set_claims(&id, &claims).await?;
            same(&what, &wanted, &store.set_claims(&id, &claims).await?)
        }
        Step::Delete { id } => {
            let id = subject(id);
            same(&what, &model.delete(&id).await?, &store.delete(&id).await?)
        }
        Step::List { after, at_most } => {
            let after = after.map(login);
            let wanted = model.list(after.as_ref(), at_most).await?;
            same_accounts(&what, &wanted, &store.list(after.as_ref(), at_most).await?)
        }
    }
}

fn same_found(what: &str, wanted: Option<Account>, found: Option<Account>) -> Verdict {
    match (wanted, found) {
        (Some(wanted), Some(found)) => same_account(what, &wanted, &found),
        (None, None) => Ok(()),
        (Some(_), None) => Err(Failure::new(format!("{what}: the account is gone"))),
        (None, Some(_)) => Err(Failure::new(format!("{what}: there should be no account"))),
    }
}
