//! A signed list in the form in which it is published.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use thiserror::Error;

use crate::id::KeyId;
use crate::jwt::{SignError, SigningKey};
use crate::status::{PackedList, Spans, StatusListClaims};
use crate::store::StoreError;
use crate::time::Timestamp;

/// Why a status list cannot be returned.
#[derive(Clone, Debug, Error)]
pub enum StatusListError {
    /// The issuer has only shared secrets to sign with, so nothing else could verify a list.
    #[error("a status list cannot be signed with a shared secret")]
    SharedSecret,
    /// The revocations could not be read. All requests that waited for the read share its error.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The keys cannot sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Whether less than `span` has passed since `start`. The instants of concurrent requests can be
/// slightly out of order; a clock that has been set back further does not count.
pub(super) fn within(start: Timestamp, span: Duration, now: Timestamp) -> bool {
    start.minus(Spans::FRESH) < now && now < start.plus(span)
}

/// A signed list in the form in which it is published.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedList {
    token: String,
    tag: String,
    gzipped: OnceLock<Vec<u8>>,
    signed_at: Timestamp,
    kid: KeyId,
    uri: String,
}

impl SignedList {
    pub(super) fn new(
        packed: &PackedList,
        uri: String,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Self, SignError> {
        let claims = StatusListClaims {
            sub: uri.clone(),
            iat: now.floor(),
            exp: Some(now.floor().plus(Spans::LIFETIME)),
            ttl: Some(Spans::TTL),
            status_list: packed,
        };
        let token = key.sign_status_list(&claims)?;
        Ok(Self {
            tag: URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())),
            token,
            gzipped: OnceLock::new(),
            signed_at: now,
            kid: key.kid().clone(),
            uri,
        })
    }

    /// The status list token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// An entity tag: equal for equal tokens, different for different ones.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The token in HTTP's content coding `gzip`, which is a quarter shorter because base64 expands
    /// its content. Compressed once, on the first call.
    #[must_use]
    pub fn gzipped(&self) -> &[u8] {
        self.gzipped.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            // Writing to a `Vec` never fails.
            let written = encoder.write_all(self.token.as_bytes()).and_then(|()| encoder.finish());
            written.unwrap_or_default()
        })
    }

    pub(super) fn is_current(&self, uri: &str, kid: &KeyId, now: Timestamp) -> bool {
        self.uri == uri && self.kid == *kid && within(self.signed_at, Spans::RENEWAL, now)
    }
}
