//! The session of a token, looked up in the store. The lookup changes nothing.

use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::jwt::Verified;
use aquaware_core::random::SystemRandom;
use aquaware_core::retry::Mark;
use aquaware_core::service::Snapshot;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::succession::{Attempt, Proof, Verdict, judge};
use aquaware_core::time::Timestamp;

use super::checks::{Check, VerifiedToken};
use crate::cli::context::{failed, memory_store, with_stores};
use crate::cli::error::CommandError;
use crate::cli::span::relative;
use crate::config::{Config, StoreUrl};

/// The session of a token.
#[derive(Clone, Debug)]
pub(super) struct SessionState {
    pub(super) id: SessionId,
    /// The record; `None` if the store has none.
    pub(super) record: Option<Session>,
    /// The generation of the refresh token.
    pub(super) presented: Option<Generation>,
}

impl SessionState {
    /// The refresh token compared with the live one.
    pub(super) fn token_state(&self) -> Option<&'static str> {
        let (record, presented) = (self.record.as_ref()?, self.presented?);
        Some(match presented.cmp(&record.generation) {
            std::cmp::Ordering::Equal => "live",
            std::cmp::Ordering::Less => "superseded",
            std::cmp::Ordering::Greater => "ahead",
        })
    }

    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        match &self.record {
            None => "unknown",
            Some(record) if record.ended.is_some() => "ended",
            Some(record) if record.is_live(now) => "live",
            Some(_) => "expired",
        }
    }
}

/// The outcome of a lookup.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    /// The session, if it was looked up.
    pub(super) session: Option<SessionState>,
    /// Why it was not looked up.
    pub(super) note: Option<String>,
}

/// Looks the session of a token up.
pub(super) fn look_up(
    config: &Config,
    snapshot: &Snapshot,
    token: VerifiedToken,
    now: Timestamp,
) -> Found {
    let (id, subject) = match &token {
        VerifiedToken::Access(claims) => (claims.sid, &claims.sub),
        VerifiedToken::Refresh(claims) => (Some(claims.sid), &claims.sub),
    };
    let Some(id) = id else {
        let note = "the token belongs to a client, not to a session".to_owned();
        return Found { note: Some(note), ..Found::default() };
    };
    let record = match find(config, &id) {
        Ok(record) => record,
        Err(why) => {
            let unchecked = Check { rule: "session", passed: None, detail: format!("{id}: {why}") };
            let note = format!("the session was not looked up: {why}");
            return Found { checks: vec![unchecked], session: None, note: Some(note) };
        }
    };
    let presented = match &token {
        VerifiedToken::Access(_) => None,
        VerifiedToken::Refresh(claims) => Some(claims.generation),
    };
    let session = SessionState { id, record, presented };
    let mut checks = vec![session_check(&session, subject, now)];
    if let (VerifiedToken::Refresh(claims), Some(record)) = (&token, &session.record) {
        checks.push(generation_check(snapshot, claims, record, now));
    }
    Found { checks, session: Some(session), note: None }
}

fn find(config: &Config, id: &SessionId) -> Result<Option<Session>, String> {
    if let Some(setting) = memory_store(config) {
        return Err(format!("{setting} is \"memory:\", which only the server can access"));
    }
    for url in [&config.store.sessions, &config.store.accounts] {
        // A lookup must not create a store.
        if let StoreUrl::Sqlite(path) = url
            && !path.exists()
        {
            return Err(format!("the store {} does not exist yet", path.display()));
        }
    }
    with_stores(config, async |stores, _| stores.session_store.find(id).await.map_err(failed))
        .map_err(|error: CommandError| error.to_string())
}

fn session_check(session: &SessionState, subject: &Subject, now: Timestamp) -> Check {
    let id = session.id;
    let (passed, detail) = match &session.record {
        None => (false, format!("the store has no session {id}")),
        Some(record) if record.subject != *subject => {
            (false, format!("{id} belongs to another account"))
        }
        Some(record) => match record.ended {
            Some(ended) => {
                let (when, why) = (relative(ended.at, now), describe(ended.reason));
                (false, format!("{id} ended {when}: {why}"))
            }
            None if record.is_live(now) => {
                (true, format!("{id}, live, opened {}", relative(record.created_at, now)))
            }
            None => (false, format!("{id} expired {}", relative(record.refresh_expiry(), now))),
        },
    };
    Check { rule: "session", passed: Some(passed), detail }
}

const fn describe(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Logout => "the user logged out",
        EndReason::LogoutAll => "the user logged out everywhere",
        EndReason::Revoked => "it was revoked",
        EndReason::Reuse => "a superseded refresh token was used again, so it was probably stolen",
        EndReason::PasswordChanged => "the account's password changed",
        EndReason::AccountDisabled => "the account was disabled",
        EndReason::AccountDeleted => "the account was deleted",
        EndReason::Limit => "a later login exceeded the number of sessions of the account",
    }
}

/// The outcome of a refresh with this token and without `Idempotency-Key`.
fn generation_check(
    snapshot: &Snapshot,
    claims: &Verified<RefreshClaims>,
    session: &Session,
    now: Timestamp,
) -> Check {
    let check = |passed, detail| Check { rule: "generation", passed, detail };
    let Some(profile) = snapshot.policy().client(&claims.client_id) else {
        let detail = format!("the configuration has no client {}", claims.client_id);
        return check(Some(false), detail);
    };
    let mark = Mark::of(None, &claims.sid, &SystemRandom);
    let authenticates = profile.is_confidential();
    let proof = if authenticates { Proof::ClientAuthentication } else { Proof::None };
    let presented = claims.into();
    let verdict = judge(session, &Attempt { presented, mark, proof, origin: None, profile, now });
    let (own, live) = (claims.generation.number(), session.generation.number());
    let (passed, detail) = match verdict {
        Verdict::Advance(step) if step.from == claims.generation => {
            (Some(true), "the live generation".to_owned())
        }
        Verdict::Advance(_) => (
            Some(true),
            format!("ahead of the store, which is at {live} and lost writes; a refresh repairs it"),
        ),
        Verdict::Keep(_) => {
            (Some(true), "the live generation, which never changes for this client".to_owned())
        }
        Verdict::Repeat if authenticates => (
            Some(true),
            format!("superseded by {live}, but a refresh by its client repeats the response"),
        ),
        Verdict::Repeat => (
            Some(true),
            format!(
                "superseded by {live}, but within the retry window: a refresh repeats the response"
            ),
        ),
        Verdict::Reuse => (
            Some(false),
            format!(
                "superseded by {live}: a refresh would end the session because the token may be stolen, \
                 unless it repeats the Idempotency-Key of the first use"
            ),
        ),
        Verdict::Expired | Verdict::Ended(_) => (None, format!("the session is at {live}")),
    };
    check(passed, format!("{own}, {detail}"))
}
