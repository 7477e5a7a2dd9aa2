//! A list as it is published.

use std::io::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::known::within;
use crate::id::KeyId;
use crate::jwt::{SignError, SigningKey};
use crate::status::{PackedList, Spans, StatusListClaims};
use crate::time::Timestamp;

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

    pub(super) fn is_good(&self, uri: &str, kid: &KeyId, now: Timestamp) -> bool {
        self.uri == uri && self.kid == *kid && within(self.signed_at, Spans::RENEWAL, now)
    }
}
