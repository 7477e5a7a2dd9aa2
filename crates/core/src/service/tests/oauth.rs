//! The OAuth endpoints: which client may present a refresh token, the resulting scope, and which client
//! may send a password.

use super::faulty_store::CallOutcome;
use super::login::{AccountSetup, EMAIL, PASSWORD};
use super::*;
use crate::claims::Scope;
use crate::id::{ClientId, Generation};
use crate::policy::Grant;
use crate::secret::{Password, PasswordHash};
use crate::session::Device;

const KEY: Option<&str> = Some("intention-0000001");

fn settings(grants: &[Grant], secret: bool) -> ProfileSettings {
    ProfileSettings {
        grants: grants.iter().copied().collect(),
        secret: secret.then(|| PasswordHash::new("$argon2id$…".to_owned())),
        scopes: Scope::parse("feed read").unwrap(),
        ..ProfileSettings::default()
    }
}

/// `web` and `app` are public, `shop` is confidential, `poor` is public and may not refresh.
fn policy() -> TokenPolicy {
    let both = [Grant::Login, Grant::RefreshToken];
    fixture::policy_with([
        fixture::profile("web", settings(&both, false)),
        fixture::profile("app", settings(&[Grant::Password, Grant::RefreshToken], false)),
        fixture::profile("shop", settings(&[Grant::Password, Grant::RefreshToken], true)),
        fixture::profile("poor", settings(&[Grant::Login], false)),
    ])
}

fn service() -> TestService {
    TestService::over(Arc::default(), policy(), Arc::default())
}

/// A session of `client` with the whole scope.
fn open(service: &TestService, client: &str) -> Granted {
    let context = service.context();
    let profile = context.client(&fixture::client(client)).unwrap();
    let scope = Scope::parse("feed read").unwrap();
    let new = NewSession { scope, ..fixture::login_of(1) };
    block_on(service.sessions.open(&context, profile, new)).unwrap()
}

struct Asked<'a> {
    client: Option<&'a str>,
    key: Option<&'a str>,
    scope: Option<&'a str>,
}

const BY_WEB: Asked<'static> = Asked { client: Some("web"), key: None, scope: None };

fn renew(service: &TestService, token: &str, asked: &Asked<'_>) -> Refreshed {
    let context = service.context();
    let token = &service.sessions.check_refresh(&context, token)?;
    let client: Option<ClientId> = asked.client.map(fixture::client);
    let presenter = client.as_ref().map_or(Presenter::FirstParty, Presenter::Client);
    let scope = asked.scope.map(|text| Scope::parse(text).unwrap());
    let key = asked.key.map(|text| RetryKey::parse(text.as_bytes()).unwrap().unwrap());
    let (scope, retry_key) = (scope.as_ref(), key.as_ref());
    let request = RefreshRequest { token, presenter, scope, retry_key, device: None };
    block_on(service.sessions.renew(&context, request))
}

fn scope_in(granted: &Granted) -> String {
    let scope = &inspect(granted.access.expose()).unwrap().claims["scope"];
    assert_eq!(granted.scope.to_string(), scope.as_str().unwrap_or_default());
    granted.scope.to_string()
}

#[test]
fn the_token_of_another_client_is_rejected_and_stays_valid() {
    let service = service();
    for owner in ["web", "shop"] {
        let token = token_of(&open(&service, owner));
        service.store.calls();
        for thief in ["app", "poor", "device", "nobody"] {
            let asked = Asked { client: Some(thief), ..BY_WEB };
            assert!(
                matches!(renew(&service, &token, &asked), Err(RefreshError::Foreign)),
                "{thief}"
            );
        }
        assert!(service.store.calls().is_empty(), "no store");
        let asked = Asked { client: Some(owner), ..BY_WEB };
        assert_eq!(generation_of(&renewed(renew(&service, &token, &asked))), 2);
    }
}

/// The presenter learns nothing about the grants of the token's client.
#[test]
fn the_token_of_another_client_is_foreign_regardless_of_its_grants() {
    let service = service();
    let token = token_of(&open(&service, "web"));
    for policy in [
        fixture::policy_with([fixture::profile("web", settings(&[Grant::Login], false))]),
        TokenPolicy::new(fixture::issuer(), []),
    ] {
        let other = TestService::over(service.memory.clone(), policy, service.clock.clone());
        let asked = Asked { client: Some("app"), ..BY_WEB };
        assert!(matches!(renew(&other, &token, &asked), Err(RefreshError::Foreign)));
        assert!(matches!(renew(&other, &token, &BY_WEB), Err(RefreshError::NotAllowed)));
    }
}

