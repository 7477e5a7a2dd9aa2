//! Steps that meet: of those that exclude each other exactly one is done, and the others see it.
//!
//! Where the harness has replicas, every other racer goes through one: a lock inside the process
//! is no atomic step.

use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::store::{Advance, Outcome};

use crate::bench::SessionBench;
use crate::compare::{done_record, inserted, same_session, same_sessions, stands};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, advanced, later, plain, rich, step};

/// The one record among `outcomes` that was done, having seen that all others stand at it.
fn the_winner(outcomes: &[Outcome]) -> Result<Session, Failure> {
    let done: Vec<&Session> = outcomes.iter().filter_map(done_record).collect();
    let [winner] = done.as_slice() else {
        let (all, some) = (outcomes.len(), done.len());
        return Err(Failure::new(format!("of {all} steps {some} were done instead of one")));
    };
    for outcome in outcomes {
        match outcome {
            Outcome::Applied(found) | Outcome::Refused(found) => {
                same_session("what a racer is shown", winner, found)?;
            }
            Outcome::NotFound => return Err(Failure::new("a loser is told there is no session")),
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
