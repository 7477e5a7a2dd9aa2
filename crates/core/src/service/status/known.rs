//! The revocations that one replica knows, list by list.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::signed::{SignedList, StatusListError, within};
use crate::service::Snapshot;
use crate::status::{LIST_ENTRIES, ListId, PackedList, Spans, StatusList};
use crate::store::Revoked;
use crate::time::Timestamp;

/// How often all revocations are read instead of only recent ones, in case some were stored late.
const FULL_READ_EVERY: Duration = Duration::from_secs(300);
/// How far a partial read reaches back before the previous read. It covers clock differences between
/// replicas and the time that a store takes to commit.
const OVERLAP: Duration = Duration::from_secs(2 * Spans::SKEW.as_secs());

/// The extent of one read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadSpan {
    /// Revocations at or after this instant are read.
    pub(super) since: Timestamp,
    /// Whether this covers every revocation that is shown.
    full: bool,
    /// Revocations at or after this instant are shown.
    shown_since: Timestamp,
    /// When the read started.
    pub(super) started: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The number of the latest completed read.
    pub(super) number: u64,
    /// When that read started.
    read_at: Option<Timestamp>,
    /// When the latest full read started.
    full_read_at: Option<Timestamp>,
    lists: BTreeMap<ListId, List>,
}

/// One list.
#[derive(Debug, Default)]
struct List {
    /// The revoked entries and when their sessions ended.
    revoked: BTreeMap<u32, Timestamp>,
    /// The packed entries; `None` since the entries changed.
    packed: Option<Arc<PackedList>>,
    /// The latest token. Outdated while `packed` is `None`.
    signed: Option<Arc<SignedList>>,
}

impl Known {
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at.is_some_and(|read_at| within(read_at, Spans::FRESH, now))
    }

    /// The extent of the next read.
    pub(super) fn to_read(&self, spans: Spans, now: Timestamp) -> ReadSpan {
        let shown_since = spans.shown_since(now);
        let is_recent = self.full_read_at.is_some_and(|at| within(at, FULL_READ_EVERY, now));
        let partial = self.read_at.filter(|_| is_recent).map(|read_at| read_at.minus(OVERLAP));
        let since = partial.map_or(shown_since, |since| since.max(shown_since));
        ReadSpan { since, full: since == shown_since, shown_since, started: now }
    }

    /// Merges the revocations that a read returned.
    pub(super) fn learn(&mut self, found: &[Revoked], span: ReadSpan, number: u64) {
        let ReadSpan { full, shown_since, started, .. } = span;
        let mut read: BTreeMap<ListId, BTreeMap<u32, Timestamp>> = BTreeMap::new();
        for Revoked { index, at } in found.iter().filter(|it| it.at >= shown_since) {
            read.entry(index.list()).or_default().insert(index.entry(), *at);
        }
        for id in read.keys() {
            self.lists.entry(*id).or_default();
        }
        for (id, list) in &mut self.lists {
            list.learn(read.remove(id).unwrap_or_default(), full, shown_since);
        }
        self.number = number;
        self.read_at = Some(started);
        if full {
            self.full_read_at = Some(started);
        }
    }

    pub(super) fn signed(
        &mut self,
        id: ListId,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Arc<SignedList>, StatusListError> {
        // A request that had to wait is older than the revocations it receives.
        let now = self.read_at.map_or(now, |read_at| read_at.max(now));
        let key = snapshot.ring().signing_for_others(now).ok_or(StatusListError::SharedSecret)?;
        let uri = id.uri(snapshot.policy().issuer());
        let list = self.lists.entry(id).or_default();
        let packed = match (&list.packed, &list.signed) {
            (Some(_), Some(signed)) if signed.is_current(&uri, key.kid(), now) => {
                return Ok(Arc::clone(signed));
            }
            (Some(packed), _) => Arc::clone(packed),
            (None, _) => list.pack(),
        };
        let signed = Arc::new(SignedList::new(&packed, uri, key, now)?);
        list.packed = Some(packed);
        list.signed = Some(Arc::clone(&signed));
        Ok(signed)
    }
}

impl List {
    /// Merges the entries that a read returned for this list: all of them, or only recent ones.
    fn learn(&mut self, read: BTreeMap<u32, Timestamp>, full: bool, shown_since: Timestamp) {
        let changed = if full {
            let before = std::mem::replace(&mut self.revoked, read);
            !before.keys().eq(self.revoked.keys())
        } else {
            let before = self.revoked.len();
            self.revoked.extend(read);
            let extended = self.revoked.len();
            self.revoked.retain(|_, at| *at >= shown_since);
            extended != before || self.revoked.len() != extended
        };
        if changed {
            self.packed = None;
        }
    }

    fn pack(&self) -> Arc<PackedList> {
        /// Shared by all lists without revocations, which is most of the lists anyone may request.
        static EMPTY: LazyLock<Arc<PackedList>> =
            LazyLock::new(|| Arc::new(StatusList::new(LIST_ENTRIES, []).packed()));
        if self.revoked.is_empty() {
            return Arc::clone(&EMPTY);
        }
        Arc::new(StatusList::new(LIST_ENTRIES, self.revoked.keys().copied()).packed())
    }
}
