//! What is behind a token, and its revocation: who may ask, what is dead, and what a store that
//! fails must not be taken for.

use super::wire::Fate;
use super::*;
use crate::claims::Scope;
use crate::id::{ClientId, Generation};
use crate::keys::KeyRing;
use crate::policy::Grant;
use crate::secret::PasswordHash;
use crate::store::StoreError;
use crate::testing::InlineHasher;

fn confidential() -> ProfileSettings {
    ProfileSettings {
        secret: Some(PasswordHash::new("$argon2id$…".to_owned())),
        scopes: Scope::parse("feed").unwrap(),
        grants: [Grant::Login, Grant::RefreshToken, Grant::ClientCredentials].into(),
        ..ProfileSettings::default()
    }
}

/// `web` is public, `shop` confidential.
fn world() -> World {
    let policy = fixture::policy_with([fixture::profile("shop", confidential())]);
    World::over(Arc::default(), policy, Arc::default())
}

fn introspect(world: &World, token: &str) -> Result<Option<Introspected>, StoreError> {
    block_on(world.sessions.introspect(&world.context(), token))
}

fn is_active(world: &World, token: &str) -> bool {
    introspect(world, token).unwrap().is_some()
}

fn revoke(world: &World, token: &str, client: Option<&str>) -> Result<(), RevokeError> {
    let client: Option<ClientId> = client.map(fixture::client);
    block_on(world.sessions.revoke(&world.context(), token, client.as_ref()))
}

fn ended(world: &World) -> Option<EndReason> {
    world.record().ended.map(|ended| ended.reason)
}

/// A token of a client by itself.
fn of_client(world: &World) -> String {
    let random = Arc::new(SeededRandom::new(8));
    let clients = Clients::new(Arc::new(InlineHasher::default()), random);
    let context = world.context();
    let profile = context.client(&fixture::client("shop")).unwrap();
    let token = clients.token(&context, profile, Scope::parse("feed").unwrap()).unwrap();
    token.access.expose().to_owned()
}

#[test]
fn live_tokens_of_both_types_are_introspected_with_one_read() {
    let world = world();
    let granted = world.open();
    world.wire.calls();
    let found = introspect(&world, granted.access.expose()).unwrap();
    let Some(Introspected::Access(claims)) = found else { panic!("{found:?}") };
    assert_eq!((claims.sid, &claims.sub), (Some(granted.session.id), &subject()));
    assert_eq!(world.wire.calls(), ["find"]);
    let found = introspect(&world, &token_of(&granted)).unwrap();
    let Some(Introspected::Refresh(claims, scope)) = found else { panic!("{found:?}") };
    assert_eq!((claims.sid, claims.generation), (granted.session.id, Generation::FIRST));
    assert_eq!(scope, granted.session.scope);
    assert_eq!(world.wire.calls(), ["find"]);
    // Asking uses nothing up.
    assert!(world.refresh(&token_of(&granted), None).is_ok());
}

#[test]
fn a_refresh_token_is_introspected_with_the_scope_of_its_session() {
    let scopes = Scope::parse("feed read").unwrap();
    let world = World::new(ProfileSettings { scopes: scopes.clone(), ..Default::default() });
    let new = NewSession { scope: scopes.clone(), ..fixture::login_of(1) };
    let opened = block_on(world.sessions.open(&world.context(), world.profile(), new));
    let granted = opened.unwrap();
    let found = introspect(&world, &token_of(&granted)).unwrap();
    assert!(matches!(found, Some(Introspected::Refresh(_, scope)) if scope == scopes));
}

#[test]
fn a_client_s_own_token_is_active_without_a_read_until_it_expires() {
    let world = world();
    let token = of_client(&world);
    let found = introspect(&world, &token).unwrap();
    assert!(matches!(found, Some(Introspected::Access(claims)) if claims.sid.is_none()));
    assert!(world.wire.calls().is_empty());
    world.advance(Duration::from_secs(300));
    assert!(!is_active(&world, &token));
}

#[test]
fn a_token_is_inactive_from_the_second_of_its_expiry() {
    let world = world();
    let granted = world.open();
    let (access, refresh) = (granted.access.expose(), token_of(&granted));
    world.clock.advance_to(granted.access_expires_at.minus(Duration::from_millis(1)));
    assert!(is_active(&world, access));
    world.clock.advance_to(granted.access_expires_at);
    assert!(!is_active(&world, access));
    let end = granted.refresh.as_ref().unwrap().expires_at;
    world.clock.advance_to(end.minus(Duration::from_millis(1)));
    assert!(is_active(&world, &refresh));
    world.wire.calls();
    world.clock.advance_to(end);
    assert!(!is_active(&world, &refresh));
    assert!(world.wire.calls().is_empty(), "no read for what is expired");
}

#[test]
fn every_token_of_an_ended_session_is_inactive() {
    let world = world();
    let granted = world.open();
    let id = granted.session.id;
    block_on(world.sessions.end(&world.context(), &id, EndReason::Logout)).unwrap();
    assert!(!is_active(&world, granted.access.expose()));
    assert!(!is_active(&world, &token_of(&granted)));
}

#[test]
fn a_superseded_refresh_token_is_inactive_but_its_access_token_is_active() {
    let world = world();
    let first = world.open();
    let second = renewed(world.refresh(&token_of(&first), None));
    // Within the retry window too: it gets the successor's answer, but it isn't live.
    assert!(!is_active(&world, &token_of(&first)));
    assert!(is_active(&world, &second));
    assert!(is_active(&world, first.access.expose()));
    assert_eq!(ended(&world), None, "introspecting a superseded token does not count as reuse");
}

