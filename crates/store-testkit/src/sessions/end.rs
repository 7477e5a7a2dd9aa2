//! Ending: once, for good, and nobody else.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::store::{Outcome, SessionStore};

use crate::bench::SessionBench;
use crate::compare::{done, inserted, same_outcome, same_session, same_sessions, standing, stands};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::sample::{self, ended, later, of, plain, rich, step};

pub(super) async fn an_end_changes_nothing_but_the_end(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let other = inserted(store, rich(9)).await?;
    for session in [plain(1), rich(2)] {
        let session = inserted(store, session).await?;
        let end = Ended { at: later(77), reason: EndReason::Revoked };
        let outcome = store.end(&session.id, end).await?;
        done(store, "an end", outcome, &Session { ended: Some(end), ..session }).await?;
    }
    stands(store, &other).await
}

pub(super) async fn the_first_reason_stays(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for (number, first) in (1..).zip(EndReason::ALL) {
        let session = inserted(store, rich(number)).await?;
        let wanted = Session { ended: Some(ended(first)), ..session };
        done(store, "an end", store.end(&wanted.id, ended(first)).await?, &wanted).await?;
        // The very same end comes too late as well, although it would change no column.
        for second in EndReason::ALL {
            let again = store.end(&wanted.id, ended(second)).await?;
            standing(store, "a second end", again, &wanted).await?;
        }
        let later = Ended { at: later(1), reason: first };
        standing(store, "a later end", store.end(&wanted.id, later).await?, &wanted).await?;
    }
    Ok(())
}

pub(super) async fn an_unknown_session_is_never_ended_into_being(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let outcome = store.end(&sample::id(1), ended(EndReason::Logout)).await?;
    same_outcome("an end of an unknown session", &Outcome::NotFound, &outcome)?;
    same("the record afterwards", &None, &store.find(&sample::id(1)).await?)
}

pub(super) async fn an_ended_session_never_lives_again(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let live = inserted(store, rich(1)).await?;
    let dead = Session { ended: Some(ended(EndReason::Reuse)), ..live.clone() };
    done(store, "an end", store.end(&live.id, ended(EndReason::Reuse)).await?, &dead).await?;
    for _ in 0..2 {
        everything_else(store, &live, &dead).await?;
        stands(store, &dead).await?;
    }
    same_sessions("the list", from_ref(&dead), &store.list(&dead.subject).await?)
}

async fn everything_else(store: &dyn SessionStore, live: &Session, dead: &Session) -> Verdict {
    ensure(!store.insert(live).await?, || "a dead session was inserted again".to_owned())?;
    standing(store, "an advance", store.advance(&live.id, &step(live, 1)).await?, dead).await?;
    standing(store, "a leap", store.advance(&live.id, &step(live, 9)).await?, dead).await?;
    let touched = store.touch(&live.id, live.generation, later(60)).await?;
    standing(store, "a touch", touched, dead).await?;
    let again = store.end(&live.id, ended(EndReason::Logout)).await?;
    standing(store, "an end", again, dead).await?;
    let all = store.end_all(&live.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("what end_all ended", &[], &all)?;
    store.set_claims(&live.subject, &sample::claims_of_every_shape()).await?;
    store.ping().await?;
    Ok(())
}

pub(super) async fn end_all_ends_what_lives_and_gives_it(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let live = [inserted(store, plain(1)).await?, inserted(store, rich(2)).await?];
    let early = Some(ended(EndReason::Logout));
    let dead = inserted(store, Session { ended: early, ..rich(3) }).await?;
    let bobs = inserted(store, of(rich(4), "bob")).await?;
    let end = Ended { at: later(5), reason: EndReason::PasswordChanged };
    let wanted = live.map(|session| Session { ended: Some(end), ..session });
    let given = store.end_all(&dead.subject, None, end).await?;
    same_sessions("what end_all gives", &wanted, &given)?;
    for session in wanted.iter().chain([&dead, &bobs]) {
        stands(store, session).await?;
    }
    let again = store.end_all(&dead.subject, None, ended(EndReason::LogoutAll)).await?;
    same_sessions("what a second end_all gives", &[], &again)?;
    for session in wanted.iter().chain([&dead, &bobs]) {
        stands(store, session).await?;
    }
    Ok(())
}

pub(super) async fn end_all_spares_the_exception(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let [one, two] = [inserted(store, rich(1)).await?, inserted(store, rich(2)).await?];
    let bobs = inserted(store, of(rich(3), "bob")).await?;
    let end = ended(EndReason::PasswordChanged);
    let given = store.end_all(&one.subject, Some(&one.id), end).await?;
    let two = Session { ended: Some(end), ..two };
    same_sessions("what end_all gives", from_ref(&two), &given)?;
    for session in [&one, &two, &bobs] {
        stands(store, session).await?;
    }
    // Somebody else's session, or none at all, as the exception spares nothing.
    for (number, except) in [(4, bobs.id), (5, sample::id(99))] {
        let session = inserted(store, rich(number)).await?;
        let given = store.end_all(&session.subject, Some(&except), end).await?;
        let wanted = Session { ended: Some(end), ..session };
        let own = given.iter().find(|found| found.id == wanted.id);
        let own = own.ok_or_else(|| Failure::new("a strange exception spared a session"))?;
        same_session("what end_all gives", &wanted, own)?;
        stands(store, &wanted).await?;
    }
    stands(store, &bobs).await
}

pub(super) async fn end_all_of_an_unknown_subject_ends_nothing(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let given = store.end_all(&sample::subject("bob"), None, ended(EndReason::Revoked)).await?;
    same_sessions("what end_all gives", &[], &given)?;
    stands(store, &session).await
}
