//! Generated sequences of session steps: every result, and every record at the end, must equal that
//! of the reference.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{EndReason, Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, MemoryStore, Outcome, SessionStore, Touch};
use aquaware_core::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::compare::{end_all, list_all, same_outcome, same_session, same_sessions};
use crate::error::{CheckError, CheckResult, same, same_items};
use crate::fixture::SessionFixture;
use crate::sample::{self, full, later, minimal, owned_by};
use crate::sequence::run_sequences;

/// Few ids and few instants, so that the steps affect each other.
const IDS: u64 = 4;
const SUBJECTS: [&str; 3] = ["ann", "Ann", "ann "];

/// The generation that a step expects.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The current one.
    Current,
    /// The one with this number.
    Number(u64),
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        id: u64,
        subject: &'static str,
        all_fields: bool,
        idle: u64,
        absolute: u64,
        status: Option<u32>,
    },
    Find {
        id: u64,
    },
    Advance {
        id: u64,
        from: Expected,
        by: u64,
        mark: u64,
        at: u64,
        idle: u64,
        shown: u64,
    },
    Touch {
        id: u64,
        generation: Expected,
        at: u64,
        shown: u64,
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
    EndLeastUsed {
        newest: u64,
        keep: u32,
        at: u64,
    },
    List {
        subject: &'static str,
    },
    SetClaims {
        ids: Vec<u64>,
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
    let expected =
        || prop_oneof![3 => Just(Expected::Current), 1 => (1..30_u64).prop_map(Expected::Number)];
    let status = prop::option::of(0..4_u32);
    let insert = (id(), subject(), any::<bool>(), at(), at(), status).prop_map(
        |(id, subject, all_fields, idle, absolute, status)| Step::Insert {
            id,
            subject,
            all_fields,
            idle,
            absolute,
            status,
        },
    );
    let advance = (id(), expected(), 1..4_u64, 0..3_u64, at(), at(), at()).prop_map(
        |(id, from, by, mark, at, idle, shown)| Step::Advance {
            id,
            from,
            by,
            mark,
            at,
            idle,
            shown,
        },
    );
    let touch = (id(), expected(), at(), at())
        .prop_map(|(id, generation, at, shown)| Step::Touch { id, generation, at, shown });
    let end = (id(), at(), reason()).prop_map(|(id, at, reason)| Step::End { id, at, reason });
    let end_all = (subject(), prop::option::of(id()), at(), reason())
        .prop_map(|(subject, except, at, reason)| Step::EndAll { subject, except, at, reason });
    let end_least_used = (id(), 1..3_u32, at()).prop_map(|(newest, keep, at)| Step::EndLeastUsed {
        newest,
        keep,
        at,
    });
    let set_claims = (prop::collection::vec(id(), 0..9), 0..4_u64)
        .prop_map(|(ids, claims)| Step::SetClaims { ids, claims });
    // `prop_oneof!` has no variant with an optional weight for this many choices.
    let set_claims = prop_oneof![set_claims, end_least_used];
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

pub(super) async fn generated_sequences_match_the_reference(
    fixture: SessionFixture,
) -> CheckResult {
    let settings = fixture.settings().clone();
    let fixture = &tokio::sync::Mutex::new(fixture);
    run_sequences(&settings, steps(settings.purges), |steps| async move {
        let mut fixture = fixture.lock().await;
        fixture.renew().await;
        let reference = MemoryStore::new();
        for step in &steps {
            make(step, &reference, fixture.store()).await?;
        }
        final_records(&reference, fixture.store()).await
    })
}

async fn final_records(reference: &MemoryStore, store: &dyn SessionStore) -> CheckResult {
    for number in 0..IDS {
        make(&Step::Find { id: number }, reference, store).await?;
    }
    for subject in SUBJECTS {
        make(&Step::List { subject }, reference, store).await?;
    }
    Ok(())
}

/// Makes the step on both stores and compares the results.
async fn make(step: &Step, reference: &MemoryStore, store: &dyn SessionStore) -> CheckResult {
    let model: &dyn SessionStore = reference;
    let what = format!("the result of {step:?}");
    match *step {
        Step::Insert { id, subject, all_fields, idle, absolute, status } => {
            let session = session(id, subject, all_fields, idle, absolute);
            let session = Session { status: status.map(sample::status_index), ..session };
            same(&what, &model.insert(&session).await?, &store.insert(&session).await?)
        }
        Step::Find { id } => {
            let id = sample::session_id(id);
            same_found(&what, model.find(&id).await?, store.find(&id).await?)
        }
        Step::Advance { id, from, by, mark, at, idle, shown } => {
            let id = sample::session_id(id);
            let from = generation(model, &id, from).await?;
            let to = sample::generation(from.number() + by);
            let (mark, issued_at, expires_at) = (sample::mark(mark), later(at), expiry(idle));
            let used_from = full(0).used_from.filter(|_| by > 1);
            let visible_before = later(shown);
            let step = Advance { from, to, mark, used_from, issued_at, expires_at, visible_before };
            let expected = model.advance(&id, &step).await?;
            same_outcome(&what, &expected, &store.advance(&id, &step).await?)
        }
        Step::Touch { id, generation: expected, at, shown } => {
            let id = sample::session_id(id);
            let at_generation = generation(model, &id, expected).await?;
            let touch =
                Touch { generation: at_generation, at: later(at), visible_before: later(shown) };
            let expected = model.touch(&id, &touch).await?;
            same_outcome(&what, &expected, &store.touch(&id, &touch).await?)
        }
        Step::End { id, at, reason } => {
            let (id, ended) = (sample::session_id(id), Ended { at: later(at), reason });
            let expected: Outcome = model.end(&id, ended).await?;
            same_outcome(&what, &expected, &store.end(&id, ended).await?)
        }
        Step::EndAll { subject, except, at, reason } => {
            let (subject, ended) = (subject_of(subject), Ended { at: later(at), reason });
            let except = except.map(sample::session_id);
            let expected = end_all(model, &subject, except.as_ref(), ended).await?;
            let found = end_all(store, &subject, except.as_ref(), ended).await?;
            same_sessions(&what, &expected, &found)
        }
        Step::EndLeastUsed { newest, keep, at } => {
            let Some(newest) = model.find(&sample::session_id(newest)).await? else {
                return Ok(());
            };
            if newest.ended.is_some() {
                return Ok(());
            }
            let owner = (&newest.subject, &newest.client);
            let ended = Ended { at: later(at), reason: EndReason::Limit };
            let expected = model.end_least_used(owner, &newest.id, keep, ended, 100).await?;
            let found = store.end_least_used(owner, &newest.id, keep, ended, 100).await?;
            same_sessions(&what, &expected, &found)
        }
        Step::List { subject } => {
            let subject = subject_of(subject);
            let (expected, found) =
                (list_all(model, &subject).await?, list_all(store, &subject).await?);
            let ids = |list: &[Session]| list.iter().map(|it| it.id).collect::<Vec<_>>();
            same(&what, &ids(&expected), &ids(&found))?;
            same_sessions(&what, &expected, &found)
        }
        Step::SetClaims { ref ids, claims: number } => {
            let claims = claims(number);
            let ids: Vec<SessionId> = ids.iter().copied().map(sample::session_id).collect();
            model.set_claims(&ids, &claims).await?;
            Ok(store.set_claims(&ids, &claims).await?)
        }
        Step::Revoked { since } => {
            let expected = model.revoked(later(since)).await?;
            same_items(&what, expected, store.revoked(later(since)).await?)
        }
        Step::Release { before } => {
            // All of them, because the order in which a store releases indices is not specified.
            let (before, all) = (later(before), u32::MAX);
            same(&what, &model.release(before, all).await?, &store.release(before, all).await?)
        }
        Step::Purge { before } => {
            // All of them, because the order in which a store removes records is not specified.
            let (before, all) = (expiry(before), u32::MAX);
            same(&what, &model.purge(before, all).await?, &store.purge(before, all).await?)
        }
    }
}

fn same_found(what: &str, expected: Option<Session>, found: Option<Session>) -> CheckResult {
    match (expected, found) {
        (Some(expected), Some(found)) => same_session(what, &expected, &found),
        (None, None) => Ok(()),
        (Some(_), None) => Err(CheckError::new(format!("{what}: expected a session, found None"))),
        (None, Some(_)) => Err(CheckError::new(format!("{what}: expected None, found a session"))),
    }
}

async fn generation(
    model: &dyn SessionStore,
    id: &SessionId,
    expected: Expected,
) -> Result<Generation, CheckError> {
    let current = model.find(id).await?.map_or(1, |session| session.generation.number());
    Ok(sample::generation(match expected {
        Expected::Current => current,
        Expected::Number(number) => number,
    }))
}

fn session(id: u64, subject: &str, all_fields: bool, idle: u64, absolute: u64) -> Session {
    let session = owned_by(if all_fields { full(id) } else { minimal(id) }, subject);
    Session { expires_at: expiry(idle), ends_at: expiry(absolute), ..session }
}

fn expiry(number: u64) -> Timestamp {
    later(1000 + number)
}

fn subject_of(subject: &str) -> Subject {
    sample::subject(subject)
}

fn claims(number: u64) -> ExtraClaims {
    match number {
        0 => ExtraClaims::new(),
        _ => sample::claims(json!({"number": number, "list": []})),
    }
}
