//! `end` and `end_all`: a session ends once, permanently, and no other session is affected.

use std::slice::from_ref;

use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::store::{Outcome, SessionStore};

use crate::compare::{
    end_all, insert, is_applied, is_refused, is_stored, list_all, same_outcome, same_session,
    same_sessions,
};
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, full, later, minimal, over, owned_by, step};

/// And what must not be kept any longer than the session lives.
pub(super) async fn an_end_changes_only_the_end(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let other = insert(store, full(9)).await?;
    for session in [minimal(1), full(2)] {
        let session = insert(store, session).await?;
        let end = Ended { at: later(77), reason: EndReason::Revoked };
        let outcome = store.end(&session.id, end).await?;
        is_applied(store, "an end", outcome, &over(&session, end)).await?;
    }
    is_stored(store, &other).await
}

pub(super) async fn the_first_end_reason_is_kept(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for (number, first) in (1..).zip(EndReason::ALL) {
        let session = insert(store, full(number)).await?;
        let expected = over(&session, ended(first));
        is_applied(store, "an end", store.end(&expected.id, ended(first)).await?, &expected)
            .await?;
        // The same end again is refused as well, although it would not change a column.
        for second in EndReason::ALL {
            let again = store.end(&expected.id, ended(second)).await?;
            is_refused(store, "a second end", again, &expected).await?;
        }
        let later = Ended { at: later(1), reason: first };
        is_refused(store, "a later end", store.end(&expected.id, later).await?, &expected).await?;
    }
    Ok(())
}

pub(super) async fn an_end_never_creates_a_session(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let outcome = store.end(&sample::session_id(1), ended(EndReason::Logout)).await?;
    same_outcome("an end of an unknown session", &Outcome::NotFound, &outcome)?;
    same("the record afterwards", &None, &store.find(&sample::session_id(1)).await?)
}

pub(super) async fn an_ended_session_stays_ended(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let live = insert(store, full(1)).await?;
    let ended_session = over(&live, ended(EndReason::Reuse));
    is_applied(
        store,
        "an end",
        store.end(&live.id, ended(EndReason::Reuse)).await?,
        &ended_session,
    )
    .await?;
    for _ in 0..2 {
        try_everything_else(store, &live, &ended_session).await?;
        is_stored(store, &ended_session).await?;
    }
    same_sessions("the list", &[], &list_all(store, &ended_session.subject).await?)
}

