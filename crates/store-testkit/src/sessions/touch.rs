//! `touch`: recording a use without a new generation, for clients that keep one refresh token.

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Outcome, Touch};

use crate::compare::{insert, is_applied, is_refused, is_stored, same_outcome};
use crate::error::{CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, full, later, minimal};

pub(super) async fn a_touch_changes_only_the_last_use(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for session in [minimal(1), full(2)] {
        let session = insert(store, session).await?;
        let other = insert(store, full(100 + session.generation.number())).await?;
        let touch = sample::touch(&session, later(3600));
        let outcome = store.touch(&session.id, &touch).await?;
        let expected = sample::touched(&session, &touch);
        is_applied(store, "a touch", outcome, &expected).await?;
        is_stored(store, &other).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_never_moves_the_last_use_back(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    for at in [sample::FIRST_INSTANT, sample::earlier(1), sample::NOON, later(1)] {
        let outcome = store.touch(&session.id, &sample::touch(&session, at)).await?;
        is_applied(store, "a touch in the past", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_that_changes_nothing_is_applied(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    for _ in 0..2 {
        let touch = sample::touch(&session, session.last_used_at);
        let outcome = store.touch(&session.id, &touch).await?;
        is_applied(store, "a touch at the instant of the last use", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_of_another_generation_changes_nothing(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let at = session.generation.number();
    for wrong in [1, at - 1, at + 1] {
        let generation = sample::generation(wrong);
        let touch = Touch { generation, ..sample::touch(&session, later(3600)) };
        let outcome = store.touch(&session.id, &touch).await?;
        is_refused(store, "a touch of another generation", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn an_ended_session_is_never_touched(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let ended = Some(sample::ended(EndReason::Revoked));
    let session = insert(store, Session { ended, ..full(1) }).await?;
    for at in [later(3600), session.last_used_at] {
        let outcome = store.touch(&session.id, &sample::touch(&session, at)).await?;
        is_refused(store, "a touch of an ended session", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_never_creates_a_session(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let session = minimal(1);
    let outcome = store.touch(&session.id, &sample::touch(&session, later(1))).await?;
    same_outcome("a touch of an unknown session", &Outcome::NotFound, &outcome)?;
    same("the record afterwards", &None, &store.find(&session.id).await?)
}
