//! Generated sequences of session steps: every answer, and every record at the end, must be the
//! reference's.

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::session::{EndReason, Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, MemoryStore, Outcome, SessionStore};
use aquaware_core::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{same_outcome, same_session, same_sessions};
use crate::failure::{Failure, Verdict, same};
use crate::sample::{self, later, of, plain, rich};
use crate::sequence::sequences;

/// Few names and few instants, so that the steps meet.
const IDS: u64 = 4;
const SUBJECTS: [&str; 3] = ["ann", "Ann", "ann "];

/// Which generation a step names.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Where the session stands.
    Current,
    /// This one.
    At(u64),
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        id: u64,
        subject: &'static str,
        rich: bool,
        idle: u64,
        absolute: u64,
        status: Option<u32>,
    },
    Find {
        id: u64,
    },
    Advance {
        id: u64,
        from: Place,
        by: u64,
        mark: u64,
        at: u64,
        idle: u64,
    },
    Touch {
        id: u64,
        generation: Place,
        at: u64,
    },
    End {
        id: u64,
        at: u64,
        reason: EndReason,
    },
    EndAll {
        subject: &'static str,
        except: Option<u64>,
        at: u64,
        reason: EndReason,
    },
    List {
        subject: &'static str,
    },
    SetClaims {
        subject: &'static str,
        claims: u64,
    },
    Revoked {
        since: u64,
    },
    Release {
        before: u64,
    },
    Purge {
        before: u64,
    },
}

fn steps(purges: bool) -> impl Strategy<Value = Step> {
    let id = || 0..IDS;
    let subject = || select(&SUBJECTS[..]);
    let at = || 0..6_u64;
    let reason = || select(&EndReason::ALL[..]);
    let place = || prop_oneof![3 => Just(Place::Current), 1 => (1..30_u64).prop_map(Place::At)];
    let status = prop::option::of(0..4_u32);
    let insert = (id(), subject(), any::<bool>(), at(), at(), status).prop_map(
        |(id, subject, rich, idle, absolute, status)| Step::Insert {
            id,
            subject,
            rich,
            idle,
            absolute,
            status,
        },
    );
    let advance = (id(), place(), 1..4_u64, 0..3_u64, at(), at())
        .prop_map(|(id, from, by, mark, at, idle)| Step::Advance { id, from, by, mark, at, idle });
    let touch =
        (id(), place(), at()).prop_map(|(id, generation, at)| Step::Touch { id, generation, at });
    let end = (id(), at(), reason()).prop_map(|(id, at, reason)| Step::End { id, at, reason });
    let end_all = (subject(), prop::option::of(id()), at(), reason())
        .prop_map(|(subject, except, at, reason)| Step::EndAll { subject, except, at, reason });
    let set_claims =
        (subject(), 0..4_u64).prop_map(|(subject, claims)| Step::SetClaims { subject, claims });
    // A choice of more than ten takes no weight of zero.
    let purge =
        move |before| if purges { Step::Purge { before } } else { Step::Release { before } };
    prop_oneof![
        6 => insert,
        2 => id().prop_map(|id| Step::Find { id }),
        8 => advance,
        3 => touch,
        2 => end,
        1 => end_all,
        1 => subject().prop_map(|subject| Step::List { subject }),
        1 => set_claims,
        1 => at().prop_map(|since| Step::Revoked { since }),
        1 => at().prop_map(|before| Step::Release { before }),
        1 => at().prop_map(purge),
    ]
}

pub(super) async fn generated_sequences_match_the_reference(bench: SessionBench) -> Verdict {
    let settings = bench.settings().clone();
    let bench = &tokio::sync::Mutex::new(bench);
    sequences(&settings, steps(settings.purges), |steps| async move {
        let mut bench = bench.lock().await;
        bench.renew().await;
        let reference = MemoryStore::new();
        for step in &steps {
            take(step, &reference, bench.store()).await?;
        }
        in_the_end(&reference, bench.store()).await
    })
}

async fn in_the_end(reference: &MemoryStore, store: &dyn SessionStore) -> Verdict {
    for number in 0..IDS {
        take(&Step::Find { id: number }, reference, store).await?;
    }
    for subject in SUBJECTS {
        take(&Step::List { subject }, reference, store).await?;
    }
    Ok(())
}

