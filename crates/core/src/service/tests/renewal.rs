//! One refresh: its cost, its result, and the callers that it rejects.

use std::collections::BTreeSet;

use super::*;
use crate::id::Generation;
use crate::jwt::TokenError;
use crate::keys::{KeyRecord, KeyRing};
use crate::policy::Grant;
use crate::secret::PasswordHash;
use crate::session::RETENTION;

#[test]
fn a_login_is_one_store_call_and_its_tokens_match_the_record() {
    let service = TestService::new(ProfileSettings::default());
    let granted = service.open();
    assert_eq!(service.store.calls(), ["insert"]);
    assert_eq!(service.record(), granted.session);
    let claims = inspect(granted.access.expose()).unwrap().claims;
    assert_eq!(claims["sid"], granted.session.id.to_string());
    assert_eq!(claims["exp"], granted.access_expires_at.seconds());
    assert_eq!(claims["auth_time"], service.clock.now().seconds());
    let refresh = granted.refresh.unwrap();
    let claims = inspect(refresh.token.expose()).unwrap().claims;
    assert_eq!(claims["gen"], 1);
    assert_eq!(claims["exp"], refresh.expires_at.seconds());
    assert_eq!(refresh.expires_at, service.clock.now().plus(30 * DAY));
}

#[test]
fn a_refresh_is_one_store_call_and_so_is_its_repeat() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    service.store.calls();
    let (granted, renewal) = service.refresh(&first, None).unwrap();
    assert_eq!((service.store.calls(), renewal), (vec!["advance"], RefreshOutcome::Advanced));
    let (again, renewal) = service.refresh(&first, None).unwrap();
    assert_eq!((service.store.calls(), renewal), (vec!["advance"], RefreshOutcome::Repeated));
    assert_eq!(token_of(&granted), token_of(&again));
    assert_ne!(granted.access.expose(), again.access.expose(), "a fresh access token");
}

#[test]
fn an_access_token_is_checked_without_the_store() {
    let service = TestService::new(ProfileSettings::default());
    let granted = service.open();
    service.store.calls();
    let claims = service.context().check_access(granted.access.expose()).unwrap();
    assert_eq!(claims.sub, subject());
    assert!(service.store.calls().is_empty());
    // This issuer's own endpoints look once, and see an end at once.
    let caller =
        block_on(service.sessions.authenticate(&service.context(), granted.access.expose()));
    assert_eq!(caller.unwrap().session.id, granted.session.id);
    assert_eq!(service.store.calls(), ["find"]);
    let id = granted.session.id;
    block_on(service.sessions.end(&service.context(), &id, EndReason::Logout)).unwrap();
    let over = block_on(service.sessions.authenticate(&service.context(), granted.access.expose()));
    assert!(matches!(over, Err(AuthError::SessionOver)));
}

#[test]
fn expired_and_foreign_tokens_never_reach_the_store() {
    let service = TestService::new(ProfileSettings::default());
    let granted = service.open();
    service.store.calls();
    let refused = |token: &str| service.refresh(token, None).map(|_| ()).unwrap_err();
    assert!(matches!(refused(granted.access.expose()), RefreshError::Token(TokenError::WrongType)));
    assert!(matches!(refused("garbage"), RefreshError::Token(TokenError::Malformed)));
    service.advance(30 * DAY);
    assert!(matches!(refused(&token_of(&granted)), RefreshError::Expired));
    assert!(service.store.calls().is_empty());
}

#[test]
fn a_session_that_does_not_exist_is_unknown() {
    let service = TestService::new(ProfileSettings::default());
    let token = token_of(&service.open());
    let empty = service.restored(&[]);
    assert!(matches!(empty.refresh(&token, None), Err(RefreshError::Unknown)));
    assert!(empty.copy().is_empty(), "a refresh never makes a session");
}

#[test]
fn the_idle_expiry_moves_with_each_refresh_but_never_past_the_absolute_one() {
    let settings =
        ProfileSettings { session_lifetime: Lifetime::from_days(50), ..ProfileSettings::default() };
    let service = TestService::new(settings);
    let login = service.clock.now();
    let mut token = token_of(&service.open());
    for (day, end) in [(20, 50), (40, 50)] {
        service.clock.advance_to(login.plus(day * DAY));
        let (granted, _) = service.refresh(&token, None).unwrap();
        let refresh = granted.refresh.unwrap();
        assert_eq!(refresh.expires_at, login.plus(end * DAY), "day {day}");
        token = refresh.token.expose().to_owned();
    }
    service.clock.advance_to(login.plus(50 * DAY));
    assert!(matches!(service.refresh(&token, None), Err(RefreshError::Expired)));
    assert_eq!(service.record().ended, None, "expiry changes nothing");
}

#[test]
fn a_superseded_token_past_its_exp_changes_nothing() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    service.advance(29 * DAY);
    let second = renewed(service.refresh(&first, None));
    service.advance(2 * DAY);
    assert!(matches!(service.refresh(&first, None), Err(RefreshError::Expired)));
    assert!(service.refresh(&second, None).is_ok());
}

