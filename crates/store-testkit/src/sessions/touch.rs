//! Noting a use without a new generation: clients that keep one refresh token for its life.

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::Outcome;

use crate::bench::SessionBench;
use crate::compare::{done, inserted, same_outcome, standing, stands};
use crate::failure::{Verdict, same};
use crate::sample::{self, later, plain, rich};

pub(super) async fn a_touch_notes_the_use_and_nothing_else(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for session in [plain(1), rich(2)] {
        let session = inserted(store, session).await?;
        let other = inserted(store, rich(100 + session.generation.number())).await?;
        let outcome = store.touch(&session.id, session.generation, later(3600)).await?;
        let wanted = Session { last_used_at: later(3600), ..session };
        done(store, "a touch", outcome, &wanted).await?;
        stands(store, &other).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_never_moves_the_last_use_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    for at in [sample::DAWN, sample::earlier(1), sample::NOON, later(1)] {
        let outcome = store.touch(&session.id, session.generation, at).await?;
        done(store, "a touch in the past", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_that_changes_nothing_is_done(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    for _ in 0..2 {
        let outcome = store.touch(&session.id, session.generation, session.last_used_at).await?;
        done(store, "a touch at the instant of the last use", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_of_another_generation_changes_nothing(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let at = session.generation.number();
    for wrong in [1, at - 1, at + 1] {
        let outcome = store.touch(&session.id, sample::generation(wrong), later(3600)).await?;
        standing(store, "a touch of another generation", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn an_ended_session_is_never_touched(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let ended = Some(sample::ended(EndReason::Revoked));
    let session = inserted(store, Session { ended, ..rich(1) }).await?;
    for at in [later(3600), session.last_used_at] {
        let outcome = store.touch(&session.id, session.generation, at).await?;
        standing(store, "a touch of an ended session", outcome, &session).await?;
    }
    Ok(())
}

pub(super) async fn an_unknown_session_is_never_touched_into_being(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = plain(1);
    let outcome = store.touch(&session.id, session.generation, later(1)).await?;
    same_outcome("a touch of an unknown session", &Outcome::NotFound, &outcome)?;
    same("the record afterwards", &None, &store.find(&session.id).await?)
}
