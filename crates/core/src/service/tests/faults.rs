//! A store that fails at every step of a refresh, in every way, once or several times in a row.

use super::wire::Fate;
use super::*;
use crate::id::Generation;
use crate::store::StoreError;

/// What is told apart: the client's means of recovery.
#[derive(Clone, Copy, Debug)]
struct Client {
    key: Option<&'static str>,
    window: Duration,
    rotation: Rotation,
}

const KEYED: Client =
    Client { key: Some("intention-0000001"), window: Duration::ZERO, rotation: Rotation::Always };
const IN_THE_WINDOW: Client = Client { key: None, window: WINDOW, rotation: Rotation::Always };
const BARE: Client = Client { key: None, window: Duration::ZERO, rotation: Rotation::Always };
const DEVICE: Client = Client { key: None, window: Duration::ZERO, rotation: Rotation::Never };

impl Client {
    fn world(self) -> World {
        World::new(ProfileSettings {
            retry_window: self.window,
            rotation: self.rotation,
            ..ProfileSettings::default()
        })
    }

    /// The token it holds after an answer.
    fn next(self, token: &str, granted: &Granted) -> String {
        match self.rotation {
            Rotation::Always => token_of(granted),
            Rotation::Never => {
                assert!(granted.refresh.is_none());
                token.to_owned()
            }
        }
    }
}

/// One refresh under these fates, and a retry if it failed. Then the client goes on, in peace.
fn survives(client: Client, fates: &[Fate]) {
    let world = client.world();
    let token = token_of(&world.open());
    world.advance(HOUR);
    world.wire.plan(fates);
    let first = world.refresh(&token, client.key);
    world.wire.plan(&[]);
    let granted = match first {
        Ok((granted, _)) => granted,
        Err(RefreshError::Service(ServiceError::Store(error))) => {
            assert!(error.is_transient(), "{fates:?}");
            world.advance(Duration::from_secs(1));
            let retry = world.refresh(&token, client.key);
            retry.unwrap_or_else(|error| panic!("{client:?}, {fates:?}: {error}")).0
        }
        Err(other) => panic!("{client:?}, {fates:?}: {other}"),
    };
    let live = if client.rotation == Rotation::Always { 2 } else { 1 };
    assert_eq!(world.record().generation.number(), live, "{fates:?}");
    let token = client.next(&token, &granted);
    world.advance(HOUR);
    assert!(world.refresh(&token, client.key).is_ok(), "{client:?}, {fates:?}");
}

/// Every sequence of up to `most` fates.
fn sequences(most: usize) -> Vec<Vec<Fate>> {
    let mut all = vec![vec![]];
    let mut longest = all.clone();
    for _ in 0..most {
        longest = longest
            .iter()
            .flat_map(|start| {
                let fates = [Fate::Done].into_iter().chain(Fate::FAULTS);
                fates.map(|fate| [start.clone(), vec![fate]].concat())
            })
            .collect();
        all.extend(longest.clone());
    }
    all
}

#[test]
fn store_failures_log_out_no_client_with_a_key_a_window_or_one_token() {
    for fates in sequences(4) {
        for client in [KEYED, IN_THE_WINDOW, DEVICE] {
            survives(client, &fates);
        }
    }
}

/// With no key and no window, the mark alone: the same request finds its own step again.
#[test]
fn a_single_store_failure_logs_no_client_out() {
    for fault in Fate::FAULTS {
        for place in 0..5 {
            let mut fates = vec![Fate::Done; place];
            fates.push(fault);
            survives(BARE, &fates);
        }
    }
}

#[test]
fn a_lost_response_is_recovered_by_the_mark() {
    for client in [BARE, KEYED, IN_THE_WINDOW] {
        for (fate, calls) in [
            (Fate::Unanswered, vec!["advance", "find"]),
            (Fate::Lost, vec!["advance", "find", "advance"]),
            (Fate::Late, vec!["advance", "find", "advance"]),
        ] {
            let world = client.world();
            let token = token_of(&world.open());
            world.wire.calls();
            world.wire.plan(&[fate]);
            let (granted, _) = world.refresh(&token, client.key).unwrap();
            assert_eq!(world.wire.calls(), calls, "{fate:?}");
            assert_eq!(generation_of(&token_of(&granted)), 2);
            assert_eq!(world.record().generation.number(), 2, "{fate:?}");
        }
    }
}

