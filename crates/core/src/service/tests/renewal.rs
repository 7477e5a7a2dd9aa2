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
    let world = World::new(ProfileSettings::default());
    let granted = world.open();
    assert_eq!(world.wire.calls(), ["insert"]);
    assert_eq!(world.record(), granted.session);
    let claims = inspect(granted.access.expose()).unwrap().claims;
    assert_eq!(claims["sid"], granted.session.id.to_string());
    assert_eq!(claims["exp"], granted.access_expires_at.seconds());
    assert_eq!(claims["auth_time"], world.clock.now().seconds());
    let refresh = granted.refresh.unwrap();
    let claims = inspect(refresh.token.expose()).unwrap().claims;
    assert_eq!(claims["gen"], 1);
    assert_eq!(claims["exp"], refresh.expires_at.seconds());
    assert_eq!(refresh.expires_at, world.clock.now().plus(30 * DAY));
}

#[test]
fn a_refresh_is_one_store_call_and_so_is_its_repeat() {
    let world = World::new(ProfileSettings::default());
    let first = token_of(&world.open());
    world.wire.calls();
    let (granted, renewal) = world.refresh(&first, None).unwrap();
    assert_eq!((world.wire.calls(), renewal), (vec!["advance"], RefreshOutcome::Advanced));
    let (again, renewal) = world.refresh(&first, None).unwrap();
    assert_eq!((world.wire.calls(), renewal), (vec!["advance"], RefreshOutcome::Repeated));
    assert_eq!(token_of(&granted), token_of(&again));
    assert_ne!(granted.access.expose(), again.access.expose(), "a fresh access token");
}

#[test]
fn an_access_token_is_checked_without_the_store() {
    let world = World::new(ProfileSettings::default());
    let granted = world.open();
    world.wire.calls();
    let claims = world.context().check_access(granted.access.expose()).unwrap();
    assert_eq!(claims.sub, subject());
    assert!(world.wire.calls().is_empty());
    // This issuer's own endpoints look once, and see an end at once.
    let caller = block_on(world.sessions.authenticate(&world.context(), granted.access.expose()));
    assert_eq!(caller.unwrap().session.id, granted.session.id);
    assert_eq!(world.wire.calls(), ["find"]);
    let id = granted.session.id;
    block_on(world.sessions.end(&world.context(), &id, EndReason::Logout)).unwrap();
    let over = block_on(world.sessions.authenticate(&world.context(), granted.access.expose()));
    assert!(matches!(over, Err(AuthError::SessionOver)));
}

#[test]
fn expired_and_foreign_tokens_never_reach_the_store() {
    let world = World::new(ProfileSettings::default());
    let granted = world.open();
    world.wire.calls();
    let refused = |token: &str| world.refresh(token, None).map(|_| ()).unwrap_err();
    assert!(matches!(refused(granted.access.expose()), RefreshError::Token(TokenError::WrongType)));
    assert!(matches!(refused("garbage"), RefreshError::Token(TokenError::Malformed)));
    world.advance(30 * DAY);
    assert!(matches!(refused(&token_of(&granted)), RefreshError::Expired));
    assert!(world.wire.calls().is_empty());
}

#[test]
fn a_session_that_does_not_exist_is_unknown() {
    let world = World::new(ProfileSettings::default());
    let token = token_of(&world.open());
    let empty = world.restored(&[]);
    assert!(matches!(empty.refresh(&token, None), Err(RefreshError::Unknown)));
    assert!(empty.copy().is_empty(), "a refresh never makes a session");
}

#[test]
fn the_idle_expiry_moves_with_each_refresh_but_never_past_the_absolute_one() {
    let settings =
        ProfileSettings { session_lifetime: Lifetime::from_days(50), ..ProfileSettings::default() };
    let world = World::new(settings);
    let login = world.clock.now();
    let mut token = token_of(&world.open());
    for (day, end) in [(20, 50), (40, 50)] {
        world.clock.advance_to(login.plus(day * DAY));
        let (granted, _) = world.refresh(&token, None).unwrap();
        let refresh = granted.refresh.unwrap();
        assert_eq!(refresh.expires_at, login.plus(end * DAY), "day {day}");
        token = refresh.token.expose().to_owned();
    }
    world.clock.advance_to(login.plus(50 * DAY));
    assert!(matches!(world.refresh(&token, None), Err(RefreshError::Expired)));
    assert_eq!(world.record().ended, None, "expiry changes nothing");
}

#[test]
fn a_superseded_token_past_its_exp_changes_nothing() {
    let world = World::new(ProfileSettings::default());
    let first = token_of(&world.open());
    world.advance(29 * DAY);
    let second = renewed(world.refresh(&first, None));
    world.advance(2 * DAY);
    assert!(matches!(world.refresh(&first, None), Err(RefreshError::Expired)));
    assert!(world.refresh(&second, None).is_ok());
}

