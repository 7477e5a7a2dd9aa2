//! `end` and `end_all`: a session ends once, permanently, and no other session is affected.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::store::{Outcome, SessionStore};

use crate::compare::{
    insert, is_applied, is_refused, is_stored, same_outcome, same_session, same_sessions,
};
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, full, later, minimal, owned_by, step};

pub(super) async fn an_end_changes_only_the_end(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let other = insert(store, full(9)).await?;
    for session in [minimal(1), full(2)] {
        let session = insert(store, session).await?;
        let end = Ended { at: later(77), reason: EndReason::Revoked };
        let outcome = store.end(&session.id, end).await?;
        is_applied(store, "an end", outcome, &Session { ended: Some(end), ..session }).await?;
    }
    is_stored(store, &other).await
}

pub(super) async fn the_first_end_reason_is_kept(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for (number, first) in (1..).zip(EndReason::ALL) {
        let session = insert(store, full(number)).await?;
        let expected = Session { ended: Some(ended(first)), ..session };
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
    let ended_session = Session { ended: Some(ended(EndReason::Reuse)), ..live.clone() };
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
    same_sessions("the list", from_ref(&ended_session), &store.list(&ended_session.subject).await?)
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
    let touched = store.touch(&live.id, live.generation, later(60)).await?;
    is_refused(store, "a touch", touched, ended_session).await?;
    let again = store.end(&live.id, ended(EndReason::Logout)).await?;
    is_refused(store, "an end", again, ended_session).await?;
    let all = store.end_all(&live.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("the sessions that end_all returns", &[], &all)?;
    store.set_claims(&live.subject, &sample::claims_of_every_type()).await?;
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
    let expected = live.map(|session| Session { ended: Some(end), ..session });
    let given = store.end_all(&ended_session.subject, None, end).await?;
    same_sessions("the sessions that end_all returns", &expected, &given)?;
    for session in expected.iter().chain([&ended_session, &of_bob]) {
        is_stored(store, session).await?;
    }
    let again = store.end_all(&ended_session.subject, None, ended(EndReason::LogoutAll)).await?;
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
    let given = store.end_all(&one.subject, Some(&one.id), end).await?;
    let two = Session { ended: Some(end), ..two };
    same_sessions("the sessions that end_all returns", from_ref(&two), &given)?;
    for session in [&one, &two, &of_bob] {
        is_stored(store, session).await?;
    }
    // An exception of another subject, or of no session, protects nothing.
    for (number, except) in [(4, of_bob.id), (5, sample::session_id(99))] {
        let session = insert(store, full(number)).await?;
        let given = store.end_all(&session.subject, Some(&except), end).await?;
        let expected = Session { ended: Some(end), ..session };
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
    let given = store.end_all(&sample::subject("bob"), None, ended(EndReason::Revoked)).await?;
    same_sessions("the sessions that end_all returns", &[], &given)?;
    is_stored(store, &session).await
}