#[test]
fn the_repeat_survives_a_change_of_the_refresh_secret() {
    let service = TestService::new(ProfileSettings::default());
    let first = token_of(&service.open());
    let key = Some("intention-0000001");
    let second = renewed(service.refresh(&first, key));
    service.advance(DAY);
    let turned: Vec<KeyRecord> = fixture::key_records(Default::default(), 0)
        .into_iter()
        .map(|r| KeyRecord { active_from: r.active_from.or(Some(service.clock.now())), ..r })
        .collect();
    let ring = KeyRing::new(&turned, &service.policy, service.clock.now()).unwrap();
    service.sessions.replace_snapshot(Arc::new(Snapshot::new(service.policy.clone(), ring)));
    let again = renewed(service.refresh(&first, key));
    let (second, again) = (inspect(&second).unwrap(), inspect(&again).unwrap());
    assert_eq!(second.claims, again.claims);
    assert_ne!(second.header["kid"], again.header["kid"]);
}

#[test]
fn without_the_grant_there_is_no_refresh_token_and_no_refresh() {
    let service = TestService::new(ProfileSettings::default());
    let token = token_of(&service.open());
    let login_only =
        ProfileSettings { grants: BTreeSet::from([Grant::Login]), ..ProfileSettings::default() };
    let closed = TestService::over(
        service.memory.clone(),
        fixture::policy_with([fixture::profile("web", login_only)]),
        service.clock.clone(),
    );
    assert!(closed.open().refresh.is_none());
    assert!(matches!(closed.refresh(&token, None), Err(RefreshError::NotAllowed)));
    // Nothing was used up.
    assert!(service.refresh(&token, None).is_ok());
}

#[test]
fn a_confidential_client_is_rejected_as_first_party() {
    let service = TestService::new(ProfileSettings::default());
    let token = token_of(&service.open());
    let confidential = ProfileSettings {
        secret: Some(PasswordHash::new("$argon2id$…".to_owned())),
        ..ProfileSettings::default()
    };
    let other = TestService::over(
        service.memory.clone(),
        fixture::policy_with([fixture::profile("web", confidential)]),
        service.clock.clone(),
    );
    assert!(matches!(other.refresh(&token, None), Err(RefreshError::NotAllowed)));
    let gone = TokenPolicy::new(fixture::issuer(), []);
    let other = TestService::over(service.memory.clone(), gone, service.clock.clone());
    assert!(matches!(other.refresh(&token, None), Err(RefreshError::NotAllowed)));
    assert_eq!(service.record().generation, Generation::FIRST);
}

#[test]
fn any_refresh_token_of_a_session_logs_it_out() {
    for superseded in [false, true] {
        let service = TestService::new(ProfileSettings::default());
        let first = token_of(&service.open());
        let second = renewed(service.refresh(&first, None));
        service.advance(HOUR);
        let used = if superseded { &first } else { &second };
        block_on(service.sessions.log_out(&service.context(), used)).unwrap();
        assert_eq!(service.record().ended.unwrap().reason, EndReason::Logout);
        let after = service.refresh(&second, None);
        assert!(matches!(after, Err(RefreshError::Ended(EndReason::Logout))));
        // Again, and with garbage, it is as good.
        block_on(service.sessions.log_out(&service.context(), used)).unwrap();
        block_on(service.sessions.log_out(&service.context(), "garbage")).unwrap();
    }
}

#[test]
fn a_record_is_kept_until_some_time_after_its_last_token_expired() {
    let service = TestService::new(ProfileSettings::default());
    service.open();
    let dead = service.clock.now().plus(30 * DAY);
    service.clock.advance_to(dead.plus(RETENTION));
    assert_eq!(block_on(service.sessions.purge(100, service.clock.now())).unwrap(), 0);
    service.advance(Duration::from_millis(1));
    assert_eq!(block_on(service.sessions.purge(100, service.clock.now())).unwrap(), 1);
    assert!(service.copy().is_empty());
}

/// The sizes that http-api.md promises to small controllers.
#[test]
fn tokens_stay_below_the_documented_sizes() {
    for client in ["web", "device"] {
        for number in [1, 1_000_000] {
            let service = TestService::new(ProfileSettings::default());
            let mut session = service.open_for(client).session;
            session.id = crate::id::SessionId::from_bytes([9; 16]);
            session.generation = Generation::new(number).unwrap();
            let context = service.context();
            let profile = context.client(&session.client).unwrap();
            let granted = service.sessions.grant(&context, profile, session, None, true).unwrap();
            assert_eq!((subject().as_str().len(), fixture::issuer().as_str().len()), (36, 30));
            let (access, refresh) = (granted.access.expose().len(), token_of(&granted).len());
            assert!(access <= 512, "access token of {client}: {access} bytes");
            assert!(refresh <= 420, "refresh token {number} of {client}: {refresh} bytes");
        }
    }
}
