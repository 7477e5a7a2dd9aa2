//! The one step a refresh takes.

use std::slice::from_ref;

use aquaware_core::id::Generation;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome};

use crate::bench::SessionBench;
use crate::compare::{done, inserted, same_outcome, same_sessions, standing, stands};
use crate::failure::{Failure, Verdict, same};
use crate::sample::{self, advanced, plain, rich, step};

pub(super) async fn an_advance_changes_its_own_fields_and_no_other(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for session in [plain(1), rich(2)] {
        let session = inserted(store, session).await?;
        let first = step(&session, 1);
        let once = advanced(&session, &first);
        done(store, "an advance", store.advance(&session.id, &first).await?, &once).await?;
        let second = step(&once, 1);
        let twice = advanced(&once, &second);
        done(store, "the next", store.advance(&session.id, &second).await?, &twice).await?;
    }
    Ok(())
}

pub(super) async fn an_advance_from_another_generation_changes_nothing(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let good = step(&session, 1);
    let at = session.generation.number();
    for from in [1, at - 1, at + 1, at + 2, Generation::LAST.number() - 1] {
        let from = sample::generation(from);
        let wrong = Advance { from, to: from.next(), ..good };
        let what = "an advance from another generation";
        standing(store, what, store.advance(&session.id, &wrong).await?, &session).await?;
    }
    let what = "an advance from behind to where the session stands";
    let onto = Advance { from: sample::generation(at - 1), to: session.generation, ..good };
    standing(store, what, store.advance(&session.id, &onto).await?, &session).await
}

pub(super) async fn an_ended_session_never_advances(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for (number, reason) in (1..).zip(EndReason::ALL) {
        let session = Session { ended: Some(sample::ended(reason)), ..rich(number) };
        let session = inserted(store, session).await?;
        for by in [1, 2] {
            let outcome = store.advance(&session.id, &step(&session, by)).await?;
            standing(store, "an advance of an ended session", outcome, &session).await?;
        }
    }
    Ok(())
}

pub(super) async fn an_unknown_session_is_never_advanced_into_being(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let session = plain(1);
    for by in [1, 2] {
        let outcome = store.advance(&session.id, &step(&session, by)).await?;
        same_outcome("an advance of an unknown session", &Outcome::NotFound, &outcome)?;
        same("the record afterwards", &None, &store.find(&session.id).await?)?;
        same_sessions("the list", &[], &store.list(&session.subject).await?)?;
    }
    Ok(())
}

pub(super) async fn an_advance_may_skip_generations(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let mut session = inserted(store, rich(1)).await?;
    for by in [1, 2, 1000, 1 << 40] {
        let leap = step(&session, by);
        let wanted = advanced(&session, &leap);
        done(store, "a leap", store.advance(&session.id, &leap).await?, &wanted).await?;
        session = wanted;
    }
    let leap = Advance { to: Generation::LAST, ..step(&session, 1) };
    let wanted = advanced(&session, &leap);
    done(store, "a leap to the last", store.advance(&session.id, &leap).await?, &wanted).await
}

pub(super) async fn replays_of_the_same_second_are_told_apart_by_generation(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let session = inserted(store, plain(1)).await?;
    let first = Advance { issued_at: session.issued_at, ..step(&session, 1) };
    let once = advanced(&session, &first);
    done(store, "an advance", store.advance(&session.id, &first).await?, &once).await?;
    // Word for word the same step, in the same instant.
    let replay = store.advance(&session.id, &first).await?;
    standing(store, "its replay", replay, &once).await?;
    let second = Advance { from: once.generation, to: once.generation.next(), ..first };
    let twice = advanced(&once, &second);
    done(store, "the next", store.advance(&session.id, &second).await?, &twice).await?;
    for old in [first, second] {
        let replay = store.advance(&session.id, &old).await?;
        standing(store, "a replay in the same instant", replay, &twice).await?;
    }
    Ok(())
}

pub(super) async fn an_advance_that_changes_only_the_generation_is_done(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let only = Advance {
        from: session.generation,
        to: session.generation.next(),
        mark: sample::mark(1),
        issued_at: session.issued_at,
        expires_at: session.expires_at,
    };
    let wanted = Session { generation: only.to, ..session };
    done(store, "the advance", store.advance(&wanted.id, &only).await?, &wanted).await
}

pub(super) async fn an_advance_never_moves_the_last_use_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    // The clock of another replica may be behind: the new generation's own times are as given.
    let early = Advance {
        issued_at: sample::earlier(3600),
        expires_at: sample::later(7200),
        ..step(&session, 1)
    };
    let wanted = advanced(&session, &early);
    same("the last use", &session.last_used_at, &wanted.last_used_at)?;
    done(store, "an advance", store.advance(&session.id, &early).await?, &wanted).await
}

pub(super) async fn an_advance_leaves_other_sessions_alone(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let others = [rich(2), sample::of(rich(3), "bob"), Session { mark: session.mark, ..rich(4) }];
    for other in &others {
        inserted(store, other.clone()).await?;
    }
    let step = step(&session, 1);
    let wanted = advanced(&session, &step);
    done(store, "an advance", store.advance(&session.id, &step).await?, &wanted).await?;
    for other in &others {
        stands(store, other).await?;
    }
    Ok(())
}

pub(super) async fn ten_thousand_generations_are_one_record(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let mut session = inserted(store, plain(1)).await?;
    for _ in 0..bench.settings().generations {
        let step = step(&session, 1);
        match store.advance(&session.id, &step).await? {
            Outcome::Applied(found) if found.generation == step.to => session = found,
            other => return Err(Failure::new(format!("an advance came to {other:?}"))),
        }
    }
    stands(store, &session).await?;
    same("its generation", &(bench.settings().generations + 1), &session.generation.number())?;
    same_sessions("the list", from_ref(&session), &store.list(&session.subject).await?)?;
    let ended = sample::ended(EndReason::LogoutAll);
    let all = store.end_all(&session.subject, None, ended).await?;
    same_sessions("what ended", &[Session { ended: Some(ended), ..session }], &all)
}
