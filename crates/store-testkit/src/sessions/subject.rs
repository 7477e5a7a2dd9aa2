//! `list` and `set_claims`: operations on all sessions of a subject.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, ExtraClaims, Session};
use serde_json::json;

use crate::compare::{insert, is_stored, same_sessions};
use crate::error::{CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, full, minimal, owned_by};

pub(super) async fn a_list_contains_live_and_ended_sessions(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let ann = sample::subject("ann");
    same_sessions("the list in an empty store", &[], &store.list(&ann).await?)?;
    let of_ann = [
        minimal(1),
        full(2),
        Session { ended: Some(ended(EndReason::Reuse)), ..full(3) },
        Session { client: sample::client_id("device"), ..minimal(4) },
    ];
    let of_bob = owned_by(full(5), "bob");
    for session in of_ann.iter().chain([&of_bob]) {
        insert(store, session.clone()).await?;
    }
    same_sessions("the list of ann", &of_ann, &store.list(&ann).await?)?;
    same_sessions("the list of bob", &[of_bob], &store.list(&sample::subject("bob")).await?)?;
    same_sessions(
        "the list of an unknown subject",
        &[],
        &store.list(&sample::subject("carol")).await?,
    )
}

pub(super) async fn a_long_list_is_complete(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut sessions = Vec::new();
    for number in 0..300 {
        sessions.push(insert(store, minimal(number)).await?);
    }
    let ann = sample::subject("ann");
    same_sessions("the list", &sessions, &store.list(&ann).await?)?;
    let claims = sample::claims(json!({"roles": []}));
    store.set_claims(&ann, &claims).await?;
    let end = ended(EndReason::AccountDisabled);
    for session in &mut sessions {
        session.claims.clone_from(&claims);
        session.ended = Some(end);
    }
    same_sessions(
        "the sessions that end_all returns",
        &sessions,
        &store.end_all(&ann, None, end).await?,
    )?;
    same_sessions("the list afterwards", &sessions, &store.list(&ann).await?)
}

pub(super) async fn set_claims_changes_only_live_sessions_of_the_subject(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let live = [insert(store, minimal(1)).await?, insert(store, full(2)).await?];
    let ended_session = Session { ended: Some(ended(EndReason::Logout)), ..full(3) };
    let ended_session = insert(store, ended_session).await?;
    let of_bob = insert(store, owned_by(full(4), "bob")).await?;
    let claims = sample::claims(json!({"roles": ["guest"]}));
    // The second call changes nothing, the third removes all claims.
    for claims in [claims.clone(), claims, ExtraClaims::new()] {
        store.set_claims(&ended_session.subject, &claims).await?;
        for session in &live {
            is_stored(store, &Session { claims: claims.clone(), ..session.clone() }).await?;
        }
        is_stored(store, &ended_session).await?;
        is_stored(store, &of_bob).await?;
    }
    store.set_claims(&sample::subject("carol"), &ExtraClaims::new()).await?;
    same_sessions(
        "the list of an unknown subject",
        &[],
        &store.list(&sample::subject("carol")).await?,
    )
}

/// Subjects that a collation, a pattern or a layout of keys may confuse.
const SIMILAR_SUBJECTS: [&str; 30] = [
    "rene",
    "Rene",
    "RENE",
    "ren\u{e9}",
    "rene\u{301}",
    "rene ",
    " rene",
    "rene  ",
    "ren",
    "renee",
    "rene:",
    "rene:1",
    "{rene}",
    "{rene",
    "rene*",
    "ren?",
    "ren_",
    "ren%",
    "re[n]e",
    "rene'",
    "rene\\",
    "rene/",
    "rene\u{200b}",
    "rene\u{ad}",
    "\u{ff52}ene",
    "strasse",
    "stra\u{df}e",
    "1",
    "01",
    "1.0",
];

pub(super) async fn similar_subjects_are_different(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut sessions = Vec::new();
    for (number, name) in (1..).zip(SIMILAR_SUBJECTS) {
        sessions.push(insert(store, owned_by(minimal(number), name)).await?);
    }
    for number in 0..sessions.len() {
        let Some(session) = sessions.get_mut(number) else { continue };
        same_sessions("a list", from_ref(session), &store.list(&session.subject).await?)?;
        session.claims = sample::claims(json!({"number": number}));
        store.set_claims(&session.subject, &session.claims).await?;
        if number % 2 == 0 {
            let end = ended(EndReason::LogoutAll);
            session.ended = Some(end);
            let given = store.end_all(&session.subject, None, end).await?;
            same_sessions("the sessions that end_all returns", from_ref(session), &given)?;
        }
        for session in &sessions {
            is_stored(store, session).await?;
        }
    }
    Ok(())
}

pub(super) async fn client_ids_are_case_sensitive(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let names = ["web", "Web", "WEB", "web.", "web_", "web-"];
    for (number, name) in (1..).zip(names) {
        let session = Session { client: sample::client_id(name), ..minimal(number) };
        insert(store, session.clone()).await?;
        is_stored(store, &session).await?;
    }
    let list = store.list(&minimal(1).subject).await?;
    let mut found: Vec<&str> = list.iter().map(|session| session.client.as_str()).collect();
    let mut expected = names.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    same("the clients", &expected, &found)
}
