//! One status list in hand: what it says, and for how long it may say it.

use std::cell::RefCell;
use std::time::Duration;

use aquaware_token::jwt::{Algorithm, KeySet, StatusListCheck, TokenError};
use aquaware_token::status::{Status, StatusList, StatusListClaims};
use aquaware_token::time::{Leeway, Timestamp, expired};

use crate::origin::key_named;
use crate::rejection::Rejection;

/// A list whose token was checked.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) entries: StatusList,
    /// When it was signed, or a newer one that it stands beside; never after it was fetched.
    pub(crate) iat: Timestamp,
    pub(crate) exp: Option<Timestamp>,
    pub(crate) ttl: Option<Duration>,
    /// The name of the key that signed it.
    pub(crate) kid: String,
}

/// What makes a list's token good: as of an access token's, the keys and their algorithms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) keys: &'a KeySet,
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) leeway: Leeway,
}

impl List {
    /// Checks and unpacks the list of `uri`.
    pub(crate) fn read(
        token: &str,
        uri: &str,
        check: Check<'_>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        let signed_by = RefCell::default();
        let find = |kid: &str| {
            kid.clone_into(&mut signed_by.borrow_mut());
            key_named(check.keys, check.algorithms, kid)
        };
        let claims = StatusListCheck { uri, leeway: check.leeway }.check(token, find, now)?;
        let StatusListClaims { sub: _, iat, exp, ttl, status_list } = claims.into_inner();
        Ok(Self { entries: status_list, iat, exp, ttl, kid: signed_by.into_inner() })
    }

    /// Whether its issuer allows no use of it any more, whatever the service would like.
    pub(crate) fn is_expired(&self, leeway: Leeway, now: Timestamp) -> bool {
        self.exp.is_some_and(|exp| expired(exp, leeway, now))
    }

    /// What it says of a token. A value that only its issuer knows the meaning of is no "valid".
    pub(crate) fn judge(&self, idx: u64) -> Result<(), Rejection> {
        match self.entries.status(idx) {
            Some(Status::Valid) => Ok(()),
            Some(Status::Invalid | Status::Suspended | Status::Other(_)) => Err(Rejection::Revoked),
            None => Err(Rejection::NotListed),
        }
    }
}
