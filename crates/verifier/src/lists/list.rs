//! One verified status list: its entries, and until when it may be used.

use std::cell::RefCell;
use std::time::Duration;

use aquaware_token::jwt::{Algorithm, KeySet, StatusListCheck, TokenError};
use aquaware_token::status::{Status, StatusList, StatusListClaims};
use aquaware_token::time::{Leeway, Timestamp, expired};

use crate::error::VerifyError;
use crate::key_source::find_key;

/// A status list with a verified signature and checked claims.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) entries: StatusList,
    /// When it was signed, or a later list with which it was compared; never after its fetch.
    pub(crate) iat: Timestamp,
    pub(crate) exp: Option<Timestamp>,
    pub(crate) ttl: Option<Duration>,
    /// The id of the key that signed it.
    pub(crate) kid: String,
}

/// How the token of a status list is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListCheck<'a> {
    pub(crate) keys: &'a KeySet,
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) leeway: Leeway,
}

impl List {
    /// Checks and decodes the status list at `uri`.
    pub(crate) fn read(
        token: &str,
        uri: &str,
        check: ListCheck<'_>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        let signed_by = RefCell::default();
        let find = |kid: &str| {
            kid.clone_into(&mut signed_by.borrow_mut());
            find_key(check.keys, check.algorithms, kid)
        };
        let claims = StatusListCheck { uri, leeway: check.leeway }.check(token, find, now)?;
        let StatusListClaims { sub: _, iat, exp, ttl, status_list } = claims.into_inner();
        Ok(Self { entries: status_list, iat, exp, ttl, kid: signed_by.into_inner() })
    }

    /// Whether its `exp` has passed. No policy of the service can extend it.
    pub(crate) fn is_expired(&self, leeway: Leeway, now: Timestamp) -> bool {
        self.exp.is_some_and(|exp| expired(exp, leeway, now))
    }

    /// Checks the entry of a token. Application-specific values are not "valid" either.
    pub(crate) fn check(&self, idx: u64) -> Result<(), VerifyError> {
        match self.entries.status(idx) {
            Some(Status::Valid) => Ok(()),
            Some(Status::Invalid | Status::Suspended | Status::Other(_)) => {
                Err(VerifyError::Revoked)
            }
            None => Err(VerifyError::NotListed),
        }
    }
}
