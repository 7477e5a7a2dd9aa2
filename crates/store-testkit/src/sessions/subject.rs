//! `list` and `set_claims`: operations on many sessions.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, ExtraClaims, Session};
use serde_json::json;

use crate::compare::{end_all, insert, is_stored, list_all, same_session, same_sessions};
use crate::error::{CheckResult, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, full, minimal, owned_by};

pub(super) async fn a_list_contains_only_live_sessions(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let ann = sample::subject("ann");
    same_sessions("the list in an empty store", &[], &list_all(store, &ann).await?)?;
    let of_ann =
        [minimal(1), full(2), Session { client: sample::client_id("device"), ..minimal(4) }];
    let over = Session { ended: Some(ended(EndReason::Reuse)), ..full(3) };
    let of_bob = owned_by(full(5), "bob");
    for session in of_ann.iter().chain([&of_bob, &over]) {
        insert(store, session.clone()).await?;
    }
    same_sessions("the list of ann", &of_ann, &list_all(store, &ann).await?)?;
    same_sessions("the list of bob", &[of_bob], &list_all(store, &sample::subject("bob")).await?)?;
    same_sessions(
        "the list of an unknown subject",
        &[],
        &list_all(store, &sample::subject("carol")).await?,
    )
}

pub(super) async fn a_list_is_in_pages_newest_first(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut sessions = Vec::new();
    for number in 0..20_u64 {
        // Groups that were created at the same instant, inserted in another order.
        let created_at = sample::earlier(number * 7 % 20 / 3);
        sessions.push(insert(store, Session { created_at, ..minimal(number) }).await?);
    }
    let ended_session = Session { ended: Some(ended(EndReason::Logout)), ..minimal(90) };
    insert(store, ended_session).await?;
    insert(store, owned_by(minimal(91), "bob")).await?;
    sessions.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
    let expected: Vec<_> = sessions.iter().map(|session| session.id).collect();
    let ann = sample::subject("ann");
    for page in [1, 3, 19, 20, 21] {
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..25 {
            let list = store.list(&ann, after, page).await?;
            same_sessions_in_order(&list, sessions.iter().skip(found.len()))?;
            found.extend(list.iter().map(|session| session.id));
            after = list.last().map(|session| (session.created_at, session.id));
            if after.is_none() {
                break;
            }
        }
        same("the ids in all pages", &expected, &found)?;
    }
    same("an empty page", &0, &store.list(&ann, None, 0).await?.len())?;
    // A position need not be that of a session.
    let first = store.list(&ann, Some((sample::LAST_INSTANT, sample::session_id(0))), 1).await?;
    same("the first session", &expected.first(), &first.first().map(|session| &session.id))
}

fn same_sessions_in_order<'a>(
    found: &[Session],
    expected: impl Iterator<Item = &'a Session>,
) -> CheckResult {
    expected.zip(found).try_for_each(|(expected, found)| same_session("a page", expected, found))
}

pub(super) async fn a_long_list_is_complete(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut sessions = Vec::new();
    for number in 0..300 {
        sessions.push(insert(store, minimal(number)).await?);
    }
    let ann = sample::subject("ann");
    same_sessions("the list", &sessions, &list_all(store, &ann).await?)?;
    let ids: Vec<_> = sessions.iter().map(|session| session.id).collect();
    let claims = sample::claims(json!({"roles": []}));
    store.set_claims(&ids, &claims).await?;
    for session in &mut sessions {
        session.claims.clone_from(&claims);
    }
    same_sessions("the list with new claims", &sessions, &list_all(store, &ann).await?)?;
    let end = ended(EndReason::AccountDisabled);
    for session in &mut sessions {
        session.end(end);
    }
    same_sessions(
        "the sessions that end_all returns",
        &sessions,
        &end_all(store, &ann, None, end).await?,
    )?;
    same_sessions("the list afterwards", &[], &list_all(store, &ann).await?)
}

pub(super) async fn set_claims_changes_only_the_given_live_sessions(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let live = [
        insert(store, minimal(1)).await?,
        insert(store, full(2)).await?,
        insert(store, owned_by(full(4), "bob")).await?,
    ];
    let ended_session = Session { ended: Some(ended(EndReason::Logout)), ..full(3) };
    let ended_session = insert(store, ended_session).await?;
    let other = insert(store, full(5)).await?;
    let unknown = sample::session_id(99);
    let ids = [live[0].id, unknown, ended_session.id, live[1].id, live[2].id, live[0].id];
    let claims = sample::claims(json!({"roles": ["guest"]}));
    // The second call changes nothing, the third removes all claims.
    for claims in [claims.clone(), claims, ExtraClaims::new()] {
        store.set_claims(&ids, &claims).await?;
        store.set_claims(&[], &sample::claims_of_every_type()).await?;
        for session in &live {
            is_stored(store, &Session { claims: claims.clone(), ..session.clone() }).await?;
        }
        is_stored(store, &ended_session).await?;
        is_stored(store, &other).await?;
    }
    same("a session of an unknown id", &None, &store.find(&unknown).await?)
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
        let list = list_all(store, &session.subject).await?;
        same_sessions("a list", from_ref(session), &list)?;
        session.claims = sample::claims(json!({"number": number}));
        let ids: Vec<_> = list.iter().map(|session| session.id).collect();
        store.set_claims(&ids, &session.claims).await?;
        if number % 2 == 0 {
            let end = ended(EndReason::LogoutAll);
            session.end(end);
            let given = end_all(store, &session.subject, None, end).await?;
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
    let list = list_all(store, &minimal(1).subject).await?;
    let mut found: Vec<&str> = list.iter().map(|session| session.client.as_str()).collect();
    let mut expected = names.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    same("the clients", &expected, &found)
}
