//! Concurrent steps that exclude each other: exactly one is applied, and the others see its result.
//!
//! Every other task uses a replica if the harness has one, because a lock inside the process does
//! not make a step atomic.

use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::store::{Advance, Outcome};

use crate::compare::{
    applied_record, end_all, insert, is_stored, list_all, same_session, same_sessions,
};
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, advanced, full, later, minimal, step};

/// The record of the only applied outcome. All others must have been refused with that record.
fn single_winner(outcomes: &[Outcome]) -> Result<Session, CheckError> {
    let applied: Vec<&Session> = outcomes.iter().filter_map(applied_record).collect();
    let [winner] = applied.as_slice() else {
        let (all, some) = (outcomes.len(), applied.len());
        return Err(CheckError::new(format!("{some} of {all} steps were applied instead of one")));
    };
    for outcome in outcomes {
        match outcome {
            Outcome::Applied(found) | Outcome::Refused(found) => {
                same_session("the record in an outcome", winner, found)?;
            }
            Outcome::NotFound => return Err(CheckError::new("a refused step returned NotFound")),
        }
    }
    Ok((*winner).clone())
}

pub(super) async fn concurrent_advances_of_one_generation_apply_once(
    fixture: SessionFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let mut session = insert(fixture.store(), full(round as u64)).await?;
        for _ in 0..4 {
            let base = session.clone();
            let outcomes = run_concurrently(fixture.all_handles().await, |position, store| {
                let base = base.clone();
                async move {
                    let step = own_step(&base, position);
                    Ok((step, store.advance(&base.id, &step).await?))
                }
            })
            .await?;
            let (steps, outcomes): (Vec<Advance>, Vec<Outcome>) = outcomes.into_iter().unzip();
            let winner = single_winner(&outcomes)?;
            let step = steps.iter().find(|step| Some(step.mark) == winner.mark);
            let step = step.ok_or_else(|| {
                CheckError::new("the mark of the applied step belongs to no attempt")
            })?;
            same_session("the record of the applied step", &advanced(&session, step), &winner)?;
            is_stored(fixture.store(), &winner).await?;
            session = winner;
        }
    }
    Ok(())
}

fn own_step(session: &Session, position: usize) -> Advance {
    Advance { mark: sample::mark(position as u64), ..step(session, 1) }
}

pub(super) async fn concurrent_inserts_of_one_id_succeed_once(
    fixture: SessionFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let kept = run_concurrently(fixture.all_handles().await, |position, store| {
            let device = Device { name: Some(position.to_string()), ..Device::default() };
            let session = Session { device, ..minimal(round as u64) };
            async move { Ok(store.insert(&session).await?.then_some(session)) }
        })
        .await?;
        let kept: Vec<Session> = kept.into_iter().flatten().collect();
        let [session] = kept.as_slice() else {
            return Err(CheckError::new(format!("{} inserts of one id succeeded", kept.len())));
        };
        is_stored(fixture.store(), session).await?;
    }
    let list = list_all(fixture.store(), &minimal(0).subject).await?;
    same("the number of listed sessions", &fixture.settings().rounds, &list.len())
}

pub(super) async fn concurrent_ends_apply_once(fixture: SessionFixture) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let session = insert(fixture.store(), full(round as u64)).await?;
        let id = session.id;
        let outcomes = run_concurrently(fixture.all_handles().await, |position, store| {
            let end = Ended { at: later(position as u64), reason: EndReason::Revoked };
            async move { Ok(store.end(&id, end).await?) }
        })
        .await?;
        let winner = single_winner(&outcomes)?;
        let expected = winner.ended.map_or(session.clone(), |end| sample::over(&session, end));
        same_session("the record", &expected, &winner)?;
        ensure(winner.ended.is_some(), || "the applied end did not end the session".to_owned())?;
        is_stored(fixture.store(), &winner).await?;
    }
    Ok(())
}

pub(super) async fn concurrent_end_alls_end_each_session_once(
    fixture: SessionFixture,
) -> CheckResult {
    let mut expected = Vec::new();
    for number in 0..20 {
        expected.push(insert(fixture.store(), full(number)).await?);
    }
    let subject = minimal(0).subject;
    let concurrency = fixture.settings().concurrency.min(16);
    let ended = run_concurrently(fixture.handles(concurrency).await, |position, store| {
        let end = Ended { at: later(position as u64), reason: EndReason::LogoutAll };
        let subject = subject.clone();
        async move { end_all(&*store, &subject, None, end).await }
    })
    .await?;
    let ended: Vec<Session> = ended.into_iter().flatten().collect();
    for session in &mut expected {
        let ended = ended.iter().find(|found| found.id == session.id);
        let ended = ended.and_then(|found| found.ended);
        let ended =
            ended.ok_or_else(|| CheckError::new(format!("no end_all returned {}", session.id)))?;
        session.end(ended);
    }
    same_sessions("the sessions that all calls of end_all returned", &expected, &ended)?;
    for session in &expected {
        is_stored(fixture.store(), session).await?;
    }
    same_sessions(
        "the list afterwards",
        &[],
        &list_all(fixture.store(), &minimal(0).subject).await?,
    )
}

pub(super) async fn concurrent_purges_count_each_session_once(
    mut fixture: SessionFixture,
) -> CheckResult {
    if !fixture.settings().purges {
        return Ok(());
    }
    for _ in 0..fixture.settings().rounds {
        fixture.renew().await;
        for number in 0..50 {
            insert(fixture.store(), Session { expires_at: later(1), ..minimal(number) }).await?;
        }
        let kept = insert(fixture.store(), minimal(99)).await?;
        let purged = run_concurrently(fixture.handles(8).await, |_, store| async move {
            Ok(store.purge(later(2), 30).await?)
        })
        .await?;
        // A purge may remove fewer sessions than its limit, but must not count those of another.
        let rest = fixture.store().purge(later(2), 50).await?;
        same("the number of sessions purged by all", &50, &(purged.iter().sum::<u64>() + rest))?;
        let left = list_all(fixture.store(), &minimal(0).subject).await?;
        same_sessions("the remaining sessions", &[kept], &left)?;
    }
    Ok(())
}
