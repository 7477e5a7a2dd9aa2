//! What survives a restart, and the detection of corrupt records.

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::SessionStore;
use serde_json::json;

use crate::compare::{
    end_all, insert, is_applied, is_corrupt, is_refused, is_stored, list_all, same_sessions,
};
use crate::error::{CheckError, CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, advanced, ended, full, later, minimal, owned_by, step};

/// Makes one step of each kind and returns the records that must be stored afterwards.
async fn one_step_of_each_kind(store: &dyn SessionStore) -> Result<Vec<Session>, CheckError> {
    let advance = insert(store, full(1)).await?;
    let by_one = step(&advance, 1);
    let _ = store.advance(&advance.id, &by_one).await?;
    let touch = insert(store, full(2)).await?;
    let used = sample::touch(&touch, later(99));
    let _ = store.touch(&touch.id, &used).await?;
    let end = insert(store, full(3)).await?;
    let _ = store.end(&end.id, ended(EndReason::Reuse)).await?;
    let everywhere = insert(store, owned_by(full(4), "bob")).await?;
    end_all(store, &everywhere.subject, None, ended(EndReason::LogoutAll)).await?;
    let change = insert(store, owned_by(full(5), "carol")).await?;
    let claims = sample::claims(json!({"roles": []}));
    store.set_claims(&[change.id], &claims).await?;
    Ok(vec![
        advanced(&advance, &by_one),
        sample::touched(&touch, &used),
        sample::over(&end, ended(EndReason::Reuse)),
        sample::over(&everywhere, ended(EndReason::LogoutAll)),
        Session { claims, ..change },
        insert(store, minimal(6)).await?,
    ])
}

pub(super) async fn acknowledged_steps_survive_reopening(fixture: SessionFixture) -> CheckResult {
    let expected = one_step_of_each_kind(fixture.store()).await?;
    let Some(fixture) = fixture.reopen().await? else { return Ok(()) };
    let store = fixture.store();
    for session in &expected {
        is_stored(store, session).await?;
    }
    let of_ann: Vec<Session> = expected
        .iter()
        .filter(|it| it.subject.as_str() == "ann" && it.ended.is_none())
        .cloned()
        .collect();
    same_sessions("the list", &of_ann, &list_all(store, &sample::subject("ann")).await?)?;
    for session in expected.iter().filter(|session| session.ended.is_none()) {
        let step = step(session, 1);
        let outcome = store.advance(&session.id, &step).await?;
        is_applied(store, "an advance after reopening", outcome, &advanced(session, &step)).await?;
    }
    Ok(())
}

pub(super) async fn an_ended_session_stays_ended_after_reopening(
    fixture: SessionFixture,
) -> CheckResult {
    let session = insert(fixture.store(), full(1)).await?;
    let ended_session = sample::over(&session, ended(EndReason::Reuse));
    let outcome = fixture.store().end(&session.id, ended(EndReason::Reuse)).await?;
    is_applied(fixture.store(), "an end", outcome, &ended_session).await?;
    let Some(fixture) = fixture.reopen().await? else { return Ok(()) };
    let store = fixture.store();
    is_refused(
        store,
        "an advance",
        store.advance(&ended_session.id, &step(&ended_session, 1)).await?,
        &ended_session,
    )
    .await?;
    let end = store.end(&ended_session.id, ended(EndReason::Logout)).await?;
    is_refused(store, "an end", end, &ended_session).await?;
    same("an insert", &false, &store.insert(&session).await?)?;
    is_stored(store, &ended_session).await
}

pub(super) async fn a_damaged_record_is_reported_as_corrupt(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    let other = insert(store, owned_by(full(2), "bob")).await?;
    if !fixture.corrupt_session(&session.id).await {
        return Ok(());
    }
    is_corrupt("find", store.find(&session.id).await)?;
    is_corrupt("list", store.list(&session.subject, None, 10).await)?;
    is_corrupt("advance", store.advance(&session.id, &step(&session, 1)).await)?;
    let touched = store.touch(&session.id, &sample::touch(&session, later(1))).await;
    is_corrupt("touch", touched)?;
    is_corrupt("end", store.end(&session.id, ended(EndReason::Logout)).await)?;
    is_stored(store, &other).await
}