#[test]
fn the_repeat_survives_a_change_of_the_refresh_secret() {
    let world = World::new(ProfileSettings::default());
    let first = token_of(&world.open());
    let key = Some("intention-0000001");
    let second = renewed(world.refresh(&first, key));
    world.advance(DAY);
    let turned: Vec<KeyRecord> = fixture::key_records(Default::default(), 0)
        .into_iter()
        .map(|r| KeyRecord { active_from: r.active_from.or(Some(world.clock.now())), ..r })
        .collect();
    let ring = KeyRing::new(&turned, &world.policy, world.clock.now()).unwrap();
    world.sessions.replace_snapshot(Arc::new(Snapshot::new(world.policy.clone(), ring)));
    let again = renewed(world.refresh(&first, key));
    let (second, again) = (inspect(&second).unwrap(), inspect(&again).unwrap());
    assert_eq!(second.claims, again.claims);
    assert_ne!(second.header["kid"], again.header["kid"]);
}

#[test]
fn without_the_grant_there_is_no_refresh_token_and_no_refresh() {
    let world = World::new(ProfileSettings::default());
    let token = token_of(&world.open());
    let login_only =
        ProfileSettings { grants: BTreeSet::from([Grant::Login]), ..ProfileSettings::default() };
    let closed = World::over(
        world.memory.clone(),
        fixture::policy_with([fixture::profile("web", login_only)]),
        world.clock.clone(),
    );
    assert!(closed.open().refresh.is_none());
    assert!(matches!(closed.refresh(&token, None), Err(RefreshError::NotAllowed)));
    // Nothing was used up.
    assert!(world.refresh(&token, None).is_ok());
}

#[test]
fn a_confidential_client_is_rejected_as_first_party() {
    let world = World::new(ProfileSettings::default());
    let token = token_of(&world.open());
    let confidential = ProfileSettings {
        secret: Some(PasswordHash::new("$argon2id$…".to_owned())),
        ..ProfileSettings::default()
    };
    let other = World::over(
        world.memory.clone(),
        fixture::policy_with([fixture::profile("web", confidential)]),
        world.clock.clone(),
    );
    assert!(matches!(other.refresh(&token, None), Err(RefreshError::NotAllowed)));
    let gone = TokenPolicy::new(fixture::issuer(), []);
    let other = World::over(world.memory.clone(), gone, world.clock.clone());
    assert!(matches!(other.refresh(&token, None), Err(RefreshError::NotAllowed)));
    assert_eq!(world.record().generation, Generation::FIRST);
}

#[test]
fn any_refresh_token_of_a_session_logs_it_out() {
    for superseded in [false, true] {
        let world = World::new(ProfileSettings::default());
        let first = token_of(&world.open());
        let second = renewed(world.refresh(&first, None));
        world.advance(HOUR);
        let used = if superseded { &first } else { &second };
        block_on(world.sessions.log_out(&world.context(), used)).unwrap();
        assert_eq!(world.record().ended.unwrap().reason, EndReason::Logout);
        let after = world.refresh(&second, None);
        assert!(matches!(after, Err(RefreshError::Ended(EndReason::Logout))));
        // Again, and with garbage, it is as good.
        block_on(world.sessions.log_out(&world.context(), used)).unwrap();
        block_on(world.sessions.log_out(&world.context(), "garbage")).unwrap();
    }
}

#[test]
fn a_record_is_kept_until_some_time_after_its_last_token_expired() {
    let world = World::new(ProfileSettings::default());
    world.open();
    let dead = world.clock.now().plus(30 * DAY);
    world.clock.advance_to(dead.plus(RETENTION));
    assert_eq!(block_on(world.sessions.purge(100, world.clock.now())).unwrap(), 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(block_on(world.sessions.purge(100, world.clock.now())).unwrap(), 1);
    assert!(world.copy().is_empty());
}

/// The sizes that http-api.md promises to small controllers.
#[test]
fn tokens_stay_below_the_documented_sizes() {
    for client in ["web", "device"] {
        for number in [1, 1_000_000] {
            let world = World::new(ProfileSettings::default());
            let mut session = world.open_for(client).session;
            session.id = crate::id::SessionId::from_bytes([9; 16]);
            session.generation = Generation::new(number).unwrap();
            let context = world.context();
            let profile = context.client(&session.client).unwrap();
            let granted = world.sessions.grant(&context, profile, session, None, true).unwrap();
            assert_eq!((subject().as_str().len(), fixture::issuer().as_str().len()), (36, 30));
            let (access, refresh) = (granted.access.expose().len(), token_of(&granted).len());
            assert!(access <= 512, "access token of {client}: {access} bytes");
            assert!(refresh <= 420, "refresh token {number} of {client}: {refresh} bytes");
        }
    }
}
