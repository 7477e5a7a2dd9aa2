//! `advance`: the single step of a refresh.

use std::slice::from_ref;

use aquaware_core::id::Generation;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, Touch};
use aquaware_core::time::Timestamp;

use crate::compare::{
    end_all, insert, is_applied, is_refused, is_stored, list_all, same_outcome, same_sessions,
};
use crate::error::{CheckError, CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, advanced, full, minimal, step};

pub(super) async fn an_advance_changes_only_its_own_fields(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for session in [minimal(1), full(2)] {
        let session = insert(store, session).await?;
        let first = step(&session, 1);
        let once = advanced(&session, &first);
        is_applied(store, "an advance", store.advance(&session.id, &first).await?, &once).await?;
        let second = step(&once, 1);
        let twice = advanced(&once, &second);
        is_applied(store, "the next advance", store.advance(&session.id, &second).await?, &twice)
            .await?;
    }
    Ok(())
}

pub(super) async fn an_advance_from_another_generation_changes_nothing(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let valid = step(&session, 1);
    let at = session.generation.number();
    for from in [1, at - 1, at + 1, at + 2, Generation::MAX.number() - 1] {
        let from = sample::generation(from);
        let wrong = Advance { from, to: from.next(), ..valid };
        let what = "an advance from another generation";
        is_refused(store, what, store.advance(&session.id, &wrong).await?, &session).await?;
    }
    let what = "an advance from a past generation to the current one";
    let onto = Advance { from: sample::generation(at - 1), to: session.generation, ..valid };
    is_refused(store, what, store.advance(&session.id, &onto).await?, &session).await
}

pub(super) async fn an_ended_session_never_advances(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for (number, reason) in (1..).zip(EndReason::ALL) {
        let session = Session { ended: Some(sample::ended(reason)), ..full(number) };
        let session = insert(store, session).await?;
        for by in [1, 2] {
            let outcome = store.advance(&session.id, &step(&session, by)).await?;
            is_refused(store, "an advance of an ended session", outcome, &session).await?;
        }
    }
    Ok(())
}

pub(super) async fn an_advance_never_creates_a_session(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let session = minimal(1);
    for by in [1, 2] {
        let outcome = store.advance(&session.id, &step(&session, by)).await?;
        same_outcome("an advance of an unknown session", &Outcome::NotFound, &outcome)?;
        same("the record afterwards", &None, &store.find(&session.id).await?)?;
        same_sessions("the list", &[], &list_all(store, &session.subject).await?)?;
    }
    Ok(())
}

pub(super) async fn an_advance_may_skip_generations(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut session = insert(store, full(1)).await?;
    for by in [1, 2, 1000, 1 << 40] {
        let step = step(&session, by);
        let expected = advanced(&session, &step);
        is_applied(
            store,
            "an advance over several generations",
            store.advance(&session.id, &step).await?,
            &expected,
        )
        .await?;
        session = expected;
    }
    let step = Advance { to: Generation::MAX, ..step(&session, 1) };
    let expected = advanced(&session, &step);
    is_applied(
        store,
        "an advance to the maximum",
        store.advance(&session.id, &step).await?,
        &expected,
    )
    .await
}

pub(super) async fn replays_in_the_same_instant_are_distinguished_by_generation(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, minimal(1)).await?;
    let first = Advance { issued_at: session.issued_at, ..step(&session, 1) };
    let once = advanced(&session, &first);
    is_applied(store, "an advance", store.advance(&session.id, &first).await?, &once).await?;
    // Exactly the same step, in the same instant.
    let replay = store.advance(&session.id, &first).await?;
    is_refused(store, "its replay", replay, &once).await?;
    let second = Advance { from: once.generation, to: once.generation.next(), ..first };
    let twice = advanced(&once, &second);
    is_applied(store, "the next advance", store.advance(&session.id, &second).await?, &twice)
        .await?;
    for old in [first, second] {
        let replay = store.advance(&session.id, &old).await?;
        is_refused(store, "a replay in the same instant", replay, &twice).await?;
    }
    Ok(())
}

