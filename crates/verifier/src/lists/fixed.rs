//! Status lists that were given and are never fetched.

use std::collections::HashMap;
use std::sync::Arc;

use aquaware_token::status::StatusReference;
use aquaware_token::time::{Leeway, Timestamp};
use arc_swap::ArcSwap;

use super::list::List;
use crate::health::{Stale, StatusHealth};
use crate::rejection::Rejection;

/// Lists by their addresses. They are as they were given, so only their own `exp` ages them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FixedLists(Arc<ArcSwap<HashMap<String, List>>>);

impl FixedLists {
    /// Adds the list of `uri`, or replaces it.
    pub(crate) fn put(&self, uri: &str, list: List) {
        self.0.rcu(|lists| {
            let mut lists = HashMap::clone(lists);
            lists.insert(uri.to_owned(), list.clone());
            lists
        });
    }

    /// What is said of a token that names this entry.
    pub(crate) fn judge(
        &self,
        reference: &StatusReference,
        on_stale: Stale,
        leeway: Leeway,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let lists = self.0.load();
        let missing = match lists.get(&reference.uri) {
            Some(list) if !list.is_expired(leeway, now) => return list.judge(reference.idx),
            Some(_) => Rejection::StaleStatus,
            None => Rejection::UnknownStatus,
        };
        match on_stale {
            Stale::Refuse => Err(missing),
            Stale::GoOn => Ok(()),
        }
    }

    pub(crate) fn health(&self, leeway: Leeway, now: Timestamp) -> StatusHealth {
        let lists = self.0.load();
        let unusable = lists.values().filter(|list| list.is_expired(leeway, now)).count();
        StatusHealth { ready: unusable == 0, lists: lists.len(), unusable, ..StatusHealth::none() }
    }
}
