//! Steps of different kinds that meet: advances with ends, with touches, with new claims.
//!
//! Here too, every other racer goes through a replica where there is one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquaware_core::id::SessionId;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore};
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{inserted, same_session};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, ended, plain, step};

/// Tells the racers that the end was acknowledged, or that it will never be.
struct TheEnd(Arc<AtomicBool>);

impl Drop for TheEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Advances the session from wherever it is found to stand, until it is seen to have ended. What
/// is asked after the end was acknowledged must see it. Gives the steps done.
async fn advance_until_ended(
    store: Arc<dyn SessionStore>,
    mut session: Session,
    mark: u64,
    the_end: Arc<AtomicBool>,
) -> Result<Vec<(u64, Session)>, Failure> {
    let mut done = Vec::new();
    while session.ended.is_none() {
        let over = the_end.load(Ordering::SeqCst);
        session = advance_once(store.as_ref(), session, mark, &mut done).await?;
        let seen = session.ended.is_some();
        ensure(seen || !over, || "a session advances although its end is known".to_owned())?;
    }
    Ok(done)
}

async fn advance_once(
    store: &dyn SessionStore,
    session: Session,
    mark: u64,
    done: &mut Vec<(u64, Session)>,
) -> Result<Session, Failure> {
    let step = Advance { mark: sample::mark(mark), ..step(&session, 1) };
    let outcome = store.advance(&session.id, &step).await?;
    tokio::task::yield_now().await;
    match outcome {
        Outcome::Applied(record) => {
            same("the generation after an advance", &step.to, &record.generation)?;
            same("the end after an advance", &None, &record.ended)?;
            done.push((step.from.number(), record.clone()));
            Ok(record)
        }
        Outcome::Refused(record) => Ok(record),
        Outcome::NotFound => Err(vanished()),
    }
}