pub(super) async fn an_advance_that_changes_only_the_generation_is_applied(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let only = Advance {
        from: session.generation,
        to: session.generation.next(),
        mark: sample::mark(1),
        used_from: session.used_from,
        issued_at: session.issued_at,
        expires_at: session.expires_at,
        visible_before: sample::FIRST_INSTANT,
    };
    let expected = Session { generation: only.to, ..session };
    is_applied(store, "the advance", store.advance(&expected.id, &only).await?, &expected).await
}

pub(super) async fn an_advance_never_moves_the_last_use_back(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    // The clock of another replica may be behind. The time of the new generation is stored as given.
    let early = Advance {
        issued_at: sample::earlier(3600),
        expires_at: sample::later(7200),
        ..step(&session, 1)
    };
    let expected = advanced(&session, &early);
    same("the last use", &session.last_used_at, &expected.last_used_at)?;
    is_applied(store, "an advance", store.advance(&session.id, &early).await?, &expected).await
}

pub(super) async fn an_advance_never_moves_the_expiry_back(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    // From a server with a slow clock, or with a shorter lifetime.
    let early = Advance { expires_at: sample::later(60), ..step(&session, 1) };
    let expected = advanced(&session, &early);
    same("the expiry", &session.expires_at, &expected.expires_at)?;
    is_applied(store, "an advance", store.advance(&session.id, &early).await?, &expected).await
}

/// What a list may show must not change before the last use is old enough to be shown.
pub(super) async fn the_shown_use_changes_only_when_the_last_use_is_old_enough(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    for session in [minimal(1), full(2)] {
        let mut session = insert(store, session).await?;
        for by in [0, 1] {
            let last = session.last_used_at;
            let before = Timestamp::from_millis(last.millis() - 1);
            for visible_before in [before, last, before, sample::LAST_INSTANT] {
                let step = Advance { visible_before, ..step(&session, 1) };
                let expected = advanced(&session, &step);
                let outcome = store.advance(&session.id, &step).await?;
                is_applied(store, "an advance", outcome, &expected).await?;
                let at = expected.last_used_at.plus(std::time::Duration::from_secs(by));
                let touch = Touch { visible_before, ..sample::touch(&expected, at) };
                session = sample::touched(&expected, &touch);
                let outcome = store.touch(&session.id, &touch).await?;
                is_applied(store, "a touch", outcome, &session).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn an_advance_does_not_change_other_sessions(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let others =
        [full(2), sample::owned_by(full(3), "bob"), Session { mark: session.mark, ..full(4) }];
    for other in &others {
        insert(store, other.clone()).await?;
    }
    let step = step(&session, 1);
    let expected = advanced(&session, &step);
    is_applied(store, "an advance", store.advance(&session.id, &step).await?, &expected).await?;
    for other in &others {
        is_stored(store, other).await?;
    }
    Ok(())
}

pub(super) async fn ten_thousand_generations_stay_one_record(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let mut session = insert(store, minimal(1)).await?;
    for _ in 0..fixture.settings().generations {
        let step = step(&session, 1);
        match store.advance(&session.id, &step).await? {
            Outcome::Applied(found) if found.generation == step.to => session = found,
            other => return Err(CheckError::new(format!("an advance returned {other:?}"))),
        }
    }
    is_stored(store, &session).await?;
    same("its generation", &(fixture.settings().generations + 1), &session.generation.number())?;
    same_sessions("the list", from_ref(&session), &list_all(store, &session.subject).await?)?;
    let ended = sample::ended(EndReason::LogoutAll);
    let all = end_all(store, &session.subject, None, ended).await?;
    same_sessions("the sessions that end_all returns", &[sample::over(&session, ended)], &all)
}
