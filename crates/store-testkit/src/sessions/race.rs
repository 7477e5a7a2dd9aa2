//! Steps that meet: of those that exclude each other exactly one is done, and the others see it.
//!
//! Where the harness has replicas, every other racer goes through one: a lock inside the process
//! is no atomic step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquaware_core::id::SessionId;
use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore};
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{done_record, inserted, same_session, same_sessions, stands};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, advanced, ended, later, plain, rich, step};

/// The one record among `outcomes` that was done, having seen that all others stand at it.
fn the_winner(outcomes: &[Outcome]) -> Result<Session, Failure> {
    let done: Vec<&Session> = outcomes.iter().filter_map(done_record).collect();
    let [winner] = done.as_slice() else {
        let (all, some) = (outcomes.len(), done.len());
        return Err(Failure::new(format!("of {all} steps {some} were done instead of one")));
    };
    for outcome in outcomes {
        match outcome {
            Outcome::Done(found) | Outcome::Standing(found) => {
                same_session("what a racer is shown", winner, found)?;
            }
            Outcome::Absent => return Err(Failure::new("a loser is told there is no session")),
        }
    }
    Ok((*winner).clone())
}

/// Of many requests with one token, each with its own mark, one is the first.
pub(super) async fn of_many_advances_of_one_generation_one_is_done(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let mut session = inserted(bench.store(), rich(round as u64)).await?;
        for _ in 0..4 {
            let base = session.clone();
            let outcomes =
                together(bench.handles(bench.settings().racers).await, |place, store| {
                    let base = base.clone();
                    async move {
                        let step = own_step(&base, place);
                        Ok((step, store.advance(&base.id, &step).await?))
                    }
                })
                .await?;
            let (steps, outcomes): (Vec<Advance>, Vec<Outcome>) = outcomes.into_iter().unzip();
            let winner = the_winner(&outcomes)?;
            let whose = steps.iter().find(|step| Some(step.mark) == winner.mark);
            let whose = whose.ok_or_else(|| Failure::new("the winner's mark is nobody's"))?;
            same_session("the record of the winner", &advanced(&session, whose), &winner)?;
            stands(bench.store(), &winner).await?;
            session = winner;
        }
    }
    Ok(())
}

fn own_step(session: &Session, place: usize) -> Advance {
    Advance { mark: sample::mark(place as u64), ..step(session, 1) }
}

pub(super) async fn of_many_inserts_of_one_id_one_is_kept(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let kept = together(bench.handles(bench.settings().racers).await, |place, store| {
            let device = Device { name: Some(place.to_string()), ..Device::default() };
            let session = Session { device, ..plain(round as u64) };
            async move { Ok(store.insert(&session).await?.then_some(session)) }
        })
        .await?;
        let kept: Vec<Session> = kept.into_iter().flatten().collect();
        let [session] = kept.as_slice() else {
            return Err(Failure::new(format!("{} inserts of one id were kept", kept.len())));
        };
        stands(bench.store(), session).await?;
    }
    let list = bench.store().list(&plain(0).subject).await?;
    same("how many are listed", &bench.settings().rounds, &list.len())
}

pub(super) async fn of_many_ends_one_is_done(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let session = inserted(bench.store(), rich(round as u64)).await?;
        let id = session.id;
        let outcomes = together(bench.handles(bench.settings().racers).await, |place, store| {
            let end = Ended { at: later(place as u64), reason: EndReason::Revoked };
            async move { Ok(store.end(&id, end).await?) }
        })
        .await?;
        let winner = the_winner(&outcomes)?;
        same_session("the record", &Session { ended: winner.ended, ..session }, &winner)?;
        ensure(winner.ended.is_some(), || "an end that is done ends nothing".to_owned())?;
        stands(bench.store(), &winner).await?;
    }
    Ok(())
}

pub(super) async fn no_session_is_ended_twice_by_racing_end_alls(bench: SessionBench) -> Verdict {
    let mut wanted = Vec::new();
    for number in 0..20 {
        wanted.push(inserted(bench.store(), rich(number)).await?);
    }
    let subject = plain(0).subject;
    let racers = bench.settings().racers.min(16);
    let given = together(bench.handles(racers).await, |place, store| {
        let end = Ended { at: later(place as u64), reason: EndReason::LogoutAll };
        let subject = subject.clone();
        async move { Ok(store.end_all(&subject, None, end).await?) }
    })
    .await?;
    let given: Vec<Session> = given.into_iter().flatten().collect();
    for session in &mut wanted {
        let ended = given.iter().find(|found| found.id == session.id);
        session.ended = ended.and_then(|found| found.ended);
        ensure(session.ended.is_some(), || format!("nobody was given {}", session.id))?;
    }
    same_sessions("what all of them were given", &wanted, &given)?;
    same_sessions("the list afterwards", &wanted, &bench.store().list(&plain(0).subject).await?)
}

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
        Outcome::Done(record) => {
            same("the generation after an advance", &step.to, &record.generation)?;
            same("the end after an advance", &None, &record.ended)?;
            done.push((step.from.number(), record.clone()));
            Ok(record)
        }
        Outcome::Standing(record) => Ok(record),
        Outcome::Absent => Err(vanished()),
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
            Outcome::Done(record) => {
                done.push((0, record.clone()));
                record
            }
            Outcome::Standing(record) => record,
            Outcome::Absent => return Err(vanished()),
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

pub(super) async fn racing_purges_drop_nothing_twice(mut bench: SessionBench) -> Verdict {
    if !bench.settings().purges {
        return Ok(());
    }
    for _ in 0..bench.settings().rounds {
        bench.renew().await;
        for number in 0..50 {
            inserted(bench.store(), Session { expires_at: later(1), ..plain(number) }).await?;
        }
        let kept = inserted(bench.store(), plain(99)).await?;
        let dropped = together(bench.handles(8).await, |_, store| async move {
            Ok(store.purge(later(2), 30).await?)
        })
        .await?;
        // One that loses may drop fewer than it could have: nobody counts what another dropped.
        let rest = bench.store().purge(later(2), 50).await?;
        same("how many all purges dropped", &50, &(dropped.iter().sum::<u64>() + rest))?;
        let left = bench.store().list(&plain(0).subject).await?;
        same_sessions("what is left", &[kept], &left)?;
    }
    Ok(())
}
