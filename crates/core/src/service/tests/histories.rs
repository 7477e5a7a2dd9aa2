//! Arbitrary histories: tokens of any generation, with any keys, at any time, interrupted by ends.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::claims::RefreshClaims;
use crate::jwt::Verified;
use crate::retry::Mark;
use crate::succession::{Attempt, Proof, Verdict, judge};

#[derive(Clone, Debug)]
enum Event {
    /// One of the tokens there are comes in, with one of three keys or none.
    Refresh { which: usize, key: Option<u8> },
    /// Time passes.
    Pass(Duration),
    /// The user logs out with one of the tokens.
    LogOut { which: usize },
    /// The user or an operator ends it.
    End(EndReason),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    const SPANS: [u64; 6] = [1, 29_999, 30_000, 30_001, 3_600_000, 10 * 86_400_000];
    let refresh = (any::<usize>(), option::of(0..3_u8))
        .prop_map(|(which, key)| Event::Refresh { which, key });
    // The newest token comes in more often than chance would have it.
    let newest = option::of(0..3_u8).prop_map(|key| Event::Refresh { which: 0, key });
    let event = prop_oneof![
        8 => refresh,
        8 => newest,
        8 => select(&SPANS).prop_map(|millis| Event::Pass(Duration::from_millis(millis))),
        1 => any::<usize>().prop_map(|which| Event::LogOut { which }),
        1 => select(&EndReason::ALL).prop_map(Event::End),
    ];
    vec(event, 1..40)
}

/// What a history has shown so far.
struct Seen {
    /// The one token of each generation.
    tokens: BTreeMap<u64, String>,
    ended: Option<Ended>,
}

impl Seen {
    /// The token `which` places back from the newest.
    fn pick(&self, which: usize) -> String {
        self.tokens.values().rev().nth(which % self.tokens.len()).unwrap().clone()
    }

    fn learn(&mut self, token: String) -> Result<(), TestCaseError> {
        let generation = generation_of(&token);
        let known = self.tokens.entry(generation).or_insert_with(|| token.clone());
        prop_assert_eq!(&*known, &token, "a second token of generation {}", generation);
        Ok(())
    }
}

/// How many of the tokens would open a new generation, were they presented by a stranger.
fn live_generations(service: &TestService, seen: &Seen) -> usize {
    let stranger = Mark::from_bytes([0xee; 16]);
    let snapshot = service.context().snapshot;
    let windowless = fixture::profile("web", with_window(Duration::ZERO));
    let live = |token: &&String| {
        let claims: Verified<RefreshClaims> =
            snapshot.check_refresh(token, service.clock.now()).unwrap();
        let attempt = Attempt {
            presented: (&claims).into(),
            mark: stranger,
            proof: Proof::None,
            origin: None,
            profile: &windowless,
            now: service.clock.now(),
        };
        match judge(&service.record(), &attempt) {
            Verdict::Advance(_) | Verdict::Keep(_) | Verdict::Repeat => true,
            Verdict::Reuse | Verdict::Expired | Verdict::Ended(_) => false,
        }
    };
    seen.tokens.values().filter(live).count()
}

fn play(service: &TestService, seen: &mut Seen, event: &Event) -> Result<(), TestCaseError> {
    match event {
        Event::Pass(span) => service.advance(*span),
        Event::LogOut { which } => {
            block_on(service.sessions.log_out(&service.context(), &seen.pick(*which))).unwrap();
        }
        Event::End(reason) => {
            block_on(service.sessions.end(&service.context(), &service.record().id, *reason))
                .unwrap();
        }
        Event::Refresh { which, key } => {
            let key = key.map(|n| format!("one-of-three-keys-{n}"));
            let outcome = service.refresh(&seen.pick(*which), key.as_deref());
            match outcome {
                Ok((granted, renewal)) => {
                    prop_assert!(seen.ended.is_none(), "an ended session lives");
                    prop_assert_ne!(renewal, RefreshOutcome::Healed);
                    seen.learn(token_of(&granted))?;
                }
                Err(RefreshError::Reused | RefreshError::Ended(_)) => {
                    prop_assert!(service.record().ended.is_some());
                }
                Err(RefreshError::Expired) => {}
                Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_generation_is_live_each_has_one_token_and_ended_sessions_stay_ended(events in events()) {
        let service = TestService::new(for_a_century(with_window(WINDOW)));
        let first = token_of(&service.open());
        let mut seen = Seen { tokens: BTreeMap::from([(1, first)]), ended: None };
        for event in events {
            let before = service.record().generation;
            play(&service, &mut seen, &event)?;
            let record = service.record();
            prop_assert!(record.generation == before || record.generation == before.next());
            prop_assert_eq!(seen.tokens.len() as u64, record.generation.number());
            prop_assert!(live_generations(&service, &seen) <= 1);
            if seen.ended.is_some() {
                prop_assert_eq!(record.ended, seen.ended, "the first end stays");
                prop_assert_eq!(live_generations(&service, &seen), 0);
                prop_assert_eq!(record.generation, before);
            }
            seen.ended = record.ended;
        }
    }
}