#[test]
fn a_generation_ahead_of_the_store_is_active() {
    let world = world();
    let first = token_of(&world.open());
    let before = world.copy();
    let second = renewed(world.refresh(&first, None));
    let restored = world.restored(&before);
    assert!(is_active(&restored, &second));
    assert!(restored.refresh(&second, None).is_ok());
}

#[test]
fn garbage_foreign_tokens_and_tokens_of_unknown_sessions_are_inactive() {
    let world = world();
    let granted = world.open();
    let others = fixture::key_records(Default::default(), 99);
    let ring = KeyRing::new(&others, &world.policy, world.clock.now()).unwrap();
    let stranger = World::over(Arc::default(), world.policy.clone(), world.clock.clone());
    stranger.sessions.replace_snapshot(Arc::new(Snapshot::new(world.policy.clone(), ring)));
    let foreign = stranger.open();
    world.wire.calls();
    for token in ["", "garbage", "a.b.c", foreign.access.expose(), &token_of(&foreign)] {
        assert!(!is_active(&world, token), "{token}");
    }
    assert!(world.wire.calls().is_empty());
    let empty = world.restored(&[]);
    assert!(!is_active(&empty, granted.access.expose()));
    assert!(!is_active(&empty, &token_of(&granted)));
}

#[test]
fn a_token_with_the_session_of_another_subject_is_inactive() {
    let world = world();
    let granted = world.open();
    let mut record = world.record();
    record.subject = fixture::subject(2);
    let other = Arc::new(MemoryStore::new());
    assert!(block_on(other.insert(&record)).unwrap());
    let other = World::over(other, world.policy.clone(), world.clock.clone());
    assert!(!is_active(&other, granted.access.expose()));
}

#[test]
fn an_outage_is_never_reported_as_inactive() {
    let world = world();
    let granted = world.open();
    for fate in [Fate::Unreachable, Fate::Lost] {
        for token in [granted.access.expose(), &token_of(&granted)] {
            world.wire.plan(&[fate]);
            assert!(introspect(&world, token).is_err(), "{fate:?}");
            world.wire.plan(&[fate]);
            assert!(matches!(revoke(&world, token, None), Err(RevokeError::Store(_))), "{fate:?}");
            assert_eq!(ended(&world), None);
        }
    }
    world.wire.plan(&[]);
    assert!(world.refresh(&token_of(&granted), None).is_ok());
}

#[test]
fn revoking_either_token_ends_the_session_at_once() {
    for refresh in [false, true] {
        for client in [None, Some("web")] {
            let world = world();
            let granted = world.open();
            let (access, token) = (granted.access.expose(), token_of(&granted));
            revoke(&world, if refresh { &token } else { access }, client).unwrap();
            assert_eq!(ended(&world), Some(EndReason::Revoked));
            let caller = block_on(world.sessions.authenticate(&world.context(), access));
            assert!(matches!(caller, Err(AuthError::SessionOver)));
            let after = world.refresh(&token, None);
            assert!(matches!(after, Err(RefreshError::Ended(EndReason::Revoked))));
            // Again it is as good.
            revoke(&world, &token, client).unwrap();
        }
    }
}

#[test]
fn a_superseded_token_can_revoke_its_session() {
    let world = world();
    let first = token_of(&world.open());
    let second = renewed(world.refresh(&first, None));
    world.advance(HOUR);
    revoke(&world, &first, Some("web")).unwrap();
    assert!(matches!(world.refresh(&second, None), Err(RefreshError::Ended(_))));
}

#[test]
fn revoking_an_invalid_token_succeeds_and_changes_nothing() {
    let world = world();
    let granted = world.open();
    world.wire.calls();
    for client in [None, Some("web"), Some("shop"), Some("nobody")] {
        revoke(&world, "garbage", client).unwrap();
    }
    revoke(&world, &of_client(&world), Some("shop")).unwrap();
    assert!(world.wire.calls().is_empty());
    world.advance(Duration::from_secs(300));
    revoke(&world, granted.access.expose(), Some("web")).unwrap();
    assert_eq!(ended(&world), None, "an expired access token ends nothing");
    world.advance(30 * DAY);
    revoke(&world, &token_of(&granted), Some("web")).unwrap();
    assert_eq!(ended(&world), None, "an expired refresh token ends nothing");
    assert!(world.wire.calls().is_empty());
    let empty = world.restored(&[]);
    revoke(&empty, &token_of(&granted), Some("web")).unwrap();
    assert!(empty.copy().is_empty());
}

#[test]
fn a_client_cannot_revoke_the_token_of_another_client() {
    let world = world();
    let granted = world.open();
    world.wire.calls();
    for token in [granted.access.expose(), &token_of(&granted)] {
        for client in ["device", "shop", "nobody"] {
            let refused = revoke(&world, token, Some(client));
            assert!(matches!(refused, Err(RevokeError::Foreign)), "{client}");
        }
    }
    assert!(world.wire.calls().is_empty());
    assert_eq!(ended(&world), None);
}

#[test]
fn only_the_client_itself_can_revoke_a_confidential_clients_token() {
    let world = world();
    let granted = world.open_for("shop");
    for token in [granted.access.expose(), &token_of(&granted)] {
        assert!(matches!(revoke(&world, token, None), Err(RevokeError::Foreign)));
        assert!(matches!(revoke(&world, token, Some("web")), Err(RevokeError::Foreign)));
    }
    assert_eq!(ended(&world), None);
    revoke(&world, granted.access.expose(), Some("shop")).unwrap();
    assert_eq!(ended(&world), Some(EndReason::Revoked));
}
