//! Forgetting: what is dead, and only that.
//!
//! Where the store forgets by itself, a purge has nothing to do, and the checks see that it does
//! nothing: their records live for decades.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::store::{Outcome, SessionStore};
use aquaware_core::time::Timestamp;

use crate::bench::SessionBench;
use crate::compare::{done, inserted, same_outcome, same_sessions, stands};
use crate::failure::{Verdict, same};
use crate::sample::{self, advanced, ended, later, plain, rich, step};

/// A session whose idle and absolute lifetimes end so many seconds after noon.
fn until(number: u64, idle: u64, absolute: u64) -> Session {
    Session { expires_at: later(idle), ends_at: later(absolute), ..rich(number) }
}

async fn gone(store: &dyn SessionStore, session: &Session) -> Verdict {
    same("the purged session", &None, &store.find(&session.id).await?)
}

pub(super) async fn a_purge_drops_what_expired_before_the_instant_alone(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let dead = [until(1, 99, 500), until(2, 500, 99), until(3, 1, 1)];
    let kept = [until(4, 100, 500), until(5, 500, 100), until(6, 100, 100), until(7, 101, 101)];
    for session in dead.iter().chain(&kept) {
        inserted(store, session.clone()).await?;
    }
    let dropped = store.purge(later(100), u32::MAX).await?;
    if !bench.settings().purges {
        same("how many a store that forgets by itself dropped", &0, &dropped)?;
        return stand(store, dead.iter().chain(&kept)).await;
    }
    same("how many were dropped", &3, &dropped)?;
    for session in &dead {
        gone(store, session).await?;
    }
    stand(store, &kept).await?;
    same("how many a second purge drops", &0, &store.purge(later(100), u32::MAX).await?)?;
    let just_past = Timestamp::from_millis(later(100).millis() + 1);
    same("how many one millisecond more drops", &3, &store.purge(just_past, 1000).await?)
}

async fn stand(
    store: &dyn SessionStore,
    sessions: impl IntoIterator<Item = &Session> + Send,
) -> Verdict {
    let sessions: Vec<&Session> = sessions.into_iter().collect();
    for session in sessions {
        stands(store, session).await?;
    }
    Ok(())
}

pub(super) async fn a_purge_drops_no_more_than_asked(bench: SessionBench) -> Verdict {
    if !bench.settings().purges {
        return Ok(());
    }
    let store = bench.store();
    let kept = inserted(store, until(99, 500, 500)).await?;
    for number in 0..10 {
        inserted(store, until(number, 1, 500)).await?;
    }
    for (at_most, dropped) in [(0, 0), (1, 1), (4, 4), (4, 4), (4, 1), (4, 0)] {
        same("how many were dropped", &dropped, &store.purge(later(100), at_most).await?)?;
    }
    same_sessions("what is left", from_ref(&kept), &store.list(&kept.subject).await?)
}

pub(super) async fn an_ended_session_is_kept_until_its_tokens_are_dead(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let session = inserted(store, until(1, 100, 500)).await?;
    // It ended long before: that is no reason to forget it, or its tokens would be unknown ones.
    let end = Ended { at: sample::earlier(1000), reason: EndReason::Reuse };
    let tombstone = Session { ended: Some(end), ..session.clone() };
    done(store, "an end", store.end(&session.id, end).await?, &tombstone).await?;
    same("how many were dropped", &0, &store.purge(later(100), u32::MAX).await?)?;
    stands(store, &tombstone).await?;
    let outcome = store.advance(&session.id, &step(&session, 1)).await?;
    same_outcome("an advance of it", &Outcome::Refused(tombstone), &outcome)
}

/// Its index would be another session's, while it is still told to be revoked.
pub(super) async fn a_purge_spares_what_ended_lately_and_has_an_index(
    bench: SessionBench,
) -> Verdict {
    if !bench.settings().purges {
        return Ok(());
    }
    let store = bench.store();
    let at = |number, seconds, status: bool| {
        let session = until(number, 1, 500);
        let ended = Some(Ended { at: later(seconds), reason: EndReason::LogoutAll });
        Session { ended, status: session.status.filter(|_| status), ..session }
    };
    let kept = [at(1, 100, true), at(2, 101, true)];
    let dead = [at(3, 99, true), at(4, 100, false), at(5, 101, false), until(6, 1, 500)];
    for session in dead.iter().chain(&kept) {
        inserted(store, session.clone()).await?;
    }
    same("how many were dropped", &4, &store.purge(later(100), u32::MAX).await?)?;
    stand(store, &kept).await?;
    // Once the index is given up, nothing holds them any more.
    same("how many were released", &2, &store.release(later(102), u32::MAX).await?)?;
    same("how many were dropped then", &2, &store.purge(later(100), u32::MAX).await?)
}

pub(super) async fn a_purged_session_leaves_no_trace(bench: SessionBench) -> Verdict {
    if !bench.settings().purges {
        return Ok(());
    }
    let store = bench.store();
    let session = inserted(store, until(1, 1, 500)).await?;
    same("how many were dropped", &1, &store.purge(later(100), u32::MAX).await?)?;
    gone(store, &session).await?;
    same_sessions("the list", &[], &store.list(&session.subject).await?)?;
    let outcomes = [
        store.advance(&session.id, &step(&session, 1)).await?,
        store.touch(&session.id, session.generation, later(1)).await?,
        store.end(&session.id, ended(EndReason::Logout)).await?,
    ];
    for outcome in &outcomes {
        same_outcome("a step of it", &Outcome::NotFound, outcome)?;
    }
    let all = store.end_all(&session.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("what end_all gives", &[], &all)?;
    gone(store, &session).await
}

pub(super) async fn an_expired_session_is_a_record_like_any_other(bench: SessionBench) -> Verdict {
    if !bench.settings().purges {
        return Ok(());
    }
    let store = bench.store();
    let long_ago = Timestamp::from_seconds(86_400);
    let session = Session { expires_at: long_ago, ends_at: long_ago, ..plain(1) };
    let session = inserted(store, session).await?;
    stands(store, &session).await?;
    same_sessions("the list", from_ref(&session), &store.list(&session.subject).await?)?;
    let step = aquaware_core::store::Advance { expires_at: long_ago, ..step(&session, 1) };
    let wanted = advanced(&session, &step);
    done(store, "an advance", store.advance(&session.id, &step).await?, &wanted).await?;
    let end = ended(EndReason::Logout);
    let given = store.end_all(&session.subject, None, end).await?;
    same_sessions("what end_all gives", &[Session { ended: Some(end), ..wanted }], &given)
}
