//! Status indices: one session has each, and those of ended sessions are told.

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Revoked, SessionStore};
use aquaware_core::time::Timestamp;

use crate::bench::SessionBench;
use crate::compare::{done, inserted, same_sessions, stands};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, earlier, ended, index, later, of, plain, rich};

fn with(session: Session, index: StatusIndex) -> Session {
    Session { status: Some(index), ..session }
}

pub(super) async fn every_status_index_comes_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let numbers = (0..32).map(|bit| 1 << bit).chain([0, u32::MAX]);
    let indices: Vec<StatusIndex> = numbers.map(StatusIndex::from_number).collect();
    for (number, index) in (1..).zip(&indices) {
        inserted(store, with(plain(number), *index)).await?;
    }
    for (number, index) in (1..).zip(indices) {
        stands(store, &with(plain(number), index)).await?;
    }
    Ok(())
}

async fn refused(store: &dyn SessionStore, session: &Session) -> Verdict {
    ensure(!store.insert(session).await?, || "one index was had twice".to_owned())?;
    same("the record that was refused", &None, &store.find(&session.id).await?)
}

pub(super) async fn a_status_index_is_had_once(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let first = inserted(store, rich(1)).await?;
    let others = [with(plain(2), index(1)), of(with(rich(3), index(1)), "bob")];
    for other in &others {
        refused(store, other).await?;
    }
    // Nor when its session has ended, and a known name doesn't give up the index it stands with.
    let dead = Session { ended: Some(ended(EndReason::Logout)), ..first.clone() };
    done(store, "an end", store.end(&first.id, ended(EndReason::Logout)).await?, &dead).await?;
    for other in &others {
        refused(store, other).await?;
    }
    ensure(!store.insert(&with(plain(1), index(4))).await?, || {
        "a known id was kept a second time".to_owned()
    })?;
    stands(store, &dead).await?;
    same_sessions("ann's list", &[dead], &store.list(&first.subject).await?)?;
    same_sessions("bob's list", &[], &store.list(&sample::subject("bob")).await?)?;
    // Any number of sessions has none.
    inserted(store, plain(5)).await?;
    inserted(store, plain(6)).await?;
    Ok(())
}

pub(super) async fn a_status_index_that_was_given_up_can_be_had_again(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let first = inserted(store, rich(1)).await?;
    let _ = store.end(&first.id, ended(EndReason::Logout)).await?;
    same("how many were released", &1, &store.release(later(1), 10).await?)?;
    let second = inserted(store, with(rich(2), index(1))).await?;
    refused(store, &with(rich(3), index(1))).await?;
    // The next holder is not taken for the one before it.
    same("what is revoked", &vec![], &store.revoked(earlier(1000)).await?)?;
    if bench.settings().purges {
        same("how many were dropped", &2, &store.purge(second.ends_at, 10).await?)?;
        inserted(store, with(rich(4), index(1))).await?;
    }
    Ok(())
}

async fn are_revoked(
    store: &dyn SessionStore,
    since: Timestamp,
    wanted: impl IntoIterator<Item = (u32, Timestamp)> + Send,
) -> Verdict {
    let revoked = |(number, at)| Revoked { index: index(number), at };
    let mut wanted: Vec<Revoked> = wanted.into_iter().map(revoked).collect();
    let mut found = store.revoked(since).await?;
    wanted.sort();
    found.sort();
    same("what is revoked", &wanted, &found)
}

pub(super) async fn what_ended_is_revoked_from_its_instant_on(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let end = |at| Ended { at, reason: EndReason::Revoked };
    are_revoked(store, earlier(1000), []).await?;
    let one = inserted(store, rich(1)).await?;
    let _ = store.end(&one.id, end(later(10))).await?;
    are_revoked(store, later(10), [(1, later(10))]).await?;
    are_revoked(store, Timestamp::from_millis(later(10).millis() + 1), []).await?;
    // A second end comes too late.
    let _ = store.end(&one.id, end(later(20))).await?;
    are_revoked(store, later(10), [(1, later(10))]).await?;
    for number in [2, 3] {
        inserted(store, of(rich(number), "bob")).await?;
    }
    let _ = store.end_all(&sample::subject("bob"), None, end(later(5))).await?;
    let four = Session { ended: Some(end(later(11))), ..rich(4) };
    inserted(store, four).await?;
    let all = [(1, later(10)), (2, later(5)), (3, later(5)), (4, later(11))];
    are_revoked(store, earlier(1000), all).await?;
    are_revoked(store, later(6), [(1, later(10)), (4, later(11))]).await?;
    // Every replica is told.
    for handle in bench.handles(2).await {
        are_revoked(&*handle, later(11), [(4, later(11))]).await?;
    }
    Ok(())
}

