//! Where the session of a token stands, by looking into the store. Nothing is used up by that.

use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::jwt::Verified;
use aquaware_core::random::SystemRandom;
use aquaware_core::retry::Mark;
use aquaware_core::service::Snapshot;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::succession::{Attempt, Verdict, judge};
use aquaware_core::time::Timestamp;

use super::checks::{Check, Proven};
use crate::cli::CommandError;
use crate::cli::dialogue::{failed, memory_store, with_stores};
use crate::cli::span::relative;
use crate::config::{Config, StoreUrl};

/// A session, seen from one of its tokens.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which.
    pub(super) id: SessionId,
    /// The record; none if the store doesn't know it.
    pub(super) record: Option<Session>,
    /// The generation that a refresh token names.
    pub(super) presented: Option<Generation>,
}

impl Place {
    /// How a refresh token stands to the live one.
    pub(super) fn standing(&self) -> Option<&'static str> {
        let (record, presented) = (self.record.as_ref()?, self.presented?);
        Some(match presented.cmp(&record.generation) {
            std::cmp::Ordering::Equal => "live",
            std::cmp::Ordering::Less => "superseded",
            std::cmp::Ordering::Greater => "ahead",
        })
    }

    /// The state of the session in one word.
    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        match &self.record {
            None => "unknown",
            Some(record) if record.ended.is_some() => "ended",
            Some(record) if record.is_live(now) => "live",
            Some(_) => "expired",
        }
    }
}

/// What the store adds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The rules that need it.
    pub(super) checks: Vec<Check>,
    /// The session, where it was looked for.
    pub(super) session: Option<Place>,
    /// Why it wasn't.
    pub(super) note: Option<String>,
}

/// Looks the session of a token up.
pub(super) fn look_up(
    config: &Config,
    snapshot: &Snapshot,
    token: Proven,
    now: Timestamp,
) -> Found {
    let (id, subject) = match &token {
        Proven::Access(claims) => (claims.sid, &claims.sub),
        Proven::Refresh(claims) => (Some(claims.sid), &claims.sub),
    };
    let Some(id) = id else {
        let note = "it belongs to a client by itself and has no session".to_owned();
        return Found { note: Some(note), ..Found::default() };
    };
    let record = match find(config, &id) {
        Ok(record) => record,
        Err(why) => {
            let unasked = Check { rule: "session", good: None, detail: format!("{id}: {why}") };
            let note = format!("the session was not looked up: {why}");
            return Found { checks: vec![unasked], session: None, note: Some(note) };
        }
    };
    let presented = match &token {
        Proven::Access(_) => None,
        Proven::Refresh(claims) => Some(claims.generation),
    };
    let place = Place { id, record, presented };
    let mut checks = vec![session_check(&place, subject, now)];
    if let (Proven::Refresh(claims), Some(record)) = (&token, &place.record) {
        checks.push(generation_check(snapshot, claims, record, now));
    }
    Found { checks, session: Some(place), note: None }
}

fn find(config: &Config, id: &SessionId) -> Result<Option<Session>, String> {
    if let Some(setting) = memory_store(config) {
        return Err(format!("{setting} is \"memory:\", which can't be reached from outside"));
    }
    for url in [&config.store.sessions, &config.store.accounts] {
        // Looking makes no store.
        if let StoreUrl::Sqlite(path) = url
            && !path.exists()
        {
            return Err(format!("there is no store {} yet", path.display()));
        }
    }
    with_stores(config, async |stores, _| stores.session_store.find(id).await.map_err(failed))
        .map_err(|error: CommandError| error.to_string())
}

fn session_check(place: &Place, subject: &Subject, now: Timestamp) -> Check {
    let id = place.id;
    let (good, detail) = match &place.record {
        None => (false, format!("the store doesn't know {id}")),
        Some(record) if record.subject != *subject => (false, format!("{id} is another account's")),
        Some(record) => match record.ended {
            Some(ended) => {
                let (when, why) = (relative(ended.at, now), told(ended.reason));
                (false, format!("{id} ended {when}: {why}"))
            }
            None if record.is_live(now) => {
                (true, format!("{id}, live, opened {}", relative(record.created_at, now)))
            }
            None => (false, format!("{id} expired {}", relative(record.refresh_expiry(), now))),
        },
    };
    Check { rule: "session", good: Some(good), detail }
}

const fn told(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Logout => "its user logged out",
        EndReason::LogoutAll => "its user logged out everywhere",
        EndReason::Revoked => "it was revoked",
        EndReason::Reuse => "a superseded refresh token of it came back, so somebody else has one",
        EndReason::PasswordChanged => "the account's password changed",
        EndReason::AccountDisabled => "the account was disabled",
        EndReason::AccountDeleted => "the account was deleted",
    }
}

/// What a refresh with this token and no `Idempotency-Key` would come to.
fn generation_check(
    snapshot: &Snapshot,
    claims: &Verified<RefreshClaims>,
    session: &Session,
    now: Timestamp,
) -> Check {
    let check = |good, detail| Check { rule: "generation", good, detail };
    let Some(profile) = snapshot.policy().client(&claims.client_id) else {
        let detail = format!("the configuration has no client {}", claims.client_id);
        return check(Some(false), detail);
    };
    let mark = Mark::of(None, &claims.sid, &SystemRandom);
    let verdict = judge(session, &Attempt { presented: claims.into(), mark, profile, now });
    let (ours, live) = (claims.generation.number(), session.generation.number());
    let (good, detail) = match verdict {
        Verdict::Advance(step) if step.from == claims.generation => {
            (Some(true), "the live one".to_owned())
        }
        Verdict::Advance(_) => (
            Some(true),
            format!("ahead of the store, which is at {live} and lost writes; a refresh heals it"),
        ),
        Verdict::Keep => (Some(true), "the live one, which its client keeps".to_owned()),
        Verdict::Repeat => (
            Some(true),
            format!(
                "superseded by {live} a moment ago: within the retry window it gets the same answer again"
            ),
        ),
        Verdict::Reuse => (
            Some(false),
            format!(
                "superseded by {live}: a refresh with it would end the session as stolen, unless it \
                 is the retry of the first use, with its Idempotency-Key"
            ),
        ),
        Verdict::Expired | Verdict::Ended(_) => (None, format!("the session stands at {live}")),
    };
    check(good, format!("{ours}, {detail}"))
}
