//! Concurrent steps of different kinds: advances with ends, touches and new claims.
//!
//! Every other task uses a replica if the harness has one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquaware_core::id::SessionId;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore, Touch};
use serde_json::json;

use crate::compare::{end_all, insert, same_session};
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, minimal, step};

/// Sets the flag when dropped: the end was acknowledged, or its task failed.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Advances the session from its current generation until it has ended. A call that starts after
/// the end was acknowledged must observe it. Returns the applied steps.
async fn advance_until_ended(
    store: Arc<dyn SessionStore>,
    mut session: Session,
    mark: u64,
    over: Arc<AtomicBool>,
) -> Result<Vec<(u64, Session)>, CheckError> {
    let mut applied = Vec::new();
    while session.ended.is_none() {
        let is_over = over.load(Ordering::SeqCst);
        session = advance_once(store.as_ref(), session, mark, &mut applied).await?;
        let ended = session.ended.is_some();
        ensure(ended || !is_over, || {
            "a session advanced after its end was acknowledged".to_owned()
        })?;
    }
    Ok(applied)
}

async fn advance_once(
    store: &dyn SessionStore,
    session: Session,
    mark: u64,
    applied: &mut Vec<(u64, Session)>,
) -> Result<Session, CheckError> {
    let step = Advance { mark: sample::mark(mark), ..step(&session, 1) };
    let outcome = store.advance(&session.id, &step).await?;
    tokio::task::yield_now().await;
    match outcome {
        Outcome::Applied(record) => {
            same("the generation after an advance", &step.to, &record.generation)?;
            same("the end after an advance", &None, &record.ended)?;
            applied.push((step.from.number(), record.clone()));
            Ok(record)
        }
        Outcome::Refused(record) => Ok(record),
        Outcome::NotFound => Err(not_found()),
    }
}