#[test]
fn a_confidential_client_can_refresh_only_by_naming_itself() {
    let service = service();
    let token = token_of(&open(&service, "shop"));
    let first_party = Asked { client: None, ..BY_WEB };
    assert!(matches!(renew(&service, &token, &first_party), Err(RefreshError::NotAllowed)));
    assert_eq!(service.record().generation, Generation::FIRST);
    let named = Asked { client: Some("shop"), ..BY_WEB };
    assert_eq!(generation_of(&renewed(renew(&service, &token, &named))), 2);
}

#[test]
fn one_session_can_be_refreshed_at_both_endpoints_in_turn() {
    let service = service();
    let mut token = token_of(&open(&service, "web"));
    for turn in 0..4 {
        let client = (turn % 2 == 0).then_some("web");
        let asked = Asked { client, key: KEY, scope: None };
        let next = renewed(renew(&service, &token, &asked));
        // The answer is the same at the other door.
        let other = Asked { client: (turn % 2 == 1).then_some("web"), ..asked };
        service.advance(HOUR);
        assert_eq!(renewed(renew(&service, &token, &other)), next);
        token = next;
    }
    assert_eq!(generation_of(&token), 5);
}

#[test]
fn reuse_is_detected_across_both_endpoints() {
    for (first, second) in [(None, Some("web")), (Some("web"), None)] {
        let service = service();
        let stolen = token_of(&open(&service, "web"));
        let next = renewed(renew(&service, &stolen, &Asked { client: first, ..BY_WEB }));
        service.advance(WINDOW);
        let again = renew(&service, &stolen, &Asked { client: second, ..BY_WEB });
        assert!(matches!(again, Err(RefreshError::Reused)));
        let after = renew(&service, &next, &Asked { client: first, ..BY_WEB });
        assert!(matches!(after, Err(RefreshError::Ended(EndReason::Reuse))));
    }
}

#[test]
fn a_narrower_scope_applies_to_the_access_token_alone() {
    let service = service();
    let mut token = token_of(&open(&service, "web"));
    for (asked, given) in [
        (Some("feed"), "feed"),
        (None, "feed read"),
        (Some("read"), "read"),
        (Some("read feed"), "feed read"),
        (None, "feed read"),
    ] {
        service.store.calls();
        let (granted, _) = renew(&service, &token, &Asked { scope: asked, ..BY_WEB }).unwrap();
        assert_eq!(scope_in(&granted), given);
        assert_eq!(granted.session.scope.to_string(), "feed read");
        let calls = if asked.is_some() { vec!["find", "advance"] } else { vec!["advance"] };
        assert_eq!(service.store.calls(), calls, "only narrowing pays for a read");
        token = token_of(&granted);
    }
    assert_eq!(service.record().scope.to_string(), "feed read");
}

#[test]
fn a_wider_scope_is_rejected_and_uses_nothing_up() {
    let service = service();
    let first = token_of(&open(&service, "web"));
    for scope in ["write", "feed write", "feed read write", "Feed"] {
        let refused = renew(&service, &first, &Asked { scope: Some(scope), ..BY_WEB });
        assert!(matches!(refused, Err(RefreshError::InvalidScope)), "{scope}");
    }
    assert_eq!(service.record().generation, Generation::FIRST);
    let second = renewed(renew(&service, &first, &BY_WEB));
    // Nor is more to be had by a repeat.
    let wide = Asked { scope: Some("write"), ..BY_WEB };
    assert!(matches!(renew(&service, &first, &wide), Err(RefreshError::InvalidScope)));
    let narrow = Asked { scope: Some("feed"), ..BY_WEB };
    let (again, renewal) = renew(&service, &first, &narrow).unwrap();
    assert_eq!((token_of(&again), renewal), (second, RefreshOutcome::Repeated));
    assert_eq!(scope_in(&again), "feed");
}

#[test]
fn a_rejected_token_is_rejected_with_any_scope() {
    let wide = Asked { scope: Some("write"), ..BY_WEB };
    let service = service();
    let first = token_of(&open(&service, "web"));
    let second = renewed(renew(&service, &first, &BY_WEB));
    service.advance(WINDOW);
    assert!(matches!(renew(&service, &first, &wide), Err(RefreshError::Reused)));
    assert!(matches!(renew(&service, &second, &wide), Err(RefreshError::Ended(EndReason::Reuse))));
    service.advance(31 * DAY);
    assert!(matches!(renew(&service, &second, &wide), Err(RefreshError::Expired)));
    let empty = service.restored(&[]);
    let live = token_of(&open(&service, "web"));
    assert!(matches!(renew(&empty, &live, &wide), Err(RefreshError::Unknown)));
}

