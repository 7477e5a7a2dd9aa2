//! What is asked by subject: lists, changed claims, and who is who.

use std::slice::from_ref;

use aquaware_core::session::{EndReason, ExtraClaims, Session};
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{inserted, same_sessions, stands};
use crate::failure::{Verdict, same};
use crate::sample::{self, ended, of, plain, rich};

pub(super) async fn a_list_holds_every_session_ended_or_not(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let ann = sample::subject("ann");
    same_sessions("an empty store's list", &[], &store.list(&ann).await?)?;
    let anns = [
        plain(1),
        rich(2),
        Session { ended: Some(ended(EndReason::Reuse)), ..rich(3) },
        Session { client: sample::client("device"), ..plain(4) },
    ];
    let bobs = of(rich(5), "bob");
    for session in anns.iter().chain([&bobs]) {
        inserted(store, session.clone()).await?;
    }
    same_sessions("ann's list", &anns, &store.list(&ann).await?)?;
    same_sessions("bob's list", &[bobs], &store.list(&sample::subject("bob")).await?)?;
    same_sessions("nobody's list", &[], &store.list(&sample::subject("carol")).await?)
}

pub(super) async fn a_list_of_many_sessions_is_whole(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let mut sessions = Vec::new();
    for number in 0..300 {
        sessions.push(inserted(store, plain(number)).await?);
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
    same_sessions("what end_all gives", &sessions, &store.end_all(&ann, None, end).await?)?;
    same_sessions("the list afterwards", &sessions, &store.list(&ann).await?)
}

pub(super) async fn new_claims_reach_the_live_sessions_of_the_subject_alone(
    bench: SessionBench,
) -> Verdict {
    let store = bench.store();
    let live = [inserted(store, plain(1)).await?, inserted(store, rich(2)).await?];
    let dead = Session { ended: Some(ended(EndReason::Logout)), ..rich(3) };
    let dead = inserted(store, dead).await?;
    let bobs = inserted(store, of(rich(4), "bob")).await?;
    let claims = sample::claims(json!({"roles": ["guest"]}));
    // The second time it changes nothing; the third, there is nothing left.
    for claims in [claims.clone(), claims, ExtraClaims::new()] {
        store.set_claims(&dead.subject, &claims).await?;
        for session in &live {
            stands(store, &Session { claims: claims.clone(), ..session.clone() }).await?;
        }
        stands(store, &dead).await?;
        stands(store, &bobs).await?;
    }
    store.set_claims(&sample::subject("carol"), &ExtraClaims::new()).await?;
    same_sessions("nobody's list", &[], &store.list(&sample::subject("carol")).await?)
}

/// Names that some collation, pattern or key layout takes for one another.
const LOOK_ALIKES: [&str; 30] = [
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

pub(super) async fn subjects_that_look_alike_are_different(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let mut sessions = Vec::new();
    for (number, name) in (1..).zip(LOOK_ALIKES) {
        sessions.push(inserted(store, of(plain(number), name)).await?);
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
            same_sessions("what end_all gives", from_ref(session), &given)?;
        }
        for session in &sessions {
            stands(store, session).await?;
        }
    }
    Ok(())
}

pub(super) async fn clients_that_differ_by_case_are_different(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let names = ["web", "Web", "WEB", "web.", "web_", "web-"];
    for (number, name) in (1..).zip(names) {
        let session = Session { client: sample::client(name), ..plain(number) };
        inserted(store, session.clone()).await?;
        stands(store, &session).await?;
    }
    let list = store.list(&plain(1).subject).await?;
    let mut found: Vec<&str> = list.iter().map(|session| session.client.as_str()).collect();
    let mut wanted = names.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    same("the clients", &wanted, &found)
}
