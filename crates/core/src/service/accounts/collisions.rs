//! Accounts of earlier releases that share a mailbox with another account.

use std::collections::BTreeMap;

use crate::account::{Account, Login};
use crate::store::{AccountStore, StoreError};

/// The number of accounts that are read at once.
const PAGE_SIZE: u32 = 500;

/// The groups of accounts that share a mailbox, because earlier releases treated their addresses as
/// different. They stay apart: each logs in with its own spelling. Reads every account.
///
/// # Errors
/// [`StoreError`].
pub async fn colliding_accounts(store: &dyn AccountStore) -> Result<Vec<Vec<Account>>, StoreError> {
    let mut groups: BTreeMap<String, Vec<Account>> = BTreeMap::new();
    let mut after: Option<Login> = None;
    loop {
        let page = store.list(after.as_ref(), PAGE_SIZE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.login.clone());
        for account in page {
            let mailbox = Login::new(account.login.as_str());
            // Two accounts with the current form differ, so a group has one with an earlier form.
            if let Some(mailbox) = mailbox.ok().filter(|login| *login != account.login) {
                groups.entry(mailbox.as_str().to_owned()).or_default().push(account);
            }
        }
    }
    let mut colliding = Vec::new();
    for (mailbox, mut group) in groups {
        if let Ok(login) = Login::from_stored(&mailbox) {
            group.extend(store.by_login(&login).await?);
        }
        if group.len() > 1 {
            colliding.push(group);
        }
    }
    Ok(colliding)
}
