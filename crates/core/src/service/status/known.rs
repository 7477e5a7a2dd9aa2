//! What one replica knows of revocations, list by list.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::StatusListError;
use super::signed::SignedList;
use crate::service::Snapshot;
use crate::status::{LIST_ENTRIES, ListId, PackedList, Spans, StatusList};
use crate::store::Revoked;
use crate::time::Timestamp;

/// How often all revocations are read, not the latest alone: in case some came late.
const WHOLE_EVERY: Duration = Duration::from_secs(300);
/// How far the latest reach back behind the last reading: the clocks of two replicas, and an end
/// that took its time to be stored.
const OVERLAP: Duration = Duration::from_secs(2 * Spans::SKEW.as_secs());

/// Whether less than `span` has passed since `start`. Requests on several threads come with instants
/// that are a little out of order; a clock that was put back is another matter.
pub(super) fn within(start: Timestamp, span: Duration, now: Timestamp) -> bool {
    start.minus(Spans::FRESH) < now && now < start.plus(span)
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// From when on.
    pub(super) since: Timestamp,
    /// Whether that is all there is to know.
    whole: bool,
    /// From when on a revocation shows.
    shown_since: Timestamp,
    /// When it is asked.
    pub(super) asked: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// Which question the latest answer was to.
    pub(super) number: u64,
    /// When it was asked.
    asked: Option<Timestamp>,
    /// When all revocations were last read.
    whole: Option<Timestamp>,
    lists: BTreeMap<ListId, List>,
}

/// One list.
#[derive(Debug, Default)]
struct List {
    /// The entries that are revoked, and since when.
    revoked: BTreeMap<u32, Timestamp>,
    /// The entries packed; none since they changed.
    packed: Option<Arc<PackedList>>,
    /// The last token; for other entries or none, if it isn't packed.
    signed: Option<Arc<SignedList>>,
}

impl Known {
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| within(asked, Spans::FRESH, now))
    }

    /// What has to be read.
    pub(super) fn to_read(&self, spans: Spans, now: Timestamp) -> Span {
        let shown_since = spans.shown_since(now);
        let recently = self.whole.is_some_and(|whole| within(whole, WHOLE_EVERY, now));
        let latest = self.asked.filter(|_| recently).map(|asked| asked.minus(OVERLAP));
        let since = latest.map_or(shown_since, |latest| latest.max(shown_since));
        Span { since, whole: since == shown_since, shown_since, asked: now }
    }

    /// Takes in what was read.
    pub(super) fn learn(&mut self, found: &[Revoked], span: Span, number: u64) {
        let Span { whole, shown_since, asked, .. } = span;
        let mut read: BTreeMap<ListId, BTreeMap<u32, Timestamp>> = BTreeMap::new();
        for Revoked { index, at } in found.iter().filter(|it| it.at >= shown_since) {
            read.entry(index.list()).or_default().insert(index.entry(), *at);
        }
        for id in read.keys() {
            self.lists.entry(*id).or_default();
        }
        for (id, list) in &mut self.lists {
            list.learn(read.remove(id).unwrap_or_default(), whole, shown_since);
        }
        self.number = number;
        self.asked = Some(asked);
        if whole {
            self.whole = Some(asked);
        }
    }

    pub(super) fn signed(
        &mut self,
        id: ListId,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Arc<SignedList>, StatusListError> {
        // A request that waited came earlier than what it gets.
        let now = self.asked.map_or(now, |asked| asked.max(now));
        let key = snapshot.ring().signing_for_others(now).ok_or(StatusListError::SharedSecret)?;
        let uri = id.uri(snapshot.policy().issuer());
        let list = self.lists.entry(id).or_default();
        let packed = match (&list.packed, &list.signed) {
            (Some(_), Some(signed)) if signed.is_good(&uri, key.kid(), now) => {
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
    /// Takes in what was read of it: all of it, or what is new.
    fn learn(&mut self, news: BTreeMap<u32, Timestamp>, whole: bool, shown_since: Timestamp) {
        let changed = if whole {
            let before = std::mem::replace(&mut self.revoked, news);
            !before.keys().eq(self.revoked.keys())
        } else {
            let known = self.revoked.len();
            self.revoked.extend(news);
            let grown = self.revoked.len();
            self.revoked.retain(|_, at| *at >= shown_since);
            grown != known || self.revoked.len() != grown
        };
        if changed {
            self.packed = None;
        }
    }

    fn pack(&self) -> Arc<PackedList> {
        /// Most lists that anybody may ask for.
        static NOTHING: LazyLock<Arc<PackedList>> =
            LazyLock::new(|| Arc::new(StatusList::new(LIST_ENTRIES, []).packed()));
        if self.revoked.is_empty() {
            return Arc::clone(&NOTHING);
        }
        Arc::new(StatusList::new(LIST_ENTRIES, self.revoked.keys().copied()).packed())
    }
}
