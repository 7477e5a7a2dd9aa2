//! What is behind a token, and its revocation: who may ask, what is dead, and what a store that
//! fails must not be taken for.

use super::faulty_store::CallOutcome;
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
fn service() -> TestService {
    let policy = fixture::policy_with([fixture::profile("shop", confidential())]);
    TestService::over(Arc::default(), policy, Arc::default())
}

fn introspect(service: &TestService, token: &str) -> Result<Option<Introspected>, StoreError> {
    block_on(service.sessions.introspect(&service.context(), token))
}

fn is_active(service: &TestService, token: &str) -> bool {
    introspect(service, token).unwrap().is_some()
}

fn revoke(service: &TestService, token: &str, client: Option<&str>) -> Result<(), RevokeError> {
    let client: Option<ClientId> = client.map(fixture::client);
    block_on(service.sessions.revoke(&service.context(), token, client.as_ref()))
}

fn ended(service: &TestService) -> Option<EndReason> {
    service.record().ended.map(|ended| ended.reason)
}

/// A token of a client by itself.
fn of_client(service: &TestService) -> String {
    let random = Arc::new(SeededRandom::new(8));
    let clients = Clients::new(Arc::new(InlineHasher::default()), random);
    let context = service.context();
    let profile = context.client(&fixture::client("shop")).unwrap();
    let token = clients.token(&context, profile, Scope::parse("feed").unwrap()).unwrap();
    token.access.expose().to_owned()
}

#[test]
fn live_tokens_of_both_types_are_introspected_with_one_read() {
    let service = service();
    let granted = service.open();
    service.store.calls();
    let found = introspect(&service, granted.access.expose()).unwrap();
    let Some(Introspected::Access(claims)) = found else { panic!("{found:?}") };
    assert_eq!((claims.sid, &claims.sub), (Some(granted.session.id), &subject()));
    assert_eq!(service.store.calls(), ["find"]);
    let found = introspect(&service, &token_of(&granted)).unwrap();
    let Some(Introspected::Refresh(claims, scope)) = found else { panic!("{found:?}") };
    assert_eq!((claims.sid, claims.generation), (granted.session.id, Generation::FIRST));
    assert_eq!(scope, granted.session.scope);
    assert_eq!(service.store.calls(), ["find"]);
    // Asking uses nothing up.
    assert!(service.refresh(&token_of(&granted), None).is_ok());
}

#[test]
fn a_refresh_token_is_introspected_with_the_scope_of_its_session() {
    let scopes = Scope::parse("feed read").unwrap();
    let service =
        TestService::new(ProfileSettings { scopes: scopes.clone(), ..Default::default() });
    let new = NewSession { scope: scopes.clone(), ..fixture::login_of(1) };
    let opened = block_on(service.sessions.open(&service.context(), service.profile(), new));
    let granted = opened.unwrap();
    let found = introspect(&service, &token_of(&granted)).unwrap();
    assert!(matches!(found, Some(Introspected::Refresh(_, scope)) if scope == scopes));
}

#[test]
fn a_client_s_own_token_is_active_without_a_read_until_it_expires() {
    let service = service();
    let token = of_client(&service);
    let found = introspect(&service, &token).unwrap();
    assert!(matches!(found, Some(Introspected::Access(claims)) if claims.sid.is_none()));
    assert!(service.store.calls().is_empty());
    service.advance(Duration::from_secs(300));
    assert!(!is_active(&service, &token));
}

#[test]
fn a_token_is_inactive_from_the_second_of_its_expiry() {
    let service = service();
    let granted = service.open();
    let (access, refresh) = (granted.access.expose(), token_of(&granted));
    service.clock.advance_to(granted.access_expires_at.minus(Duration::from_millis(1)));
    assert!(is_active(&service, access));
    service.clock.advance_to(granted.access_expires_at);
    assert!(!is_active(&service, access));
    let end = granted.refresh.as_ref().unwrap().expires_at;
    service.clock.advance_to(end.minus(Duration::from_millis(1)));
    assert!(is_active(&service, &refresh));
    service.store.calls();
    service.clock.advance_to(end);
    assert!(!is_active(&service, &refresh));
    assert!(service.store.calls().is_empty(), "no read for what is expired");
}

#[test]
fn every_token_of_an_ended_session_is_inactive() {
    let service = service();
    let granted = service.open();
    let id = granted.session.id;
    block_on(service.sessions.end(&service.context(), &id, EndReason::Logout)).unwrap();
    assert!(!is_active(&service, granted.access.expose()));
    assert!(!is_active(&service, &token_of(&granted)));
}

#[test]
fn a_superseded_refresh_token_is_inactive_but_its_access_token_is_active() {
    let service = service();
    let first = service.open();
    let second = renewed(service.refresh(&token_of(&first), None));
    // Within the retry window too: it gets the successor's answer, but it isn't live.
    assert!(!is_active(&service, &token_of(&first)));
    assert!(is_active(&service, &second));
    assert!(is_active(&service, first.access.expose()));
    assert_eq!(ended(&service), None, "introspecting a superseded token does not count as reuse");
}

#[test]
fn a_generation_ahead_of_the_store_is_active() {
    let service = service();
    let first = token_of(&service.open());
    let before = service.copy();
    let second = renewed(service.refresh(&first, None));
    let restored = service.restored(&before);
    assert!(is_active(&restored, &second));
    assert!(restored.refresh(&second, None).is_ok());
}