pub(super) async fn the_living_and_those_without_an_index_are_never_revoked(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let living = inserted(store, rich(1)).await?;
    let step = sample::step(&living, 1);
    let _ = store.advance(&living.id, &step).await?;
    let _ = store.touch(&living.id, step.to, later(100)).await?;
    let bare = inserted(store, plain(2)).await?;
    let _ = store.end(&bare.id, ended(EndReason::Reuse)).await?;
    are_revoked(store, earlier(1000), []).await
}

pub(super) async fn revocations_of_many_sessions_are_whole(bench: SessionBench) -> Verdict {
    const MANY: u32 = 1500;
    let store = bench.store();
    let at = |number| later(u64::from(number % 7));
    for number in 0..MANY {
        let ended = Ended { at: at(number), reason: EndReason::Logout };
        let session = Session { ended: Some(ended), ..with(plain(number.into()), index(number)) };
        inserted(store, session).await?;
    }
    are_revoked(store, later(0), (0..MANY).map(|number| (number, at(number)))).await?;
    let late = (0..MANY).filter(|number| number % 7 == 6);
    are_revoked(store, later(6), late.map(|number| (number, later(6)))).await?;
    same("how many were released", &u64::from(MANY), &store.release(later(7), u32::MAX).await?)?;
    are_revoked(store, later(0), []).await
}

pub(super) async fn a_release_takes_the_index_of_what_ended_before_the_instant_alone(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let living = inserted(store, rich(1)).await?;
    let mut dead = Vec::new();
    for (number, at) in [(2, 99), (3, 100), (4, 101)] {
        let ended = Some(Ended { at: later(at), reason: EndReason::Logout });
        dead.push(inserted(store, Session { ended, ..rich(number) }).await?);
    }
    let bare = Session { ended: Some(ended(EndReason::Logout)), ..plain(5) };
    let bare = inserted(store, bare).await?;
    same("how many were released", &1, &store.release(later(100), u32::MAX).await?)?;
    same("how many a second release takes", &0, &store.release(later(100), u32::MAX).await?)?;
    let [first, others @ ..] = dead.as_slice() else { return Ok(()) };
    stands(store, &Session { status: None, ..first.clone() }).await?;
    for session in others.iter().chain([&living, &bare]) {
        stands(store, session).await?;
    }
    are_revoked(store, earlier(1000), [(3, later(100)), (4, later(101))]).await
}

pub(super) async fn a_release_takes_no_more_than_asked(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for number in 0..10 {
        let session = Session { ended: Some(ended(EndReason::Logout)), ..rich(number) };
        inserted(store, session).await?;
    }
    for (at_most, released) in [(0, 0), (1, 1), (4, 4), (4, 4), (4, 1), (4, 0)] {
        same("how many were released", &released, &store.release(later(1), at_most).await?)?;
    }
    let list = store.list(&plain(0).subject).await?;
    let left = list.iter().filter(|session| session.status.is_some()).count();
    same("how many sessions still have an index", &0, &left)
}

pub(super) async fn of_many_inserts_of_one_status_index_one_is_kept(
    bench: SessionBench,
) -> Verdict {
    let racers = bench.settings().racers;
    for round in 0..bench.settings().rounds {
        let kept = together(bench.handles(racers).await, |place, store| {
            let number = (round * racers + place) as u64;
            let session = with(plain(number), index(u32::try_from(round).unwrap_or(u32::MAX)));
            async move { Ok(store.insert(&session).await?.then_some(session)) }
        })
        .await?;
        let kept: Vec<Session> = kept.into_iter().flatten().collect();
        let [session] = kept.as_slice() else {
            return Err(Failure::new(format!("{} inserts of one index were kept", kept.len())));
        };
        stands(bench.store(), session).await?;
    }
    let list = bench.store().list(&plain(0).subject).await?;
    same("how many are listed", &bench.settings().rounds, &list.len())
}