/// The reading back is tried again before the client has to.
#[test]
fn reading_back_is_tried_three_times() {
    let world = BARE.world();
    let token = token_of(&world.open());
    world.wire.calls();
    world.wire.plan(&[Fate::Unanswered, Fate::Unreachable, Fate::Lost]);
    assert!(world.refresh(&token, None).is_ok());
    assert_eq!(world.wire.calls(), ["advance", "find", "find", "find"]);
}

/// What remains, and what the key and the window are for: done, never answered, nothing readable.
#[test]
fn without_key_and_window_a_step_that_was_not_read_back_counts_as_reuse() {
    let world = BARE.world();
    let token = token_of(&world.open());
    let dark = [Fate::Unanswered, Fate::Unreachable, Fate::Unreachable, Fate::Unreachable];
    world.wire.plan(&dark);
    assert!(matches!(world.refresh(&token, None), Err(RefreshError::Service(_))));
    assert!(matches!(world.refresh(&token, None), Err(RefreshError::Reused)));
}

#[test]
fn an_unreachable_store_is_tried_once_and_nothing_is_used_up() {
    let world = BARE.world();
    let token = token_of(&world.open());
    world.wire.calls();
    world.wire.plan(&[Fate::Unreachable]);
    let failed = world.refresh(&token, None);
    assert!(matches!(
        failed,
        Err(RefreshError::Service(ServiceError::Store(StoreError::Unreachable(_))))
    ));
    assert_eq!(world.wire.calls(), ["advance"]);
    assert_eq!(world.record().generation, Generation::FIRST);
    assert!(world.refresh(&token, None).is_ok());
}

#[test]
fn reuse_detected_during_an_outage_is_detected_again() {
    for fate in Fate::FAULTS {
        let world = BARE.world();
        let first = token_of(&world.open());
        let second = renewed(world.refresh(&first, None));
        world.advance(HOUR);
        world.wire.plan(&[Fate::Done, fate]);
        assert!(matches!(world.refresh(&first, None), Err(RefreshError::Service(_))));
        let again = world.refresh(&first, None);
        assert!(
            matches!(again, Err(RefreshError::Reused | RefreshError::Ended(EndReason::Reuse))),
            "{fate:?}"
        );
        assert!(world.refresh(&second, None).is_err(), "{fate:?}");
    }
}

/// The healing is a step like any other.
#[test]
fn failures_while_healing_a_lost_write_log_no_client_out() {
    for fates in sequences(4) {
        for client in [KEYED, IN_THE_WINDOW] {
            let world = client.world();
            let mut token = token_of(&world.open());
            let copy = world.copy();
            for _ in 0..3 {
                world.advance(HOUR);
                token = renewed(world.refresh(&token, None));
            }
            world.advance(HOUR);
            let world = world.restored(&copy);
            world.wire.plan(&fates);
            let first = world.refresh(&token, client.key);
            world.wire.plan(&[]);
            let next = match first {
                Ok((granted, _)) => token_of(&granted),
                Err(RefreshError::Service(_)) => renewed(world.refresh(&token, client.key)),
                Err(other) => panic!("{client:?}, {fates:?}: {other}"),
            };
            assert_eq!(generation_of(&next), 5, "{fates:?}");
            world.advance(HOUR);
            assert!(world.refresh(&next, None).is_ok(), "{fates:?}");
        }
    }
}

#[test]
fn no_token_is_signed_before_the_session_is_stored() {
    for fate in Fate::FAULTS {
        let world = BARE.world();
        world.wire.plan(&[fate]);
        let new = fixture::login_of(1);
        let outcome = block_on(world.sessions.open(&world.context(), world.profile(), new));
        assert!(matches!(outcome, Err(ServiceError::Store(_))), "{fate:?}");
    }
}
