//! A store that lost its last writes: a copy put back, a failover that left some behind.

use proptest::prelude::*;

use super::*;

/// A session refreshed `steps` times, an hour apart, and all its tokens from the first on.
fn refreshed(service: &TestService, tokens: &mut Vec<String>, steps: usize) {
    for _ in 0..steps {
        service.advance(HOUR);
        tokens.push(renewed(service.refresh(tokens.last().unwrap(), None)));
    }
}

/// A client that is `lost` steps ahead of the store, which stands `kept` steps after the login.
fn rolled_back(window: Duration, kept: usize, lost: usize) -> (TestService, Vec<String>) {
    let service = TestService::new(with_window(window));
    let mut tokens = vec![token_of(&service.open())];
    refreshed(&service, &mut tokens, kept);
    let copy = service.copy();
    refreshed(&service, &mut tokens, lost);
    service.advance(HOUR);
    (service.restored(&copy), tokens)
}

#[test]
fn a_client_ahead_of_the_store_can_continue() {
    for (kept, lost) in [(0, 1), (0, 5), (3, 1), (3, 2), (7, 10)] {
        let (service, mut tokens) = rolled_back(Duration::ZERO, kept, lost);
        service.store.calls();
        let (granted, renewal) = service.refresh(tokens.last().unwrap(), None).unwrap();
        assert_eq!(renewal, RefreshOutcome::Healed);
        assert_eq!(service.store.calls(), ["advance", "advance"]);
        tokens.push(token_of(&granted));
        assert_eq!(generation_of(tokens.last().unwrap()), (kept + lost) as u64 + 2);
        refreshed(&service, &mut tokens, 3);
    }
}

#[test]
fn a_client_that_is_not_ahead_is_unaffected_by_a_rollback() {
    let (service, tokens) = rolled_back(Duration::ZERO, 4, 0);
    let (_, renewal) = service.refresh(tokens.last().unwrap(), None).unwrap();
    assert_eq!(renewal, RefreshOutcome::Advanced);
}

/// The answer got lost, and then the step.
#[test]
fn retrying_a_step_that_the_store_lost_returns_a_successor() {
    for key in [None, Some("intention-0000001")] {
        let service = TestService::new(with_window(Duration::ZERO));
        let first = token_of(&service.open());
        let copy = service.copy();
        let _lost = service.refresh(&first, key).unwrap();
        service.advance(DAY);
        let restored = service.restored(&copy);
        let second = renewed(restored.refresh(&first, key));
        restored.advance(HOUR);
        assert!(restored.refresh(&second, None).is_ok());
    }
}

#[test]
fn retrying_a_healed_refresh_repeats_its_response() {
    let (service, tokens) = rolled_back(Duration::ZERO, 2, 3);
    let ahead = tokens.last().unwrap();
    let key = Some("intention-0000001");
    let (granted, _) = service.refresh(ahead, key).unwrap();
    service.advance(DAY);
    let (again, renewal) = service.refresh(ahead, key).unwrap();
    assert_eq!(renewal, RefreshOutcome::Repeated);
    assert_eq!(token_of(&granted), token_of(&again));
    // Tokens of other sessions are not affected.
    assert!(matches!(service.refresh(ahead, None), Err(RefreshError::Reused)));
}

#[test]
fn a_client_ahead_of_the_store_cannot_revive_an_ended_session() {
    let service = TestService::new(ProfileSettings::default());
    let mut tokens = vec![token_of(&service.open())];
    let mut copy = service.copy();
    refreshed(&service, &mut tokens, 3);
    copy[0].ended = Some(Ended { at: service.clock.now(), reason: EndReason::LogoutAll });
    let restored = service.restored(&copy);
    let refused = restored.refresh(tokens.last().unwrap(), None);
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::LogoutAll))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Once the client was there after the loss, every superseded token is found out at once.
    #[test]
    fn after_the_client_a_thief_is_found_out_at_once(
        kept in 0..5_usize, lost in 0..5_usize, stolen in any::<usize>(),
    ) {
        let (service, tokens) = rolled_back(WINDOW, kept, lost);
        let stolen = &tokens[stolen % tokens.len()];
        prop_assert!(service.refresh(tokens.last().unwrap(), None).is_ok());
        service.advance(WINDOW);
        prop_assert!(matches!(service.refresh(stolen, None), Err(RefreshError::Reused)));
        prop_assert!(service.record().ended.is_some());
    }

    /// A thief who comes first passes for a client ahead of the store, once. The session ends at
    /// the second use at the latest: the client's, or the thief's own after it.
    #[test]
    fn before_the_client_a_thief_is_found_out_at_the_second_use(
        kept in 0..5_usize, lost in 0..5_usize, stolen in any::<usize>(), uses in 1..4_usize,
    ) {
        let (service, tokens) = rolled_back(WINDOW, kept, lost);
        let mut thiefs = tokens[stolen % tokens.len()].clone();
        let mut found = false;
        for _ in 0..uses {
            match service.refresh(&thiefs, None) {
                Ok((granted, _)) => thiefs = token_of(&granted),
                Err(error) => found = matches!(error, RefreshError::Reused),
            }
            service.advance(WINDOW);
            if found { break; }
        }
        for token in [tokens.last().unwrap(), &thiefs] {
            if !found {
                found = matches!(service.refresh(token, None), Err(RefreshError::Reused));
                service.advance(WINDOW);
            }
        }
        prop_assert!(found);
        prop_assert_eq!(service.record().ended.unwrap().reason, EndReason::Reuse);
    }
}
