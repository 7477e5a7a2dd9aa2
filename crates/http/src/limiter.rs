//! The request limits: logins and sign-ups per address, refreshes per session. Each has its own
//! budget, so that none can starve another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aquaware_core::account::Login;
use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::limits::LimitName;
use aquaware_core::policy::Rotation;
use aquaware_core::service::RequestContext;
use aquaware_core::store::Counters;
use aquaware_core::time::Timestamp;

use crate::limits::Limits;
use crate::problem::Problem;
use crate::request_limit::RequestLimit;

/// The request limits, shared by all workers.
#[derive(Debug)]
pub(crate) struct Limiter {
    log_in: RequestLimit,
    sign_up: RequestLimit,
    refresh: RequestLimit,
    messages: RequestLimit,
    message_requests: RequestLimit,
    /// The last counted generation; `None` for a session whose tokens were refused.
    counted: Mutex<HashMap<SessionId, Option<Generation>>>,
}

/// The number of sessions for which the last counted generation is remembered.
const MAX_COUNTED: usize = 100_000;

impl Limiter {
    /// Applies `limits`. Replicas count in `shared` together, except refreshes, which must not cost
    /// another round trip.
    pub(crate) fn new(limits: &Limits, shared: Option<&Arc<dyn Counters>>) -> Self {
        let limit = |name, rate| RequestLimit::new(name, rate, shared.cloned());
        Self {
            log_in: limit(LimitName::LogIn, limits.login_per_address),
            sign_up: limit(LimitName::SignUp, limits.signup_per_address),
            refresh: RequestLimit::new(LimitName::Refresh, limits.refresh_per_session, None),
            messages: limit(LimitName::Message, limits.messages_per_account),
            message_requests: limit(LimitName::MessageRequest, limits.login_per_address),
            counted: Mutex::default(),
        }
    }

    /// Counts a login from `address`.
    ///
    /// # Errors
    /// The 429.
    pub(crate) async fn log_in(
        &self,
        context: &RequestContext,
        address: IpAddr,
    ) -> Result<(), Problem> {
        self.log_in.check_address(context, address).await
    }

    /// Counts a sign-up from `address`.
    ///
    /// # Errors
    /// The 429.
    pub(crate) async fn sign_up(
        &self,
        context: &RequestContext,
        address: IpAddr,
    ) -> Result<(), Problem> {
        self.sign_up.check_address(context, address).await
    }

    /// Counts a message to `mailbox`, or one that its owner requests. Returns whether it may be sent.
    pub(crate) async fn message(&self, context: &RequestContext, mailbox: &Login) -> bool {
        self.messages.check_text(context, mailbox.as_str()).await.is_ok()
    }

    /// Counts a request for a message by a caller who is not authenticated. Returns whether it may be
    /// sent.
    pub(crate) async fn message_request(&self, context: &RequestContext, address: IpAddr) -> bool {
        self.message_requests.check_address(context, address).await.is_ok()
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
        now: Timestamp,
    ) -> Result<(), Problem> {
        if rotation == Rotation::Always && self.is_counted(claims) {
            return Ok(());
        }
        self.refresh.check_locally(*claims.sid.as_bytes(), now)?;
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
