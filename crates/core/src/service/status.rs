//! The issuer's status lists: what the store knows of revocations, as signed lists.
//!
//! The store is asked when a list is, and no more than twice a second; a list is packed when
//! something in it changed, and signed when that, the key or its age asks for it. A replica that
//! nobody asks does nothing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::lock::Mutex;
use thiserror::Error;

use super::authority::Authority;
use super::sessions::Sessions;
use crate::id::KeyId;
use crate::jwt::{SignError, TokenType};
use crate::status::{LIST_ENTRIES, ListId, PackedList, Spans, StatusList, StatusListClaims};
use crate::store::{Revoked, StoreError};
use crate::time::Timestamp;

/// How often all revocations are read, not the latest alone: in case some came late.
const WHOLE_EVERY: Duration = Duration::from_secs(300);
/// How far the latest reach back behind the last reading: the clocks of two replicas, and an end
/// that took its time to be stored.
const OVERLAP: Duration = Duration::from_secs(2 * Spans::SKEW.as_secs());

/// Why there is no list.
#[derive(Debug, Error)]
pub enum StatusListError {
    /// Access tokens have a shared secret, so nobody else could check a list.
    #[error("no status list can be signed for others with a shared secret")]
    SharedSecret,
    /// The revocations are not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys can't sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A list as it is published.
#[derive(Debug)]
pub struct SignedList {
    token: String,
    tag: String,
    gzipped: OnceLock<Vec<u8>>,
    signed_at: Timestamp,
    kid: KeyId,
    uri: String,
}

impl SignedList {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What tells it from any other: the same for the same token.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The token under HTTP's content coding `gzip`: a quarter shorter, as base64 is longer than
    /// what is in it. Made once.
    #[must_use]
    pub fn gzipped(&self) -> &[u8] {
        self.gzipped.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            // Writing into memory doesn't fail.
            let written = encoder.write_all(self.token.as_bytes()).and_then(|()| encoder.finish());
            written.unwrap_or_default()
        })
    }

    fn is_good(&self, uri: &str, kid: &KeyId, now: Timestamp) -> bool {
        self.uri == uri && self.kid == *kid && within(self.signed_at, Spans::RENEWAL, now)
    }
}

/// Whether less than `span` has passed since `start`. Requests on several threads come with instants
/// that are a little out of order; a clock that was put back is another matter.
fn within(start: Timestamp, span: Duration, now: Timestamp) -> bool {
    start.minus(Spans::FRESH) < now && now < start.plus(span)
}

/// The status lists of an issuer, as one replica publishes them.
#[derive(Debug)]
pub struct StatusLists {
    sessions: Arc<Sessions>,
    /// Locked while the store is asked, so that it is asked once for all who wait.
    known: Mutex<Known>,
    /// How often the store had no answer.
    failures: AtomicU64,
}

impl StatusLists {
    /// The lists of these sessions.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, known: Mutex::default(), failures: AtomicU64::new(0) }
    }

    /// The lists that others should know: those in use, and the one that comes next.
    pub fn ids(&self) -> impl Iterator<Item = ListId> {
        self.sessions.space.lists()
    }

    /// The list `id`, in which every revocation shows that was acknowledged
    /// [`Spans::FRESH`] ago or earlier, by whichever replica.
    ///
    /// # Errors
    /// [`StatusListError`]. An old list never stands in for one that can't be had.
    pub async fn list(
        &self,
        id: ListId,
        now: Timestamp,
    ) -> Result<Arc<SignedList>, StatusListError> {
        let authority = self.sessions.authority();
        let failures = self.failures.load(Ordering::Acquire);
        let mut known = self.known.lock().await;
        if !known.is_fresh(now) {
            if self.failures.load(Ordering::Acquire) != failures {
                // It failed for somebody while this one waited: all who wait would take turns.
                return Err(StoreError::Unreachable("it was just asked in vain".into()).into());
            }
            let spans = Spans::of(authority.policy());
            match self.sessions.store.revoked(known.since(spans, now)).await {
                Ok(found) => known.learn(&found, spans, now),
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::AcqRel);
                    return Err(error.into());
                }
            }
        }
        known.signed(id, &authority, now)
    }
}

/// What is known of revocations.
#[derive(Debug, Default)]
struct Known {
    /// When the store was last asked.
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
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| within(asked, Spans::FRESH, now))
    }

    /// From when on revocations have to be read.
    fn since(&self, spans: Spans, now: Timestamp) -> Timestamp {
        let recently = self.whole.is_some_and(|whole| within(whole, WHOLE_EVERY, now));
        match self.asked {
            Some(asked) if recently => asked.minus(OVERLAP).max(spans.shown_since(now)),
            _ => spans.shown_since(now),
        }
    }

    /// Takes in what was read, which is all there is if it was read from where it shows.
    fn learn(&mut self, found: &[Revoked], spans: Spans, now: Timestamp) {
        let shown_since = spans.shown_since(now);
        let whole = self.since(spans, now) == shown_since;
        let mut read: BTreeMap<ListId, BTreeMap<u32, Timestamp>> = BTreeMap::new();
        for Revoked { index, at } in found.iter().filter(|it| it.at >= shown_since) {
            read.entry(index.list()).or_default().insert(index.entry(), *at);
        }
        for id in read.keys() {
            self.lists.entry(*id).or_default();
        }
        for (id, list) in &mut self.lists {
            let news = read.remove(id).unwrap_or_default();
            list.learn(news, whole, shown_since);
        }
        self.asked = Some(now);
        if whole {
            self.whole = Some(now);
        }
    }

    fn signed(
        &mut self,
        id: ListId,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Arc<SignedList>, StatusListError> {
        let key = authority.ring().signing(TokenType::Access, now).ok_or(SignError)?;
        if key.algorithm().is_symmetric() {
            return Err(StatusListError::SharedSecret);
        }
        let uri = id.uri(authority.policy().issuer());
        let list = self.lists.entry(id).or_default();
        let packed = match (&list.packed, &list.signed) {
            (Some(_), Some(signed)) if signed.is_good(&uri, key.kid(), now) => {
                return Ok(Arc::clone(signed));
            }
            (Some(packed), _) => Arc::clone(packed),
            (None, _) => list.pack(),
        };
        let claims = StatusListClaims {
            sub: uri.clone(),
            iat: now.floor(),
            exp: Some(now.floor().plus(Spans::LIFETIME)),
            ttl: Some(Spans::TTL),
            status_list: &*packed,
        };
        let token = key.sign_status_list(&claims)?;
        let signed = Arc::new(SignedList {
            tag: URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())),
            token,
            gzipped: OnceLock::new(),
            signed_at: now,
            kid: key.kid().clone(),
            uri,
        });
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
