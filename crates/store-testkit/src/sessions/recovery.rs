//! What outlives the process, and what must be noticed when it didn't come through whole.

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::SessionStore;
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{corrupt, done, inserted, same_sessions, standing, stands};
use crate::failure::{Verdict, same};
use crate::sample::{self, advanced, ended, later, of, plain, rich, step};

/// Does one of each step and gives the records that must be there from then on.
async fn a_bit_of_everything(store: &dyn SessionStore) -> Result<Vec<Session>, crate::Failure> {
    let advance = inserted(store, rich(1)).await?;
    let by_one = step(&advance, 1);
    let _ = store.advance(&advance.id, &by_one).await?;
    let touch = inserted(store, rich(2)).await?;
    let _ = store.touch(&touch.id, touch.generation, later(99)).await?;
    let end = inserted(store, rich(3)).await?;
    let _ = store.end(&end.id, ended(EndReason::Reuse)).await?;
    let everywhere = inserted(store, of(rich(4), "bob")).await?;
    let _ = store.end_all(&everywhere.subject, None, ended(EndReason::LogoutAll)).await?;
    let change = inserted(store, of(rich(5), "carol")).await?;
    let claims = sample::claims(json!({"roles": []}));
    store.set_claims(&change.subject, &claims).await?;
    Ok(vec![
        advanced(&advance, &by_one),
        Session { last_used_at: later(99), ..touch },
        Session { ended: Some(ended(EndReason::Reuse)), ..end },
        Session { ended: Some(ended(EndReason::LogoutAll)), ..everywhere },
        Session { claims, ..change },
        inserted(store, plain(6)).await?,
    ])
}

pub(super) async fn what_was_acknowledged_survives_reopening(bench: SessionBench) -> Verdict {
    let wanted = a_bit_of_everything(bench.store()).await?;
    let Some(bench) = bench.reopen().await? else { return Ok(()) };
    let store = bench.store();
    for session in &wanted {
        stands(store, session).await?;
    }
    let anns: Vec<Session> =
        wanted.iter().filter(|session| session.subject.as_str() == "ann").cloned().collect();
    same_sessions("the list", &anns, &store.list(&sample::subject("ann")).await?)?;
    for session in wanted.iter().filter(|session| session.ended.is_none()) {
        let step = step(session, 1);
        let outcome = store.advance(&session.id, &step).await?;
        done(store, "an advance after reopening", outcome, &advanced(session, &step)).await?;
    }
    Ok(())
}

pub(super) async fn an_ended_session_stays_ended_after_reopening(bench: SessionBench) -> Verdict {
    let session = inserted(bench.store(), rich(1)).await?;
    let dead = Session { ended: Some(ended(EndReason::Reuse)), ..session.clone() };
    let outcome = bench.store().end(&session.id, ended(EndReason::Reuse)).await?;
    done(bench.store(), "an end", outcome, &dead).await?;
    let Some(bench) = bench.reopen().await? else { return Ok(()) };
    let store = bench.store();
    standing(store, "an advance", store.advance(&dead.id, &step(&dead, 1)).await?, &dead).await?;
    let end = store.end(&dead.id, ended(EndReason::Logout)).await?;
    standing(store, "an end", end, &dead).await?;
    same("an insert", &false, &store.insert(&session).await?)?;
    stands(store, &dead).await
}

pub(super) async fn a_damaged_record_is_reported_as_corrupt(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    let other = inserted(store, of(rich(2), "bob")).await?;
    if !bench.corrupt_session(&session.id).await {
        return Ok(());
    }
    corrupt("find", store.find(&session.id).await)?;
    corrupt("list", store.list(&session.subject).await)?;
    corrupt("advance", store.advance(&session.id, &step(&session, 1)).await)?;
    let touched = store.touch(&session.id, session.generation, later(1)).await;
    corrupt("touch", touched)?;
    corrupt("end", store.end(&session.id, ended(EndReason::Logout)).await)?;
    stands(store, &other).await
}
