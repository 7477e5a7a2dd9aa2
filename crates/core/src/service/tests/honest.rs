//! Honest clients are never logged out: clients that share their token with no other party, on
//! unreliable connections.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What becomes of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Good,
    RequestLost,
    AnswerLost,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    line: Line,
    /// How long the client waits before it.
    after: Duration,
    /// Which of two servers it reaches.
    replica: bool,
}

fn line() -> impl Strategy<Value = Line> {
    select(&[Line::Good, Line::RequestLost, Line::AnswerLost, Line::AnswerLost])
}

fn tries(at_most: usize, delays: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<Try>> {
    let one = (line(), delays, any::<bool>()).prop_map(|(line, millis, replica)| Try {
        line,
        after: Duration::from_millis(millis),
        replica,
    });
    vec(one, 1..=at_most)
}

/// A client that refreshes, tries again until an answer arrives, and keeps what it got.
fn live_honestly(
    settings: ProfileSettings,
    intentions: &[(Duration, Vec<Try>)],
    with_key: bool,
) -> Result<(), TestCaseError> {
    let service = TestService::new(for_a_century(settings));
    let replica = service.replica();
    let mut token = token_of(&service.open());
    for (number, (pause, tries)) in intentions.iter().enumerate() {
        service.advance(*pause);
        let key = with_key.then(|| format!("intention-{number:08}"));
        let patient = Try { line: Line::Good, after: Duration::from_millis(10), replica: false };
        for attempt in tries.iter().chain([&patient]) {
            service.advance(attempt.after);
            if attempt.line == Line::RequestLost {
                continue;
            }
            let server = if attempt.replica { &replica } else { &*service.sessions };
            let outcome = refresh(server, &token, key.as_deref(), &service.clock);
            let (granted, _) = outcome.map_err(|error| {
                TestCaseError::fail(format!("intention {number}, {attempt:?}: {error}"))
            })?;
            if attempt.line == Line::Good {
                let next = token_of(&granted);
                prop_assert_eq!(generation_of(&next), generation_of(&token) + 1);
                token = next;
                break;
            }
        }
    }
    prop_assert_eq!(service.record().ended, None);
    prop_assert_eq!(generation_of(&token), intentions.len() as u64 + 1);
    Ok(())
}

const DAY_MILLIS: u64 = 86_400_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A token lives 30 days from its issue, which is the first use of the one before it, however
    /// late its answer arrived: so two intentions in a row stay below that.
    #[test]
    fn with_a_key_any_losses_and_delays_are_harmless(
        intentions in vec((0..DAY_MILLIS, tries(6, 0..2 * DAY_MILLIS)), 1..12),
        window in select(&[Duration::ZERO, WINDOW]),
    ) {
        let intentions: Vec<_> = intentions
            .into_iter()
            .map(|(millis, tries)| (Duration::from_millis(millis), tries))
            .collect();
        live_honestly(with_window(window), &intentions, true)?;
    }

    /// Five tries within six seconds each: inside the window, whichever was the first use.
    #[test]
    fn without_a_key_losses_within_the_window_are_harmless(
        intentions in vec((0..29 * DAY_MILLIS, tries(5, 0..=5990_u64)), 1..12),
    ) {
        let intentions: Vec<_> = intentions
            .into_iter()
            .map(|(millis, tries)| (Duration::from_millis(millis), tries))
            .collect();
        live_honestly(with_window(WINDOW), &intentions, false)?;
    }

    /// Several tabs that share one token, each with a key of its own or none.
    #[test]
    fn tabs_that_refresh_within_the_window_receive_the_same_token(
        rounds in vec(vec((any::<bool>(), 0..4000_u64), 1..8), 1..6),
    ) {
        let service = TestService::new(for_a_century(with_window(WINDOW)));
        let mut shared = token_of(&service.open());
        for (round, tabs) in rounds.iter().enumerate() {
            service.advance(HOUR);
            let mut next = None;
            for (tab, (keyed, millis)) in tabs.iter().enumerate() {
                service.advance(Duration::from_millis(*millis));
                let key = keyed.then(|| format!("round-{round:06}-tab-{tab:06}"));
                let token = renewed(service.refresh(&shared, key.as_deref()));
                prop_assert_eq!(next.get_or_insert_with(|| token.clone()), &token);
            }
            shared = next.unwrap();
        }
        prop_assert_eq!(generation_of(&shared), rounds.len() as u64 + 1);
    }
}

/// The controller that wakes every half hour, on a line that loses nine answers in ten.
#[test]
fn a_client_with_a_key_stays_logged_in_when_nine_responses_in_ten_are_lost() {
    let half_hour = Duration::from_secs(1800);
    for window in [Duration::ZERO, WINDOW] {
        let service = TestService::new(with_window(window));
        let mut token = token_of(&service.open());
        for n in 0..50 {
            let key = format!("intention-{n:08}");
            for _ in 0..9 {
                service.advance(half_hour);
                let _lost = service.refresh(&token, Some(&key)).unwrap();
            }
            service.advance(half_hour);
            token = renewed(service.refresh(&token, Some(&key)));
            assert_eq!(generation_of(&token), n + 2);
        }
    }
}

#[test]
fn reusing_a_key_for_the_next_refresh_is_harmless() {
    let service = TestService::new(with_window(Duration::ZERO));
    let mut token = token_of(&service.open());
    for n in 2..20 {
        service.advance(HOUR);
        let lost = renewed(service.refresh(&token, Some("always-the-same-key")));
        service.advance(HOUR);
        token = renewed(service.refresh(&token, Some("always-the-same-key")));
        assert_eq!((generation_of(&token), &lost), (n, &token));
    }
}
