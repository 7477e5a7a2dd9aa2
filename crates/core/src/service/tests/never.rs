//! Clients that keep one refresh token for its life, and clients whose profile changes its mind.

use super::*;

fn device() -> ProfileSettings {
    ProfileSettings::device()
}

/// The same store under another profile of `web`.
fn switched(service: &TestService, web: ProfileSettings) -> TestService {
    let policy = fixture::policy_with([fixture::profile("web", web)]);
    TestService::over(service.memory.clone(), policy, service.clock.clone())
}

#[test]
fn a_kept_refresh_token_stays_the_same_and_its_use_is_one_store_call() {
    let service = TestService::new(device());
    let login = service.clock.now();
    let token = token_of(&service.open());
    service.store.calls();
    for day in 1..=364 {
        service.clock.advance_to(login.plus(day * DAY));
        let (granted, renewal) = service.refresh(&token, None).unwrap();
        assert_eq!((service.store.calls(), renewal), (vec!["touch"], RefreshOutcome::Kept));
        assert!(granted.refresh.is_none());
        assert_eq!(service.record().last_used_at, service.clock.now());
    }
    // "the token's life is refresh_lifetime from the login"
    service.clock.advance_to(login.plus(365 * DAY).minus(Duration::from_millis(1)));
    assert!(service.refresh(&token, None).is_ok());
    service.clock.advance_to(login.plus(365 * DAY));
    assert!(matches!(service.refresh(&token, None), Err(RefreshError::Expired)));
}

#[test]
fn the_session_of_a_kept_token_can_be_listed_and_ended() {
    let service = TestService::new(device());
    let granted = service.open();
    let (token, id) = (token_of(&granted), granted.session.id);
    let listed = || block_on(service.sessions.list(&service.context(), &subject())).unwrap();
    assert_eq!(listed().len(), 1);
    let stranger = fixture::subject(2);
    assert!(!block_on(service.sessions.end_of(&service.context(), &stranger, &id)).unwrap());
    assert!(block_on(service.sessions.end_of(&service.context(), &subject(), &id)).unwrap());
    assert!(!block_on(service.sessions.end_of(&service.context(), &subject(), &id)).unwrap());
    assert!(listed().is_empty());
    let refused = service.refresh(&token, None);
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Revoked))));
}

#[test]
fn a_client_that_starts_to_rotate_continues_with_its_token() {
    let service = TestService::new(device());
    let token = token_of(&service.open());
    service.advance(100 * DAY);
    let rotating = switched(&service, ProfileSettings::default());
    let (granted, renewal) = rotating.refresh(&token, None).unwrap();
    assert_eq!(renewal, RefreshOutcome::Advanced);
    let second = token_of(&granted);
    rotating.advance(DAY);
    assert!(rotating.refresh(&second, None).is_ok());
}

#[test]
fn a_client_that_stops_rotating_keeps_its_token() {
    let service = TestService::new(ProfileSettings::default());
    let second = renewed(service.refresh(&token_of(&service.open()), None));
    let keeping = switched(&service, device());
    for _ in 0..3 {
        keeping.advance(HOUR);
        let (granted, renewal) = keeping.refresh(&second, None).unwrap();
        assert_eq!(renewal, RefreshOutcome::Kept);
        assert!(granted.refresh.is_none());
    }
    // And back again.
    let rotating = switched(&service, ProfileSettings::default());
    let third = renewed(rotating.refresh(&second, None));
    assert_eq!(generation_of(&third), 3);
    rotating.advance(HOUR);
    assert!(matches!(rotating.refresh(&second, None), Err(RefreshError::Reused)));
}

#[test]
fn a_retry_across_the_change_of_rotation_returns_the_successor() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    let lost = renewed(service.refresh(&first, Some("intention-0000001")));
    let keeping = switched(&service, device());
    keeping.advance(DAY);
    let (granted, renewal) = keeping.refresh(&first, Some("intention-0000001")).unwrap();
    assert_eq!(renewal, RefreshOutcome::Repeated);
    // It holds the parent, so it is given the one that lives.
    assert_eq!(token_of(&granted), lost);
    let (granted, _) = keeping.refresh(&lost, None).unwrap();
    assert!(granted.refresh.is_none());
}

#[test]
fn a_superseded_token_is_detected_after_rotation_was_switched_off() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    let second = renewed(service.refresh(&first, None));
    let keeping = switched(&service, device());
    keeping.advance(HOUR);
    assert!(matches!(keeping.refresh(&first, None), Err(RefreshError::Reused)));
    assert!(matches!(keeping.refresh(&second, None), Err(RefreshError::Ended(EndReason::Reuse))));
}

#[test]
fn a_store_that_lost_a_rotation_catches_up_and_the_client_keeps_its_token() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    let copy = service.copy();
    service.advance(HOUR);
    let second = renewed(service.refresh(&first, None));
    service.advance(HOUR);
    let keeping = switched(&service.restored(&copy), device());
    let (granted, renewal) = keeping.refresh(&second, None).unwrap();
    assert_eq!(renewal, RefreshOutcome::Healed);
    assert!(granted.refresh.is_none(), "the client has the live token in hand");
    let (_, renewal) = keeping.refresh(&second, None).unwrap();
    assert_eq!(renewal, RefreshOutcome::Kept);
    let expiry = inspect(&second).unwrap().claims["exp"].as_i64().unwrap();
    assert_eq!(keeping.record().refresh_expiry().seconds(), expiry);
    assert_eq!(keeping.profile().rotation(), Rotation::Never);
}
