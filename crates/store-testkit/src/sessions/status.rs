//! Status indices: each belongs to at most one session, and `revoked` returns those of ended ones.

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Revoked, SessionStore, Touch};
use aquaware_core::time::Timestamp;

use crate::compare::{end_all, insert, is_applied, is_stored, list_all, same_sessions};
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same, same_items};
use crate::fixture::SessionFixture;
use crate::sample::{self, earlier, ended, full, later, minimal, owned_by, status_index};

fn with(session: Session, index: StatusIndex) -> Session {
    Session { status: Some(index), ..session }
}

pub(super) async fn every_status_index_is_read_back(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let numbers = (0..32).map(|bit| 1 << bit).chain([0, u32::MAX]);
    let indices: Vec<StatusIndex> = numbers.map(StatusIndex::from_number).collect();
    for (number, index) in (1..).zip(&indices) {
        insert(store, with(minimal(number), *index)).await?;
    }
    for (number, index) in (1..).zip(indices) {
        is_stored(store, &with(minimal(number), index)).await?;
    }
    Ok(())
}

async fn is_rejected(store: &dyn SessionStore, session: &Session) -> CheckResult {
    ensure(!store.insert(session).await?, || "one status index was assigned twice".to_owned())?;
    same("the rejected session", &None, &store.find(&session.id).await?)
}

pub(super) async fn a_status_index_belongs_to_one_session(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let first = insert(store, full(1)).await?;
    let others =
        [with(minimal(2), status_index(1)), owned_by(with(full(3), status_index(1)), "bob")];
    for other in &others {
        is_rejected(store, other).await?;
    }
    // The index stays taken after its session has ended. Rejecting a known id does not release the
    // index of the stored session.
    let ended_session = sample::over(&first, ended(EndReason::Logout));
    is_applied(
        store,
        "an end",
        store.end(&first.id, ended(EndReason::Logout)).await?,
        &ended_session,
    )
    .await?;
    for other in &others {
        is_rejected(store, other).await?;
    }
    ensure(!store.insert(&with(minimal(1), status_index(4))).await?, || {
        "a known id was inserted a second time".to_owned()
    })?;
    is_stored(store, &ended_session).await?;
    same_sessions("the list of ann", &[], &list_all(store, &first.subject).await?)?;
    same_sessions("the list of bob", &[], &list_all(store, &sample::subject("bob")).await?)?;
    // Any number of sessions may have no index.
    insert(store, minimal(5)).await?;
    insert(store, minimal(6)).await?;
    Ok(())
}

pub(super) async fn a_released_status_index_can_be_reused(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let first = insert(store, full(1)).await?;
    let _ = store.end(&first.id, ended(EndReason::Logout)).await?;
    same("the number of released indices", &1, &store.release(later(1), 10).await?)?;
    let second = insert(store, with(full(2), status_index(1))).await?;
    is_rejected(store, &with(full(3), status_index(1))).await?;
    // The new owner of the index is not reported as revoked.
    same("the revocations", &vec![], &store.revoked(earlier(1000)).await?)?;
    if fixture.settings().purges {
        same("the number of purged sessions", &2, &store.purge(second.ends_at, 10).await?)?;
        insert(store, with(full(4), status_index(1))).await?;
    }
    Ok(())
}

async fn are_revoked(
    store: &dyn SessionStore,
    since: Timestamp,
    expected: impl IntoIterator<Item = (u32, Timestamp)> + Send,
) -> CheckResult {
    let revoked = |(number, at)| Revoked { index: status_index(number), at };
    let expected = expected.into_iter().map(revoked).collect();
    same_items("the revocations", expected, store.revoked(since).await?)
}

pub(super) async fn revoked_returns_sessions_that_ended_at_or_after_the_instant(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let end = |at| Ended { at, reason: EndReason::Revoked };
    are_revoked(store, earlier(1000), []).await?;
    let one = insert(store, full(1)).await?;
    let _ = store.end(&one.id, end(later(10))).await?;
    are_revoked(store, later(10), [(1, later(10))]).await?;
    are_revoked(store, Timestamp::from_millis(later(10).millis() + 1), []).await?;
    // A second end changes nothing.
    let _ = store.end(&one.id, end(later(20))).await?;
    are_revoked(store, later(10), [(1, later(10))]).await?;
    for number in [2, 3] {
        insert(store, owned_by(full(number), "bob")).await?;
    }
    end_all(store, &sample::subject("bob"), None, end(later(5))).await?;
    let four = Session { ended: Some(end(later(11))), ..full(4) };
    insert(store, four).await?;
    let all = [(1, later(10)), (2, later(5)), (3, later(5)), (4, later(11))];
    are_revoked(store, earlier(1000), all).await?;
    are_revoked(store, later(6), [(1, later(10)), (4, later(11))]).await?;
    // Every replica returns it.
    for handle in fixture.handles(2).await {
        are_revoked(&*handle, later(11), [(4, later(11))]).await?;
    }
    Ok(())
}