async fn try_everything_else(
    store: &dyn SessionStore,
    live: &Session,
    ended_session: &Session,
) -> CheckResult {
    ensure(!store.insert(live).await?, || "a ended_session session was insert again".to_owned())?;
    is_refused(store, "an advance", store.advance(&live.id, &step(live, 1)).await?, ended_session)
        .await?;
    is_refused(
        store,
        "an advance over several generations",
        store.advance(&live.id, &step(live, 9)).await?,
        ended_session,
    )
    .await?;
    let touched = store.touch(&live.id, &sample::touch(live, later(60))).await?;
    is_refused(store, "a touch", touched, ended_session).await?;
    let again = store.end(&live.id, ended(EndReason::Logout)).await?;
    is_refused(store, "an end", again, ended_session).await?;
    let all = end_all(store, &live.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("the sessions that end_all returns", &[], &all)?;
    store.set_claims(&[live.id], &sample::claims_of_every_type()).await?;
    store.ping().await?;
    Ok(())
}

pub(super) async fn end_all_ends_and_returns_the_live_sessions(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let live = [insert(store, minimal(1)).await?, insert(store, full(2)).await?];
    let early = Some(ended(EndReason::Logout));
    let ended_session = insert(store, Session { ended: early, ..full(3) }).await?;
    let of_bob = insert(store, owned_by(full(4), "bob")).await?;
    let end = Ended { at: later(5), reason: EndReason::PasswordChanged };
    let expected = live.map(|session| over(&session, end));
    let given = end_all(store, &ended_session.subject, None, end).await?;
    same_sessions("the sessions that end_all returns", &expected, &given)?;
    for session in expected.iter().chain([&ended_session, &of_bob]) {
        is_stored(store, session).await?;
    }
    let again = end_all(store, &ended_session.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("the sessions that a second end_all returns", &[], &again)?;
    for session in expected.iter().chain([&ended_session, &of_bob]) {
        is_stored(store, session).await?;
    }
    Ok(())
}

pub(super) async fn end_all_skips_the_exception(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let [one, two] = [insert(store, full(1)).await?, insert(store, full(2)).await?];
    let of_bob = insert(store, owned_by(full(3), "bob")).await?;
    let end = ended(EndReason::PasswordChanged);
    let given = end_all(store, &one.subject, Some(&one.id), end).await?;
    let two = over(&two, end);
    same_sessions("the sessions that end_all returns", from_ref(&two), &given)?;
    for session in [&one, &two, &of_bob] {
        is_stored(store, session).await?;
    }
    // An exception of another subject, or of no session, protects nothing.
    for (number, except) in [(4, of_bob.id), (5, sample::session_id(99))] {
        let session = insert(store, full(number)).await?;
        let given = end_all(store, &session.subject, Some(&except), end).await?;
        let expected = over(&session, end);
        let own = given.iter().find(|found| found.id == expected.id);
        let own =
            own.ok_or_else(|| CheckError::new("an unrelated exception protected a session"))?;
        same_session("the sessions that end_all returns", &expected, own)?;
        is_stored(store, &expected).await?;
    }
    is_stored(store, &of_bob).await
}

pub(super) async fn end_all_of_an_unknown_subject_ends_nothing(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let given = end_all(store, &sample::subject("bob"), None, ended(EndReason::Revoked)).await?;
    same_sessions("the sessions that end_all returns", &[], &given)?;
    is_stored(store, &session).await
}

/// An address, a device's name and extra claims are personal data, and an ended session does not need
/// them.
pub(super) async fn an_end_erases_what_ended_sessions_do_not_need(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    for number in 1..=3 {
        insert(store, full(number)).await?;
    }
    let [one, two, three] = [1, 2, 3].map(sample::session_id);
    let end = ended(EndReason::Limit);
    let _ = store.end(&one, end).await?;
    let owner = (&full(0).subject, &full(0).client);
    let _ = store.end_least_used(owner, &two, 1, end, 10).await?;
    end_all(store, owner.0, None, end).await?;
    for id in [one, two, three] {
        let session = store.find(&id).await?;
        let session = session.ok_or_else(|| CheckError::new("an ended session is not found"))?;
        same("the device", &Device::default(), &session.device)?;
        same("the extra claims", &ExtraClaims::new(), &session.claims)?;
        same("the origin of the last refresh", &None, &session.used_from)?;
    }
    Ok(())
}

pub(super) async fn end_all_respects_its_limit(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut expected = Vec::new();
    for number in 0..10 {
        expected.push(insert(store, full(number)).await?);
    }
    let except = insert(store, full(99)).await?;
    let end = ended(EndReason::LogoutAll);
    let mut found = Vec::new();
    for (at_most, count) in [(1, 1), (4, 4), (4, 4), (4, 1), (4, 0)] {
        let batch = store.end_all(&except.subject, Some(&except.id), end, at_most).await?;
        same("the number of sessions that end_all returns", &count, &batch.len())?;
        found.extend(batch);
    }
    let expected: Vec<Session> = expected.iter().map(|session| over(session, end)).collect();
    same_sessions("the sessions that all calls returned", &expected, &found)?;
    is_stored(store, &except).await
}

pub(super) async fn end_least_used_keeps_the_sessions_used_last(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let used = |number, at| Session { last_used_at: later(at), ..full(number) };
    // Created in an order other than that of their last use.
    let mut sessions = Vec::new();
    for session in [used(1, 40), used(2, 10), used(3, 30), used(4, 5), used(5, 20)] {
        sessions.push(insert(store, session).await?);
    }
    let others = [
        Session { client: sample::client_id("device"), ..used(6, 1) },
        owned_by(used(7, 1), "bob"),
        Session { ended: Some(ended(EndReason::Logout)), ..used(8, 1) },
    ];
    for other in &others {
        insert(store, other.clone()).await?;
    }
    let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(|place: usize| sessions.get(place));
    let (Some(one), Some(two), Some(three), Some(four), Some(five)) = (one, two, three, four, five)
    else {
        return Err(CheckError::new("five sessions were inserted"));
    };
    let owner = (&one.subject, &one.client);
    let end = ended(EndReason::Limit);
    for keep in [5, 6, u32::MAX] {
        let given = store.end_least_used(owner, &four.id, keep, end, 10).await?;
        same_sessions("the sessions that end_least_used returns", &[], &given)?;
    }
    // The new session stays, although its last use is the oldest.
    let given = store.end_least_used(owner, &four.id, 3, end, 10).await?;
    let expected = [over(two, end), over(five, end)];
    same_sessions("the sessions that end_least_used returns", &expected, &given)?;
    for session in expected.iter().chain(&others).chain([one, three, four]) {
        is_stored(store, session).await?;
    }
    let given = store.end_least_used(owner, &one.id, 1, end, 1).await?;
    same("the number of sessions that are ended at once", &1, &given.len())?;
    let given = store.end_least_used(owner, &one.id, 1, end, 10).await?;
    same("the number of the others", &1, &given.len())?;
    is_stored(store, one).await
}
