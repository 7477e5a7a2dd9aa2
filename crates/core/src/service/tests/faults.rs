//! A store that fails at every step of a refresh, in every way, once or several times in a row.

use super::faulty_store::CallOutcome;
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
    fn service(self) -> TestService {
        TestService::new(ProfileSettings {
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

/// One refresh under these outcomes, and a retry if it failed. Then the client goes on, in peace.
fn survives(client: Client, outcomes: &[CallOutcome]) {
    let service = client.service();
    let token = token_of(&service.open());
    service.advance(HOUR);
    service.store.plan(outcomes);
    let first = service.refresh(&token, client.key);
    service.store.plan(&[]);
    let granted = match first {
        Ok((granted, _)) => granted,
        Err(RefreshError::Service(ServiceError::Store(error))) => {
            assert!(error.is_transient(), "{outcomes:?}");
            service.advance(Duration::from_secs(1));
            let retry = service.refresh(&token, client.key);
            retry.unwrap_or_else(|error| panic!("{client:?}, {outcomes:?}: {error}")).0
        }
        Err(other) => panic!("{client:?}, {outcomes:?}: {other}"),
    };
    let live = if client.rotation == Rotation::Always { 2 } else { 1 };
    assert_eq!(service.record().generation.number(), live, "{outcomes:?}");
    let token = client.next(&token, &granted);
    service.advance(HOUR);
    assert!(service.refresh(&token, client.key).is_ok(), "{client:?}, {outcomes:?}");
}

/// Every sequence of up to `most` outcomes.
fn sequences(most: usize) -> Vec<Vec<CallOutcome>> {
    let mut all = vec![vec![]];
    let mut longest = all.clone();
    for _ in 0..most {
        longest = longest
            .iter()
            .flat_map(|start| {
                let outcomes = [CallOutcome::Done].into_iter().chain(CallOutcome::FAULTS);
                outcomes.map(|outcome| [start.clone(), vec![outcome]].concat())
            })
            .collect();
        all.extend(longest.clone());
    }
    all
}

#[test]
fn store_failures_log_out_no_client_with_a_key_a_window_or_one_token() {
    for outcomes in sequences(4) {
        for client in [KEYED, IN_THE_WINDOW, DEVICE] {
            survives(client, &outcomes);
        }
    }
}

/// With no key and no window, the mark alone: the same request finds its own step again.
#[test]
fn a_single_store_failure_logs_no_client_out() {
    for fault in CallOutcome::FAULTS {
        for place in 0..5 {
            let mut outcomes = vec![CallOutcome::Done; place];
            outcomes.push(fault);
            survives(BARE, &outcomes);
        }
    }
}

#[test]
fn a_lost_response_is_recovered_by_the_mark() {
    for client in [BARE, KEYED, IN_THE_WINDOW] {
        for (outcome, calls) in [
            (CallOutcome::Unanswered, vec!["advance", "find"]),
            (CallOutcome::Lost, vec!["advance", "find", "advance"]),
            (CallOutcome::Late, vec!["advance", "find", "advance"]),
        ] {
            let service = client.service();
            let token = token_of(&service.open());
            service.store.calls();
            service.store.plan(&[outcome]);
            let (granted, _) = service.refresh(&token, client.key).unwrap();
            assert_eq!(service.store.calls(), calls, "{outcome:?}");
            assert_eq!(generation_of(&token_of(&granted)), 2);
            assert_eq!(service.record().generation.number(), 2, "{outcome:?}");
        }
    }
}

/// The reading back is tried again before the client has to.
#[test]
fn reading_back_is_tried_three_times() {
    let service = BARE.service();
    let token = token_of(&service.open());
    service.store.calls();
    service.store.plan(&[CallOutcome::Unanswered, CallOutcome::Unreachable, CallOutcome::Lost]);
    assert!(service.refresh(&token, None).is_ok());
    assert_eq!(service.store.calls(), ["advance", "find", "find", "find"]);
}

/// What remains, and what the key and the window are for: done, never answered, nothing readable.
#[test]
fn without_key_and_window_a_step_that_was_not_read_back_counts_as_reuse() {
    let service = BARE.service();
    let token = token_of(&service.open());
    let dark = [
        CallOutcome::Unanswered,
        CallOutcome::Unreachable,
        CallOutcome::Unreachable,
        CallOutcome::Unreachable,
    ];
    service.store.plan(&dark);
    assert!(matches!(service.refresh(&token, None), Err(RefreshError::Service(_))));
    assert!(matches!(service.refresh(&token, None), Err(RefreshError::Reused)));
}

#[test]
fn an_unreachable_store_is_tried_once_and_nothing_is_used_up() {
    let service = BARE.service();
    let token = token_of(&service.open());
    service.store.calls();
    service.store.plan(&[CallOutcome::Unreachable]);
    let failed = service.refresh(&token, None);
    assert!(matches!(
        failed,
        Err(RefreshError::Service(ServiceError::Store(StoreError::Unreachable(_))))
    ));
    assert_eq!(service.store.calls(), ["advance"]);
    assert_eq!(service.record().generation, Generation::FIRST);
    assert!(service.refresh(&token, None).is_ok());
}

#[test]
fn reuse_detected_during_an_outage_is_detected_again() {
    for outcome in CallOutcome::FAULTS {
        let service = BARE.service();
        let first = token_of(&service.open());
        let second = renewed(service.refresh(&first, None));
        service.advance(HOUR);
        service.store.plan(&[CallOutcome::Done, outcome]);
        assert!(matches!(service.refresh(&first, None), Err(RefreshError::Service(_))));
        let again = service.refresh(&first, None);
        assert!(
            matches!(again, Err(RefreshError::Reused | RefreshError::Ended(EndReason::Reuse))),
            "{outcome:?}"
        );
        assert!(service.refresh(&second, None).is_err(), "{outcome:?}");
    }
}

/// The healing is a step like any other.
#[test]
fn failures_while_healing_a_lost_write_log_no_client_out() {
    for outcomes in sequences(4) {
        for client in [KEYED, IN_THE_WINDOW] {
            let service = client.service();
            let mut token = token_of(&service.open());
            let copy = service.copy();
            for _ in 0..3 {
                service.advance(HOUR);
                token = renewed(service.refresh(&token, None));
            }
            service.advance(HOUR);
            let service = service.restored(&copy);
            service.store.plan(&outcomes);
            let first = service.refresh(&token, client.key);
            service.store.plan(&[]);
            let next = match first {
                Ok((granted, _)) => token_of(&granted),
                Err(RefreshError::Service(_)) => renewed(service.refresh(&token, client.key)),
                Err(other) => panic!("{client:?}, {outcomes:?}: {other}"),
            };
            assert_eq!(generation_of(&next), 5, "{outcomes:?}");
            service.advance(HOUR);
            assert!(service.refresh(&next, None).is_ok(), "{outcomes:?}");
        }
    }
}

#[test]
fn no_token_is_signed_before_the_session_is_stored() {
    for outcome in CallOutcome::FAULTS {
        let service = BARE.service();
        service.store.plan(&[outcome]);
        let new = fixture::login_of(1);
        let outcome = block_on(service.sessions.open(&service.context(), service.profile(), new));
        assert!(matches!(outcome, Err(ServiceError::Store(_))), "{outcome:?}");
    }
}
