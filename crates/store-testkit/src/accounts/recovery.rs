//! What outlives the process, and what must be noticed when it didn't come through whole.

use aquaware_core::account::Account;
use aquaware_core::session::ExtraClaims;

use crate::bench::AccountBench;
use crate::compare::{account_stands, corrupt, created, same_accounts};
use crate::failure::{Verdict, same};
use crate::sample::{account, hash, later, rich_account};

pub(super) async fn what_was_acknowledged_of_accounts_survives_reopening(
    bench: AccountBench,
) -> Verdict {
    let store = bench.store();
    let mut wanted = vec![rich_account(1), account(2), account(3), rich_account(4)];
    for account in wanted.iter().chain([&account(5)]) {
        created(store, account.clone()).await?;
    }
    store.set_password(&account(2).id, &hash("new")).await?;
    store.set_disabled(&account(3).id, Some(later(9))).await?;
    store.set_claims(&account(4).id, &ExtraClaims::new()).await?;
    store.delete(&account(5).id).await?;
    wanted =
        wanted.into_iter().zip(1..).map(|(account, number)| changed(account, number)).collect();
    let Some(bench) = bench.reopen().await? else { return Ok(()) };
    for account in &wanted {
        account_stands(bench.store(), account).await?;
    }
    same("the deleted account", &None, &bench.store().by_login(&account(5).login).await?)?;
    same_accounts("the list", &wanted, &bench.store().list(None, 100).await?)?;
    same("a taken login", &false, &bench.store().create(&account(1)).await?)
}

fn changed(account: Account, number: u64) -> Account {
    match number {
        2 => Account { password: hash("new"), ..account },
        3 => Account { disabled_at: Some(later(9)), ..account },
        4 => Account { claims: ExtraClaims::new(), ..account },
        _ => account,
    }
}

pub(super) async fn a_damaged_account_is_reported_as_corrupt(bench: AccountBench) -> Verdict {
    let store = bench.store();
    let damaged = created(store, rich_account(1)).await?;
    let other = created(store, rich_account(2)).await?;
    if !bench.corrupt_account(&damaged.id).await {
        return Ok(());
    }
    corrupt("by_id", store.by_id(&damaged.id).await)?;
    corrupt("by_login", store.by_login(&damaged.login).await)?;
    corrupt("list", store.list(None, 10).await)?;
    account_stands(store, &other).await
}
