//! Stolen tokens are detected: two parties with one token, and a rule that would not detect them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::retry::Mark;
use crate::store::Outcome;
use crate::succession::{Attempt, Presented, Proof, Verdict, judge};

/// Owner and thief, each with what the server last gave them.
struct Parties {
    held: [String; 2],
    uses: [usize; 2],
}

impl Parties {
    fn with(token: String) -> Self {
        Self { held: [token.clone(), token], uses: [0; 2] }
    }

    /// One of them refreshes with a key that the other can't know.
    fn act(&mut self, service: &TestService, who: usize) -> Refreshed {
        self.uses[who] += 1;
        let key = format!("party-{who}-use-{:08}", self.uses[who]);
        let outcome = service.refresh(&self.held[who], Some(&key));
        if let Ok((granted, _)) = &outcome {
            self.held[who] = token_of(granted);
        }
        outcome
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However long one of them goes on alone, the other's first use ends it all.
    #[test]
    fn a_second_holder_of_a_token_is_detected_at_its_first_use(
        turns in vec((0..2_usize, 0..100_000_u64), 2..12),
        window in prop_oneof![Just(Duration::ZERO), Just(WINDOW)],
    ) {
        let service = TestService::new(with_window(window));
        let mut parties = Parties::with(token_of(&service.open()));
        for (who, more) in turns {
            service.advance(window + Duration::from_millis(more));
            let both = parties.uses[1 - who] > 0;
            let outcome = parties.act(&service, who);
            if both {
                prop_assert!(matches!(outcome, Err(RefreshError::Reused)));
                prop_assert_eq!(service.record().ended.unwrap().reason, EndReason::Reuse);
                for who in 0..2 {
                    let dead = parties.act(&service, who);
                    prop_assert!(matches!(dead, Err(RefreshError::Ended(EndReason::Reuse))));
                }
                break;
            }
            prop_assert!(outcome.is_ok());
        }
    }

    /// Inside the window they look like two tabs; with two numbers and an instant for a model.
    #[test]
    fn reuse_is_detected_at_the_first_use_of_a_superseded_token_outside_the_window(
        turns in vec((0..2_usize, 0..45_000_u64), 1..40),
    ) {
        let service = TestService::new(with_window(WINDOW));
        let mut parties = Parties::with(token_of(&service.open()));
        let (mut live, mut held, mut first_use) = (1, [1, 1], service.clock.now());
        for (who, millis) in turns {
            service.advance(Duration::from_millis(millis));
            let now = service.clock.now();
            let outcome = parties.act(&service, who);
            if held[who] == live {
                (live, first_use) = (live + 1, now);
            } else if held[who] + 1 != live || now >= first_use.plus(WINDOW) {
                prop_assert!(matches!(outcome, Err(RefreshError::Reused)));
                return Ok(());
            }
            held[who] = live;
            prop_assert_eq!(generation_of(&renewed(outcome)), live);
            prop_assert_eq!(service.record().generation.number(), live);
        }
    }
}

#[test]
fn a_thief_who_knows_the_key_cannot_start_a_second_branch() {
    let service = TestService::new(with_window(Duration::ZERO));
    let first = token_of(&service.open());
    let key = Some("a-key-that-was-seen");
    let owners = renewed(service.refresh(&first, key));
    service.advance(DAY);
    let thiefs = renewed(service.refresh(&first, key));
    assert_eq!(owners, thiefs);
    service.advance(HOUR);
    assert!(service.refresh(&thiefs, None).is_ok());
    service.advance(HOUR);
    assert!(matches!(service.refresh(&owners, None), Err(RefreshError::Reused)));
}

/// Reuse ends the one session and no other of its owner.
#[test]
fn reuse_ends_one_session() {
    let service = TestService::new(with_window(Duration::ZERO));
    let (stolen, other) = (token_of(&service.open()), token_of(&service.open()));
    renewed(service.refresh(&stolen, None));
    assert!(matches!(service.refresh(&stolen, None), Err(RefreshError::Reused)));
    assert!(service.refresh(&other, None).is_ok());
}

type Rule = fn(&Session, &Attempt<'_>) -> Verdict;

/// What some services do: the parent of the live token is accepted for ever.
fn parent_for_ever(session: &Session, attempt: &Attempt<'_>) -> Verdict {
    let parent = session.generation == attempt.presented.generation.next();
    if parent && session.is_live(attempt.now) { Verdict::Repeat } else { judge(session, attempt) }
}

/// Owner and thief take turns, hours apart, each with what they were given last. How many rounds
/// it goes on, a hundred at most.
fn rounds_unnoticed(rule: Rule) -> usize {
    let service = TestService::new(for_a_century(with_window(WINDOW)));
    let id = service.open().session.id;
    let mut held = [service.record(), service.record()];
    for round in 0..100 {
        for (who, held) in held.iter_mut().enumerate() {
            service.advance(5 * HOUR);
            let presented = Presented {
                generation: held.generation,
                issued_at: held.issued_at,
                expiry: held.refresh_expiry(),
            };
            let mark = Mark::from_bytes([(round * 2 + who + 1) as u8; 16]);
            let attempt = Attempt {
                presented,
                mark,
                proof: Proof::None,
                origin: None,
                profile: service.profile(),
                now: service.clock.now(),
            };
            *held = match rule(&service.record(), &attempt) {
                Verdict::Advance(step) => {
                    match block_on(service.memory.advance(&id, &step)).unwrap() {
                        Outcome::Applied(session) => session,
                        other => panic!("nobody else is here: {other:?}"),
                    }
                }
                Verdict::Repeat => service.record(),
                Verdict::Reuse => return round,
                other => panic!("{other:?}"),
            };
        }
    }
    100
}

/// The executable counter-example of design.md.
#[test]
fn accepting_the_parent_without_a_limit_lets_a_thief_take_turns_unnoticed() {
    assert_eq!(rounds_unnoticed(parent_for_ever), 100);
    assert_eq!(rounds_unnoticed(judge), 0);
}