#[test]
fn a_client_that_keeps_its_token_can_narrow_too() {
    let policy = fixture::policy_with([fixture::profile(
        "device",
        ProfileSettings { scopes: Scope::parse("feed read").unwrap(), ..ProfileSettings::device() },
    )]);
    let service = TestService::over(Arc::default(), policy, Arc::default());
    let token = token_of(&open(&service, "device"));
    let asked = Asked { client: Some("device"), key: None, scope: Some("feed") };
    let (granted, renewal) = renew(&service, &token, &asked).unwrap();
    assert!(granted.refresh.is_none());
    assert_eq!((scope_in(&granted).as_str(), renewal), ("feed", RefreshOutcome::Kept));
    let wide = Asked { scope: Some("write"), ..asked };
    assert!(matches!(renew(&service, &token, &wide), Err(RefreshError::InvalidScope)));
}

#[test]
fn a_session_that_ends_after_it_was_read_is_not_renewed() {
    let service = service();
    let granted = open(&service, "web");
    let id = granted.session.id;
    let end = Ended { at: service.clock.now(), reason: EndReason::Logout };
    service.store.before("advance", move |store| {
        let _ = block_on(store.end(&id, end)).unwrap();
    });
    let refused = renew(&service, &token_of(&granted), &Asked { scope: Some("feed"), ..BY_WEB });
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Logout))));
}

#[test]
fn an_outage_while_narrowing_uses_nothing_up() {
    for outcome in CallOutcome::FAULTS {
        let service = service();
        let token = token_of(&open(&service, "web"));
        let asked = Asked { scope: Some("feed"), key: KEY, ..BY_WEB };
        service.store.plan(&[outcome]);
        let refused = renew(&service, &token, &asked);
        assert!(
            matches!(refused, Err(RefreshError::Service(ServiceError::Store(_)))),
            "{outcome:?}"
        );
        assert_eq!(service.record().generation, Generation::FIRST);
        // A step whose answer is lost is found again, with the narrow scope still.
        service.store.plan(&[CallOutcome::Done, CallOutcome::Unanswered]);
        let (granted, _) = renew(&service, &token, &asked).unwrap();
        assert_eq!((scope_in(&granted).as_str(), generation_of(&token_of(&granted))), ("feed", 2));
    }
}

fn send_password(setup: &AccountSetup, client: &str, grant: Grant) -> Result<Granted, LoginError> {
    let context = setup.service.context();
    let request = LogIn {
        email: EMAIL.to_owned(),
        password: Password::new(PASSWORD.to_owned()),
        client: context.client(&fixture::client(client)).unwrap(),
        grant,
        scope: Scope::parse("feed").unwrap(),
        device: Device::default(),
    };
    block_on(setup.accounts.log_in(&context, request))
}

#[test]
fn each_endpoint_accepts_only_its_clients() {
    let setup = AccountSetup::new();
    setup.service.sessions.replace_snapshot(fixture::snapshot(policy()));
    for (client, first_party, password_grant) in
        [("web", true, false), ("app", false, true), ("shop", false, true), ("poor", true, false)]
    {
        let others = [(Grant::RefreshToken, false), (Grant::ClientCredentials, false)];
        let own = [(Grant::Login, first_party), (Grant::Password, password_grant)];
        for (grant, allowed) in own.into_iter().chain(others) {
            match send_password(&setup, client, grant) {
                Ok(granted) => {
                    assert!(allowed, "{client} {grant:?}");
                    assert_eq!(granted.session.client, fixture::client(client));
                    assert_eq!(granted.refresh.is_some(), client != "poor");
                }
                Err(error) => {
                    assert!(matches!(error, LoginError::NotAllowed), "{client} {grant:?}");
                    assert!(!allowed, "{client} {grant:?}");
                }
            }
        }
    }
}

/// A confidential client that also has the grant `login` is still none of the first party.
#[test]
fn confidential_clients_are_rejected_at_the_first_party_login() {
    let setup = AccountSetup::new();
    let all = settings(&[Grant::Login, Grant::Password, Grant::RefreshToken], true);
    let policy = fixture::policy_with([fixture::profile("shop", all)]);
    setup.service.sessions.replace_snapshot(fixture::snapshot(policy));
    let refused = send_password(&setup, "shop", Grant::Login);
    assert!(matches!(refused, Err(LoginError::NotAllowed)));
    assert!(send_password(&setup, "shop", Grant::Password).is_ok());
}
