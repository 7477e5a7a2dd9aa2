//! `purge`: removing expired records, and only those.
//!
//! A store with automatic expiry must remove nothing on purge. The sample records live for decades, so
//! the checks verify that.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore};
use aquaware_core::time::Timestamp;

use crate::compare::{
    end_all, insert, is_applied, is_stored, list_all, same_outcome, same_sessions,
};
use crate::error::{CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, advanced, ended, full, later, minimal, step};

/// A session with idle and absolute lifetimes that end so many seconds after noon.
fn until(number: u64, idle: u64, absolute: u64) -> Session {
    Session { expires_at: later(idle), ends_at: later(absolute), ..full(number) }
}

async fn is_gone(store: &dyn SessionStore, session: &Session) -> CheckResult {
    same("the purged session", &None, &store.find(&session.id).await?)
}

pub(super) async fn a_purge_removes_only_sessions_expired_before_the_instant(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let expired = [until(1, 99, 500), until(2, 500, 99), until(3, 1, 1)];
    let kept = [until(4, 100, 500), until(5, 500, 100), until(6, 100, 100), until(7, 101, 101)];
    for session in expired.iter().chain(&kept) {
        insert(store, session.clone()).await?;
    }
    let dropped = store.purge(later(100), u32::MAX).await?;
    if !fixture.settings().purges {
        same("the number of sessions purged by a store with automatic expiry", &0, &dropped)?;
        return are_stored(store, expired.iter().chain(&kept)).await;
    }
    same("the number of purged sessions", &3, &dropped)?;
    for session in &expired {
        is_gone(store, session).await?;
    }
    are_stored(store, &kept).await?;
    same(
        "the number of sessions purged the second time",
        &0,
        &store.purge(later(100), u32::MAX).await?,
    )?;
    let just_past = Timestamp::from_millis(later(100).millis() + 1);
    same(
        "the number of sessions purged one millisecond later",
        &3,
        &store.purge(just_past, 1000).await?,
    )
}

async fn are_stored(
    store: &dyn SessionStore,
    sessions: impl IntoIterator<Item = &Session> + Send,
) -> CheckResult {
    let sessions: Vec<&Session> = sessions.into_iter().collect();
    for session in sessions {
        is_stored(store, session).await?;
    }
    Ok(())
}

pub(super) async fn a_purge_respects_its_limit(fixture: SessionFixture) -> CheckResult {
    if !fixture.settings().purges {
        return Ok(());
    }
    let store = fixture.store();
    let kept = insert(store, until(99, 500, 500)).await?;
    for number in 0..10 {
        insert(store, until(number, 1, 500)).await?;
    }
    for (at_most, dropped) in [(0, 0), (1, 1), (4, 4), (4, 4), (4, 1), (4, 0)] {
        same("the number of purged sessions", &dropped, &store.purge(later(100), at_most).await?)?;
    }
    same_sessions("the remaining sessions", from_ref(&kept), &list_all(store, &kept.subject).await?)
}

pub(super) async fn an_ended_session_is_kept_until_its_tokens_expire(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, until(1, 100, 500)).await?;
    // A session that ended long ago must be kept all the same, or its tokens would be unknown.
    let end = Ended { at: sample::earlier(1000), reason: EndReason::Reuse };
    let tombstone = sample::over(&session, end);
    is_applied(store, "an end", store.end(&session.id, end).await?, &tombstone).await?;
    same("the number of purged sessions", &0, &store.purge(later(100), u32::MAX).await?)?;
    is_stored(store, &tombstone).await?;
    let outcome = store.advance(&session.id, &step(&session, 1)).await?;
    same_outcome("an advance of the ended session", &Outcome::Refused(tombstone), &outcome)
}

/// Otherwise its index could be assigned to another session while status lists still show it as
/// revoked.
pub(super) async fn a_purge_keeps_recently_ended_sessions_with_a_status_index(
    fixture: SessionFixture,
) -> CheckResult {
    if !fixture.settings().purges {
        return Ok(());
    }
    let store = fixture.store();
    let at = |number, seconds, status: bool| {
        let session = until(number, 1, 500);
        let ended = Some(Ended { at: later(seconds), reason: EndReason::LogoutAll });
        Session { ended, status: session.status.filter(|_| status), ..session }
    };
    let kept = [at(1, 100, true), at(2, 101, true)];
    let expired = [at(3, 99, true), at(4, 100, false), at(5, 101, false), until(6, 1, 500)];
    for session in expired.iter().chain(&kept) {
        insert(store, session.clone()).await?;
    }
    same("the number of purged sessions", &4, &store.purge(later(100), u32::MAX).await?)?;
    are_stored(store, &kept).await?;
    // After the index is released, the sessions are purged.
    same("the number of released indices", &2, &store.release(later(102), u32::MAX).await?)?;
    same(
        "the number of sessions purged after the release",
        &2,
        &store.purge(later(100), u32::MAX).await?,
    )
}

pub(super) async fn a_purged_session_leaves_no_trace(fixture: SessionFixture) -> CheckResult {
    if !fixture.settings().purges {
        return Ok(());
    }
    let store = fixture.store();
    let session = insert(store, until(1, 1, 500)).await?;
    same("the number of purged sessions", &1, &store.purge(later(100), u32::MAX).await?)?;
    is_gone(store, &session).await?;
    same_sessions("the list", &[], &list_all(store, &session.subject).await?)?;
    let outcomes = [
        store.advance(&session.id, &step(&session, 1)).await?,
        store.touch(&session.id, &sample::touch(&session, later(1))).await?,
        store.end(&session.id, ended(EndReason::Logout)).await?,
    ];
    for outcome in &outcomes {
        same_outcome("a step of the purged session", &Outcome::NotFound, outcome)?;
    }
    let all = end_all(store, &session.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("the sessions that end_all returns", &[], &all)?;
    is_gone(store, &session).await
}

pub(super) async fn an_expired_session_is_treated_like_any_other(
    fixture: SessionFixture,
) -> CheckResult {
    if !fixture.settings().purges {
        return Ok(());
    }
    let store = fixture.store();
    let long_ago = Timestamp::from_seconds(86_400);
    let session = Session { expires_at: long_ago, ends_at: long_ago, ..minimal(1) };
    let session = insert(store, session).await?;
    is_stored(store, &session).await?;
    same_sessions("the list", from_ref(&session), &list_all(store, &session.subject).await?)?;
    let step = Advance { expires_at: long_ago, ..step(&session, 1) };
    let expected = advanced(&session, &step);
    is_applied(store, "an advance", store.advance(&session.id, &step).await?, &expected).await?;
    let end = ended(EndReason::Logout);
    let given = end_all(store, &session.subject, None, end).await?;
    same_sessions("the sessions that end_all returns", &[sample::over(&expected, end)], &given)
}