pub(super) async fn revoked_omits_live_sessions_and_sessions_without_an_index(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let live = insert(store, full(1)).await?;
    let step = sample::step(&live, 1);
    let _ = store.advance(&live.id, &step).await?;
    let touch = Touch { generation: step.to, ..sample::touch(&live, later(100)) };
    let _ = store.touch(&live.id, &touch).await?;
    let bare = insert(store, minimal(2)).await?;
    let _ = store.end(&bare.id, ended(EndReason::Reuse)).await?;
    are_revoked(store, earlier(1000), []).await
}

pub(super) async fn a_long_list_of_revocations_is_complete(fixture: SessionFixture) -> CheckResult {
    const MANY: u32 = 1500;
    let store = fixture.store();
    let at = |number| later(u64::from(number % 7));
    for number in 0..MANY {
        let ended = Ended { at: at(number), reason: EndReason::Logout };
        let session =
            Session { ended: Some(ended), ..with(minimal(number.into()), status_index(number)) };
        insert(store, session).await?;
    }
    are_revoked(store, later(0), (0..MANY).map(|number| (number, at(number)))).await?;
    let late = (0..MANY).filter(|number| number % 7 == 6);
    are_revoked(store, later(6), late.map(|number| (number, later(6)))).await?;
    same(
        "the number of released indices",
        &u64::from(MANY),
        &store.release(later(7), u32::MAX).await?,
    )?;
    are_revoked(store, later(0), []).await
}

pub(super) async fn a_release_affects_only_sessions_that_ended_before_the_instant(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let live = insert(store, full(1)).await?;
    let mut ended_session = Vec::new();
    for (number, at) in [(2, 99), (3, 100), (4, 101)] {
        let ended = Some(Ended { at: later(at), reason: EndReason::Logout });
        ended_session.push(insert(store, Session { ended, ..full(number) }).await?);
    }
    let bare = Session { ended: Some(ended(EndReason::Logout)), ..minimal(5) };
    let bare = insert(store, bare).await?;
    same("the number of released indices", &1, &store.release(later(100), u32::MAX).await?)?;
    same(
        "the number of indices released the second time",
        &0,
        &store.release(later(100), u32::MAX).await?,
    )?;
    let [first, others @ ..] = ended_session.as_slice() else { return Ok(()) };
    is_stored(store, &Session { status: None, ..first.clone() }).await?;
    for session in others.iter().chain([&live, &bare]) {
        is_stored(store, session).await?;
    }
    are_revoked(store, earlier(1000), [(3, later(100)), (4, later(101))]).await
}

pub(super) async fn a_release_respects_its_limit(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for number in 0..10 {
        let session = Session { ended: Some(ended(EndReason::Logout)), ..full(number) };
        insert(store, session).await?;
    }
    for (at_most, released) in [(0, 0), (1, 1), (4, 4), (4, 4), (4, 1), (4, 0)] {
        same(
            "the number of released indices",
            &released,
            &store.release(later(1), at_most).await?,
        )?;
    }
    for number in 0..10 {
        let session = store.find(&sample::session_id(number)).await?;
        let left = session.and_then(|session| session.status);
        same("the status index of a session", &None, &left)?;
    }
    Ok(())
}

pub(super) async fn concurrent_inserts_of_one_status_index_succeed_once(
    fixture: SessionFixture,
) -> CheckResult {
    let concurrency = fixture.settings().concurrency;
    for round in 0..fixture.settings().rounds {
        let kept = run_concurrently(fixture.handles(concurrency).await, |place, store| {
            let number = (round * concurrency + place) as u64;
            let session =
                with(minimal(number), status_index(u32::try_from(round).unwrap_or(u32::MAX)));
            async move { Ok(store.insert(&session).await?.then_some(session)) }
        })
        .await?;
        let kept: Vec<Session> = kept.into_iter().flatten().collect();
        let [session] = kept.as_slice() else {
            return Err(CheckError::new(format!(
                "{} inserts of one status index succeeded",
                kept.len()
            )));
        };
        is_stored(fixture.store(), session).await?;
    }
    let list = list_all(fixture.store(), &minimal(0).subject).await?;
    same("the number of listed sessions", &fixture.settings().rounds, &list.len())
}
