//! The request limits: logins and sign-ups per address, refreshes per session. Each has its own
//! budget, so that none can starve another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use aquaware_core::account::Login;
use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::policy::Rotation;

use crate::failures::Key;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::request_limit::{RequestLimit, address_key};

/// The request limits, shared by all workers.
#[derive(Debug)]
pub(crate) struct Limiter {
    log_in: RequestLimit<IpAddr>,
    sign_up: RequestLimit<IpAddr>,
    refresh: RequestLimit<SessionId>,
    messages: RequestLimit<Key>,
    message_requests: RequestLimit<IpAddr>,
    /// The last counted generation; `None` for a session whose tokens were refused.
    counted: Mutex<HashMap<SessionId, Option<Generation>>>,
}

/// The number of sessions for which the last counted generation is remembered.
const MAX_COUNTED: usize = 100_000;

impl Limiter {
    /// Applies `limits`.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            log_in: RequestLimit::new(limits.login_per_address),
            sign_up: RequestLimit::new(limits.signup_per_address),
            refresh: RequestLimit::new(limits.refresh_per_session),
            messages: RequestLimit::new(limits.messages_per_account),
            message_requests: RequestLimit::new(limits.login_per_address),
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

    /// Counts a message to `mailbox`, or one that its owner requests. Returns whether it may be sent.
    pub(crate) fn message(&self, mailbox: &Login) -> bool {
        self.messages.check(mailbox.into()).is_ok()
    }

    /// Counts a request for a message by a caller who is not authenticated. Returns whether it may be
    /// sent.
    pub(crate) fn message_request(&self, address: IpAddr) -> bool {
        self.message_requests.check(address_key(address)).is_ok()
    }

    /// Counts a refresh. If tokens rotate, each generation counts once: concurrent tabs of a browser
    /// and retries are one refresh.
    ///
    /// # Errors
    /// The 429; the token remains valid.
    pub(crate) fn refresh(
        &self,
        claims: &RefreshClaims,
        rotation: Rotation,
    ) -> Result<(), Problem> {
        if rotation == Rotation::Always && self.is_counted(claims) {
            return Ok(());
        }
        self.refresh.check(claims.sid)?;
        self.remember(claims);
        Ok(())
    }

    fn is_counted(&self, claims: &RefreshClaims) -> bool {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.get(&claims.sid) == Some(&Some(claims.generation))
    }

    fn remember(&self, claims: &RefreshClaims) {
        let generation = Some(claims.generation);
        // The tokens of a session that was refused go on being counted one by one.
        self.record(claims.sid, |counted| *counted = counted.and(generation), generation);
    }

    fn record(
        &self,
        session: SessionId,
        change: impl FnOnce(&mut Option<Generation>),
        new: Option<Generation>,
    ) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        // A forgotten generation counts once more, which is harmless.
        if counted.len() >= MAX_COUNTED {
            counted.clear();
        }
        counted.entry(session).and_modify(change).or_insert(new);
    }

    /// From now on, every request with a token of this session counts: it has ended, so none of them is
    /// an honest retry.
    pub(crate) fn refused(&self, session: SessionId) {
        self.record(session, |counted| *counted = None, None);
    }
}
