//! The server's request limits: logins and sign-ups by address, refreshes by session. Login and
//! refresh have budgets of their own, so neither can starve the other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::jwt::Verified;
use aquaware_core::policy::Rotation;

use super::limits::Limits;
use super::problem::Problem;
use super::request_limit::{RequestLimit, address_key};

/// The limits of `[limits]`; `None` is unlimited. Shared between workers.
#[derive(Debug)]
pub(crate) struct Limiter {
    log_in: RequestLimit<IpAddr>,
    sign_up: RequestLimit<IpAddr>,
    refresh: RequestLimit<SessionId>,
    counted: Mutex<HashMap<SessionId, Generation>>,
}

/// How many sessions' last counted generations are kept in mind.
const MOST_COUNTED: usize = 100_000;

impl Limiter {
    /// These limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            log_in: RequestLimit::new(limits.login_per_address),
            sign_up: RequestLimit::new(limits.signup_per_address),
            refresh: RequestLimit::new(limits.refresh_per_session),
            counted: Mutex::default(),
        }
    }

    /// Counts a login from `address`.
    ///
    /// # Errors
    /// The 429.
    pub(crate) fn log_in(&self, address: IpAddr) -> Result<(), Problem> {
        self.log_in.check(address_key(address))
    }

    /// Counts a sign-up from `address`.
    ///
    /// # Errors
    /// The 429.
    pub(crate) fn sign_up(&self, address: IpAddr) -> Result<(), Problem> {
        self.sign_up.check(address_key(address))
    }

    /// Counts a refresh. Where tokens are replaced, each generation counts once: the tabs of a
    /// browser that refresh at one moment, or a client's retries, are one refresh.
    ///
    /// # Errors
    /// The 429; the token is not used up.
    pub(crate) fn refresh(
        &self,
        claims: &Verified<RefreshClaims>,
        rotation: Rotation,
    ) -> Result<(), Problem> {
        if rotation == Rotation::Always && self.is_counted(claims) {
            return Ok(());
        }
        self.refresh.check(claims.sid)?;
        self.note(claims);
        Ok(())
    }

    fn is_counted(&self, claims: &Verified<RefreshClaims>) -> bool {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.get(&claims.sid) == Some(&claims.generation)
    }

    fn note(&self, claims: &Verified<RefreshClaims>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        // What is forgotten counts once more, which harms nobody.
        if counted.len() >= MOST_COUNTED {
            counted.clear();
        }
        counted.insert(claims.sid, claims.generation);
    }
}