/// Waits for others to advance the session to generation `number`, but not for ever.
async fn until_generation(store: &dyn SessionStore, id: &SessionId, number: u64) -> Verdict {
    for _ in 0..2000 {
        let session = store.find(id).await?.ok_or_else(vanished)?;
        if session.generation.number() >= number {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Fails unless the steps done lead from the first generation to where `last` stands, one by one.
fn one_chain(done: &[(u64, Session)], last: &Session) -> Verdict {
    let mut steps: Vec<u64> = done.iter().map(|(from, _)| *from).collect();
    steps.sort_unstable();
    let wanted: Vec<u64> = (1..last.generation.number()).collect();
    same("the generations that were advanced from", &wanted, &steps)
}

pub(super) async fn nothing_advances_after_a_racing_end(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let session = inserted(bench.store(), plain(round as u64)).await?;
        let base = session.clone();
        let over = Arc::new(AtomicBool::new(false));
        let racers = bench.settings().racers.min(16);
        let done = together(bench.handles(racers + 1).await, |place, store| {
            let (base, over) = (base.clone(), Arc::clone(&over));
            async move {
                if place > 0 {
                    return advance_until_ended(store, base, place as u64, over).await;
                }
                let _told = TheEnd(over);
                until_generation(store.as_ref(), &base.id, 20).await?;
                let _ = store.end(&base.id, ended(EndReason::Revoked)).await?;
                Ok(Vec::new())
            }
        })
        .await?;
        ended_chain(bench.store(), &session.id, &done.concat()).await?;
    }
    Ok(())
}

pub(super) async fn nothing_advances_after_a_racing_end_all(bench: SessionBench) -> Verdict {
    let mut sessions = Vec::new();
    for number in 0..8 {
        sessions.push(inserted(bench.store(), plain(number)).await?);
    }
    let base = sessions.clone();
    let over = Arc::new(AtomicBool::new(false));
    let done = together(bench.handles(17).await, |place, store| {
        // Two racers for each session, and the last of all ends them.
        let session = base.get(place % 8).filter(|_| place < 16).cloned();
        let over = Arc::clone(&over);
        async move {
            if let Some(session) = session {
                return advance_until_ended(store, session, place as u64, over).await;
            }
            let _told = TheEnd(over);
            until_generation(store.as_ref(), &sample::id(0), 10).await?;
            store.end_all(&plain(0).subject, None, ended(EndReason::Revoked)).await?;
            Ok(Vec::new())
        }
    })
    .await?;
    let mut by_session: BTreeMap<SessionId, Vec<(u64, Session)>> = BTreeMap::new();
    for (from, record) in done.concat() {
        by_session.entry(record.id).or_default().push((from, record));
    }
    for session in &sessions {
        let done = by_session.remove(&session.id).unwrap_or_default();
        ended_chain(bench.store(), &session.id, &done).await?;
    }
    Ok(())
}

async fn ended_chain(store: &dyn SessionStore, id: &SessionId, done: &[(u64, Session)]) -> Verdict {
    let last = store.find(id).await?.ok_or_else(|| Failure::new("an ended session is gone"))?;
    ensure(last.ended.is_some(), || "an ended session lives again".to_owned())?;
    one_chain(done, &last)
}

/// New claims, touches and advances at once: a step that writes back a record read before undoes
/// the others.
pub(super) async fn racing_steps_never_undo_each_other(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let session = inserted(bench.store(), plain(round as u64)).await?;
        let base = session.clone();
        let done = together(bench.handles(9).await, |place, store| {
            let base = base.clone();
            async move {
                match place {
                    0 => change_claims(store.as_ref(), &base).await,
                    1 | 2 => touch_on_and_on(store.as_ref(), base).await,
                    _ => advance_on_and_on(store.as_ref(), base, place as u64).await,
                }
            }
        })
        .await?
        .concat();
        let found = bench.store().find(&session.id).await?;
        let found = found.ok_or_else(vanished)?;
        let (advances, _): (Vec<_>, Vec<_>) = done.iter().cloned().partition(|(from, _)| *from > 0);
        one_chain(&advances, &found)?;
        let newest = advances.iter().max_by_key(|(from, _)| *from).map(|(_, record)| record);
        let last_used_at = done.iter().map(|(_, record)| record.last_used_at).max();
        let claims = sample::claims(json!({"number": LAPS - 1}));
        let wanted = newest.zip(last_used_at).map(|(newest, last_used_at)| Session {
            claims,
            last_used_at,
            ..newest.clone()
        });
        let wanted = wanted.ok_or_else(|| Failure::new("no step was done"))?;
        same_session("the record after the race", &wanted, &found)?;
    }
    Ok(())
}

/// How often each task of that race acts.
const LAPS: u64 = 30;

fn vanished() -> Failure {
    Failure::new("a session vanished in a race")
}

async fn change_claims(
    store: &dyn SessionStore,
    session: &Session,
) -> Result<Vec<(u64, Session)>, Failure> {
    for number in 0..LAPS {
        let claims = sample::claims(json!({"number": number}));
        store.set_claims(&session.subject, &claims).await?;
        tokio::task::yield_now().await;
    }
    Ok(Vec::new())
}

/// Gives the touches done, as steps from generation 0.
async fn touch_on_and_on(
    store: &dyn SessionStore,
    mut session: Session,
) -> Result<Vec<(u64, Session)>, Failure> {
    let mut done = Vec::new();
    for lap in 0..LAPS {
        let at = session.last_used_at.plus(std::time::Duration::from_secs(lap));
        session = match store.touch(&session.id, session.generation, at).await? {
            Outcome::Applied(record) => {
                done.push((0, record.clone()));
                record
            }
            Outcome::Refused(record) => record,
            Outcome::NotFound => return Err(vanished()),
        };
        tokio::task::yield_now().await;
    }
    Ok(done)
}

/// Gives the advances done.
async fn advance_on_and_on(
    store: &dyn SessionStore,
    mut session: Session,
    mark: u64,
) -> Result<Vec<(u64, Session)>, Failure> {
    let mut done = Vec::new();
    for _ in 0..LAPS {
        session = advance_once(store, session, mark, &mut done).await?;
    }
    Ok(done)
}