#[test]
fn garbage_foreign_tokens_and_tokens_of_unknown_sessions_are_inactive() {
    let service = service();
    let granted = service.open();
    let others = fixture::key_records(Default::default(), 99);
    let ring = KeyRing::new(&others, &service.policy, service.clock.now()).unwrap();
    let stranger = TestService::over(Arc::default(), service.policy.clone(), service.clock.clone());
    stranger.sessions.replace_snapshot(Arc::new(Snapshot::new(service.policy.clone(), ring)));
    let foreign = stranger.open();
    service.store.calls();
    for token in ["", "garbage", "a.b.c", foreign.access.expose(), &token_of(&foreign)] {
        assert!(!is_active(&service, token), "{token}");
    }
    assert!(service.store.calls().is_empty());
    let empty = service.restored(&[]);
    assert!(!is_active(&empty, granted.access.expose()));
    assert!(!is_active(&empty, &token_of(&granted)));
}

#[test]
fn a_token_with_the_session_of_another_subject_is_inactive() {
    let service = service();
    let granted = service.open();
    let mut record = service.record();
    record.subject = fixture::subject(2);
    let other = Arc::new(MemoryStore::new());
    assert!(block_on(other.insert(&record)).unwrap());
    let other = TestService::over(other, service.policy.clone(), service.clock.clone());
    assert!(!is_active(&other, granted.access.expose()));
}

#[test]
fn an_outage_is_never_reported_as_inactive() {
    let service = service();
    let granted = service.open();
    for outcome in [CallOutcome::Unreachable, CallOutcome::Lost] {
        for token in [granted.access.expose(), &token_of(&granted)] {
            service.store.plan(&[outcome]);
            assert!(introspect(&service, token).is_err(), "{outcome:?}");
            service.store.plan(&[outcome]);
            assert!(
                matches!(revoke(&service, token, None), Err(RevokeError::Store(_))),
                "{outcome:?}"
            );
            assert_eq!(ended(&service), None);
        }
    }
    service.store.plan(&[]);
    assert!(service.refresh(&token_of(&granted), None).is_ok());
}

#[test]
fn revoking_either_token_ends_the_session_at_once() {
    for refresh in [false, true] {
        for client in [None, Some("web")] {
            let service = service();
            let granted = service.open();
            let (access, token) = (granted.access.expose(), token_of(&granted));
            revoke(&service, if refresh { &token } else { access }, client).unwrap();
            assert_eq!(ended(&service), Some(EndReason::Revoked));
            let caller = block_on(service.sessions.authenticate(&service.context(), access));
            assert!(matches!(caller, Err(AuthError::SessionOver)));
            let after = service.refresh(&token, None);
            assert!(matches!(after, Err(RefreshError::Ended(EndReason::Revoked))));
            // Again it is as good.
            revoke(&service, &token, client).unwrap();
        }
    }
}

#[test]
fn a_superseded_token_can_revoke_its_session() {
    let service = service();
    let first = token_of(&service.open());
    let second = renewed(service.refresh(&first, None));
    service.advance(HOUR);
    revoke(&service, &first, Some("web")).unwrap();
    assert!(matches!(service.refresh(&second, None), Err(RefreshError::Ended(_))));
}

#[test]
fn revoking_an_invalid_token_succeeds_and_changes_nothing() {
    let service = service();
    let granted = service.open();
    service.store.calls();
    for client in [None, Some("web"), Some("shop"), Some("nobody")] {
        revoke(&service, "garbage", client).unwrap();
    }
    revoke(&service, &of_client(&service), Some("shop")).unwrap();
    assert!(service.store.calls().is_empty());
    service.advance(Duration::from_secs(300));
    revoke(&service, granted.access.expose(), Some("web")).unwrap();
    assert_eq!(ended(&service), None, "an expired access token ends nothing");
    service.advance(30 * DAY);
    revoke(&service, &token_of(&granted), Some("web")).unwrap();
    assert_eq!(ended(&service), None, "an expired refresh token ends nothing");
    assert!(service.store.calls().is_empty());
    let empty = service.restored(&[]);
    revoke(&empty, &token_of(&granted), Some("web")).unwrap();
    assert!(empty.copy().is_empty());
}

#[test]
fn a_client_cannot_revoke_the_token_of_another_client() {
    let service = service();
    let granted = service.open();
    service.store.calls();
    for token in [granted.access.expose(), &token_of(&granted)] {
        for client in ["device", "shop", "nobody"] {
            let refused = revoke(&service, token, Some(client));
            assert!(matches!(refused, Err(RevokeError::Foreign)), "{client}");
        }
    }
    assert!(service.store.calls().is_empty());
    assert_eq!(ended(&service), None);
}

#[test]
fn only_the_client_itself_can_revoke_a_confidential_clients_token() {
    let service = service();
    let granted = service.open_for("shop");
    for token in [granted.access.expose(), &token_of(&granted)] {
        assert!(matches!(revoke(&service, token, None), Err(RevokeError::Foreign)));
        assert!(matches!(revoke(&service, token, Some("web")), Err(RevokeError::Foreign)));
    }
    assert_eq!(ended(&service), None);
    revoke(&service, granted.access.expose(), Some("shop")).unwrap();
    assert_eq!(ended(&service), Some(EndReason::Revoked));
}
