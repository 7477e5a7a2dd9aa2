//! Status lists that were given to the builder and are never fetched.

use std::collections::HashMap;
use std::sync::Arc;

use aquaware_token::status::StatusReference;
use aquaware_token::time::{Leeway, Timestamp};
use arc_swap::ArcSwap;

use super::list::List;
use crate::error::VerifyError;
use crate::health::{StalePolicy, StatusHealth};

/// Lists by URI. They never become stale; only their own `exp` ends their use.
#[derive(Clone, Debug, Default)]
pub(crate) struct FixedLists(Arc<ArcSwap<HashMap<String, List>>>);

impl FixedLists {
    /// Adds or replaces the list with this URI.
    pub(crate) fn insert(&self, uri: &str, list: List) {
        self.0.rcu(|lists| {
            let mut lists = HashMap::clone(lists);
            lists.insert(uri.to_owned(), list.clone());
            lists
        });
    }

    /// Checks the status of a token.
    pub(crate) fn check(
        &self,
        reference: &StatusReference,
        on_stale: StalePolicy,
        leeway: Leeway,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let lists = self.0.load();
        let missing = match lists.get(&reference.uri) {
            Some(list) if !list.is_expired(leeway, now) => return list.check(reference.idx),
            Some(_) => VerifyError::StaleStatusList,
            None => VerifyError::NoStatusList,
        };
        match on_stale {
            StalePolicy::Reject => Err(missing),
            StalePolicy::KeepUsing => Ok(()),
        }
    }

    pub(crate) fn health(&self, leeway: Leeway, now: Timestamp) -> StatusHealth {
        let lists = self.0.load();
        let unusable = lists.values().filter(|list| list.is_expired(leeway, now)).count();
        StatusHealth { ready: unusable == 0, lists: lists.len(), unusable, ..StatusHealth::EMPTY }
    }
}