/// Waits until other tasks have advanced the session to generation `number`, within limits.
async fn until_generation(store: &dyn SessionStore, id: &SessionId, number: u64) -> CheckResult {
    for _ in 0..2000 {
        let session = store.find(id).await?.ok_or_else(not_found)?;
        if session.generation.number() >= number {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Fails unless the steps applied lead from the first generation to where `last` is_stored, one by one.
fn one_chain(applied: &[(u64, Session)], last: &Session) -> CheckResult {
    let mut steps: Vec<u64> = applied.iter().map(|(from, _)| *from).collect();
    steps.sort_unstable();
    let expected: Vec<u64> = (1..last.generation.number()).collect();
    same("the generations before each advance", &expected, &steps)
}

pub(super) async fn no_session_advances_after_a_concurrent_end(
    fixture: SessionFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let session = insert(fixture.store(), minimal(round as u64)).await?;
        let base = session.clone();
        let over = Arc::new(AtomicBool::new(false));
        let concurrency = fixture.settings().concurrency.min(16);
        let applied =
            run_concurrently(fixture.handles(concurrency + 1).await, |position, store| {
                let (base, over) = (base.clone(), Arc::clone(&over));
                async move {
                    if position > 0 {
                        return advance_until_ended(store, base, position as u64, over).await;
                    }
                    let _guard = SetOnDrop(over);
                    until_generation(store.as_ref(), &base.id, 20).await?;
                    let _ = store.end(&base.id, ended(EndReason::Revoked)).await?;
                    Ok(Vec::new())
                }
            })
            .await?;
        ended_chain(fixture.store(), &session.id, &applied.concat()).await?;
    }
    Ok(())
}

pub(super) async fn no_session_advances_after_a_concurrent_end_all(
    fixture: SessionFixture,
) -> CheckResult {
    let mut sessions = Vec::new();
    for number in 0..8 {
        sessions.push(insert(fixture.store(), minimal(number)).await?);
    }
    let base = sessions.clone();
    let over = Arc::new(AtomicBool::new(false));
    let applied = run_concurrently(fixture.handles(17).await, |position, store| {
        // Two tasks per session, and the last task ends all of them.
        let session = base.get(position % 8).filter(|_| position < 16).cloned();
        let over = Arc::clone(&over);
        async move {
            if let Some(session) = session {
                return advance_until_ended(store, session, position as u64, over).await;
            }
            let _guard = SetOnDrop(over);
            until_generation(store.as_ref(), &sample::session_id(0), 10).await?;
            end_all(&*store, &minimal(0).subject, None, ended(EndReason::Revoked)).await?;
            Ok(Vec::new())
        }
    })
    .await?;
    let mut by_session: BTreeMap<SessionId, Vec<(u64, Session)>> = BTreeMap::new();
    for (from, record) in applied.concat() {
        by_session.entry(record.id).or_default().push((from, record));
    }
    for session in &sessions {
        let applied = by_session.remove(&session.id).unwrap_or_default();
        ended_chain(fixture.store(), &session.id, &applied).await?;
    }
    Ok(())
}

async fn ended_chain(
    store: &dyn SessionStore,
    id: &SessionId,
    applied: &[(u64, Session)],
) -> CheckResult {
    let last = store
        .find(id)
        .await?
        .ok_or_else(|| CheckError::new("an ended session is no longer found"))?;
    ensure(last.ended.is_some(), || "a session is live after its end".to_owned())?;
    one_chain(applied, &last)
}

/// A store that writes back a whole record it read earlier undoes the steps made in between.
pub(super) async fn concurrent_steps_never_undo_each_other(fixture: SessionFixture) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let session = insert(fixture.store(), minimal(round as u64)).await?;
        let base = session.clone();
        let applied = run_concurrently(fixture.handles(9).await, |position, store| {
            let base = base.clone();
            async move {
                match position {
                    0 => change_claims(store.as_ref(), &base).await,
                    1 | 2 => touch_repeatedly(store.as_ref(), base).await,
                    _ => advance_repeatedly(store.as_ref(), base, position as u64).await,
                }
            }
        })
        .await?
        .concat();
        let found = fixture.store().find(&session.id).await?;
        let found = found.ok_or_else(not_found)?;
        let (advances, _): (Vec<_>, Vec<_>) =
            applied.iter().cloned().partition(|(from, _)| *from > 0);
        one_chain(&advances, &found)?;
        let newest = advances.iter().max_by_key(|(from, _)| *from).map(|(_, record)| record);
        let last_used_at = applied.iter().map(|(_, record)| record.last_used_at).max();
        let claims = sample::claims(json!({"number": LAPS - 1}));
        let expected = newest.zip(last_used_at).map(|(newest, last_used_at)| Session {
            claims,
            last_used_at,
            ..newest.clone()
        });
        let expected = expected.ok_or_else(|| CheckError::new("no step was applied"))?;
        same_session("the record after all steps", &expected, &found)?;
    }
    Ok(())
}

/// Number of steps per task.
const LAPS: u64 = 30;

fn not_found() -> CheckError {
    CheckError::new("a session was not found during concurrent steps")
}

async fn change_claims(
    store: &dyn SessionStore,
    session: &Session,
) -> Result<Vec<(u64, Session)>, CheckError> {
    for number in 0..LAPS {
        let claims = sample::claims(json!({"number": number}));
        store.set_claims(&[session.id], &claims).await?;
        tokio::task::yield_now().await;
    }
    Ok(Vec::new())
}

/// Returns the applied touches, as steps from generation 0.
async fn touch_repeatedly(
    store: &dyn SessionStore,
    mut session: Session,
) -> Result<Vec<(u64, Session)>, CheckError> {
    let mut applied = Vec::new();
    for lap in 0..LAPS {
        let at = session.last_used_at.plus(std::time::Duration::from_secs(lap));
        // The use to show stays that of the newest advance.
        let visible_before = sample::FIRST_INSTANT;
        let touch = Touch { visible_before, ..sample::touch(&session, at) };
        session = match store.touch(&session.id, &touch).await? {
            Outcome::Applied(record) => {
                applied.push((0, record.clone()));
                record
            }
            Outcome::Refused(record) => record,
            Outcome::NotFound => return Err(not_found()),
        };
        tokio::task::yield_now().await;
    }
    Ok(applied)
}

/// Returns the applied advances.
async fn advance_repeatedly(
    store: &dyn SessionStore,
    mut session: Session,
    mark: u64,
) -> Result<Vec<(u64, Session)>, CheckError> {
    let mut applied = Vec::new();
    for _ in 0..LAPS {
        session = advance_once(store, session, mark, &mut applied).await?;
    }
    Ok(applied)
}