/// Takes the step on both, and compares what they say.
async fn take(step: &Step, reference: &MemoryStore, store: &dyn SessionStore) -> Verdict {
    let model: &dyn SessionStore = reference;
    let what = format!("the answer to {step:?}");
    match *step {
        Step::Insert { id, subject, rich, idle, absolute, status } => {
            let session = session(id, subject, rich, idle, absolute);
            let session = Session { status: status.map(sample::index), ..session };
            same(&what, &model.insert(&session).await?, &store.insert(&session).await?)
        }
        Step::Find { id } => {
            let id = sample::id(id);
            same_found(&what, model.find(&id).await?, store.find(&id).await?)
        }
        Step::Advance { id, from, by, mark, at, idle } => {
            let id = sample::id(id);
            let from = generation(model, &id, from).await?;
            let to = sample::generation(from.number() + by);
            let (mark, issued_at, expires_at) = (sample::mark(mark), later(at), expiry(idle));
            let step = Advance { from, to, mark, issued_at, expires_at };
            let wanted = model.advance(&id, &step).await?;
            same_outcome(&what, &wanted, &store.advance(&id, &step).await?)
        }
        Step::Touch { id, generation: place, at } => {
            let id = sample::id(id);
            let at_generation = generation(model, &id, place).await?;
            let wanted = model.touch(&id, at_generation, later(at)).await?;
            same_outcome(&what, &wanted, &store.touch(&id, at_generation, later(at)).await?)
        }
        Step::End { id, at, reason } => {
            let (id, ended) = (sample::id(id), Ended { at: later(at), reason });
            let wanted: Outcome = model.end(&id, ended).await?;
            same_outcome(&what, &wanted, &store.end(&id, ended).await?)
        }
        Step::EndAll { subject, except, at, reason } => {
            let (subject, ended) = (named(subject), Ended { at: later(at), reason });
            let except = except.map(sample::id);
            let wanted = model.end_all(&subject, except.as_ref(), ended).await?;
            let found = store.end_all(&subject, except.as_ref(), ended).await?;
            same_sessions(&what, &wanted, &found)
        }
        Step::List { subject } => {
            let subject = named(subject);
            same_sessions(&what, &model.list(&subject).await?, &store.list(&subject).await?)
        }
        Step::SetClaims { subject, claims: number } => {
            let (subject, claims) = (named(subject), claims(number));
            model.set_claims(&subject, &claims).await?;
            Ok(store.set_claims(&subject, &claims).await?)
        }
        Step::Revoked { since } => {
            let mut wanted = model.revoked(later(since)).await?;
            let mut found = store.revoked(later(since)).await?;
            wanted.sort();
            found.sort();
            same(&what, &wanted, &found)
        }
        Step::Release { before } => {
            // All of them, as nothing says which a store takes first.
            let (before, all) = (later(before), u32::MAX);
            same(&what, &model.release(before, all).await?, &store.release(before, all).await?)
        }
        Step::Purge { before } => {
            // All that is dead, as nothing says which a store drops first.
            let (before, all) = (expiry(before), u32::MAX);
            same(&what, &model.purge(before, all).await?, &store.purge(before, all).await?)
        }
    }
}

fn same_found(what: &str, wanted: Option<Session>, found: Option<Session>) -> Verdict {
    match (wanted, found) {
        (Some(wanted), Some(found)) => same_session(what, &wanted, &found),
        (None, None) => Ok(()),
        (Some(_), None) => Err(Failure::new(format!("{what}: the session is gone"))),
        (None, Some(_)) => Err(Failure::new(format!("{what}: there should be no session"))),
    }
}

async fn generation(
    model: &dyn SessionStore,
    id: &SessionId,
    place: Place,
) -> Result<aquaware_core::id::Generation, Failure> {
    let current = model.find(id).await?.map_or(1, |session| session.generation.number());
    Ok(sample::generation(match place {
        Place::Current => current,
        Place::At(number) => number,
    }))
}

fn session(id: u64, subject: &str, full: bool, idle: u64, absolute: u64) -> Session {
    let session = of(if full { rich(id) } else { plain(id) }, subject);
    Session { expires_at: expiry(idle), ends_at: expiry(absolute), ..session }
}

fn expiry(number: u64) -> Timestamp {
    later(1000 + number)
}

fn named(subject: &str) -> Subject {
    sample::subject(subject)
}

fn claims(number: u64) -> ExtraClaims {
    match number {
        0 => ExtraClaims::new(),
        _ => sample::claims(json!({"number": number, "list": []})),
    }
}
