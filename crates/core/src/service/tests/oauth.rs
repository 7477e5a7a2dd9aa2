//! The OAuth endpoints: which client may present a refresh token, the resulting scope, and which client
//! may send a password.

use super::login::{Desk, EMAIL, PASSWORD};
use super::wire::Fate;
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

fn world() -> World {
    World::over(Arc::default(), policy(), Arc::default())
}

/// A session of `client` with the whole scope.
fn open(world: &World, client: &str) -> Granted {
    let context = world.context();
    let profile = context.client(&fixture::client(client)).unwrap();
    let scope = Scope::parse("feed read").unwrap();
    let new = NewSession { scope, ..fixture::login_of(1) };
    block_on(world.sessions.open(&context, profile, new)).unwrap()
}

struct Asked<'a> {
    client: Option<&'a str>,
    key: Option<&'a str>,
    scope: Option<&'a str>,
}

const BY_WEB: Asked<'static> = Asked { client: Some("web"), key: None, scope: None };

fn renew(world: &World, token: &str, asked: &Asked<'_>) -> Refreshed {
    let context = world.context();
    let token = &world.sessions.check_refresh(&context, token)?;
    let client: Option<ClientId> = asked.client.map(fixture::client);
    let presenter = client.as_ref().map_or(Presenter::FirstParty, Presenter::Client);
    let scope = asked.scope.map(|text| Scope::parse(text).unwrap());
    let key = asked.key.map(|text| RetryKey::parse(text.as_bytes()).unwrap().unwrap());
    let (scope, retry_key) = (scope.as_ref(), key.as_ref());
    let request = RefreshRequest { token, presenter, scope, retry_key };
    block_on(world.sessions.renew(&context, request))
}

fn scope_in(granted: &Granted) -> String {
    let scope = &inspect(granted.access.expose()).unwrap().claims["scope"];
    assert_eq!(granted.scope.to_string(), scope.as_str().unwrap_or_default());
    granted.scope.to_string()
}

#[test]
fn the_token_of_another_client_is_rejected_and_stays_valid() {
    let world = world();
    for owner in ["web", "shop"] {
        let token = token_of(&open(&world, owner));
        world.wire.calls();
        for thief in ["app", "poor", "device", "nobody"] {
            let asked = Asked { client: Some(thief), ..BY_WEB };
            assert!(matches!(renew(&world, &token, &asked), Err(RefreshError::Foreign)), "{thief}");
        }
        assert!(world.wire.calls().is_empty(), "no store");
        let asked = Asked { client: Some(owner), ..BY_WEB };
        assert_eq!(generation_of(&renewed(renew(&world, &token, &asked))), 2);
    }
}

/// The presenter learns nothing about the grants of the token's client.
#[test]
fn the_token_of_another_client_is_foreign_regardless_of_its_grants() {
    let world = world();
    let token = token_of(&open(&world, "web"));
    for policy in [
        fixture::policy_with([fixture::profile("web", settings(&[Grant::Login], false))]),
        TokenPolicy::new(fixture::issuer(), []),
    ] {
        let other = World::over(world.memory.clone(), policy, world.clock.clone());
        let asked = Asked { client: Some("app"), ..BY_WEB };
        assert!(matches!(renew(&other, &token, &asked), Err(RefreshError::Foreign)));
        assert!(matches!(renew(&other, &token, &BY_WEB), Err(RefreshError::NotAllowed)));
    }
}

#[test]
fn a_confidential_client_can_refresh_only_by_naming_itself() {
    let world = world();
    let token = token_of(&open(&world, "shop"));
    let first_party = Asked { client: None, ..BY_WEB };
    assert!(matches!(renew(&world, &token, &first_party), Err(RefreshError::NotAllowed)));
    assert_eq!(world.record().generation, Generation::FIRST);
    let named = Asked { client: Some("shop"), ..BY_WEB };
    assert_eq!(generation_of(&renewed(renew(&world, &token, &named))), 2);
}

#[test]
fn one_session_can_be_refreshed_at_both_endpoints_in_turn() {
    let world = world();
    let mut token = token_of(&open(&world, "web"));
    for turn in 0..4 {
        let client = (turn % 2 == 0).then_some("web");
        let asked = Asked { client, key: KEY, scope: None };
        let next = renewed(renew(&world, &token, &asked));
        // The answer is the same at the other door.
        let other = Asked { client: (turn % 2 == 1).then_some("web"), ..asked };
        world.advance(HOUR);
        assert_eq!(renewed(renew(&world, &token, &other)), next);
        token = next;
    }
    assert_eq!(generation_of(&token), 5);
}

#[test]
fn reuse_is_detected_across_both_endpoints() {
    for (first, second) in [(None, Some("web")), (Some("web"), None)] {
        let world = world();
        let stolen = token_of(&open(&world, "web"));
        let next = renewed(renew(&world, &stolen, &Asked { client: first, ..BY_WEB }));
        world.advance(WINDOW);
        let again = renew(&world, &stolen, &Asked { client: second, ..BY_WEB });
        assert!(matches!(again, Err(RefreshError::Reused)));
        let after = renew(&world, &next, &Asked { client: first, ..BY_WEB });
        assert!(matches!(after, Err(RefreshError::Ended(EndReason::Reuse))));
    }
}

#[test]
fn a_narrower_scope_applies_to_the_access_token_alone() {
    let world = world();
    let mut token = token_of(&open(&world, "web"));
    for (asked, given) in [
        (Some("feed"), "feed"),
        (None, "feed read"),
        (Some("read"), "read"),
        (Some("read feed"), "feed read"),
        (None, "feed read"),
    ] {
        world.wire.calls();
        let (granted, _) = renew(&world, &token, &Asked { scope: asked, ..BY_WEB }).unwrap();
        assert_eq!(scope_in(&granted), given);
        assert_eq!(granted.session.scope.to_string(), "feed read");
        let calls = if asked.is_some() { vec!["find", "advance"] } else { vec!["advance"] };
        assert_eq!(world.wire.calls(), calls, "only narrowing pays for a read");
        token = token_of(&granted);
    }
    assert_eq!(world.record().scope.to_string(), "feed read");
}

#[test]
fn a_wider_scope_is_rejected_and_uses_nothing_up() {
    let world = world();
    let first = token_of(&open(&world, "web"));
    for scope in ["write", "feed write", "feed read write", "Feed"] {
        let refused = renew(&world, &first, &Asked { scope: Some(scope), ..BY_WEB });
        assert!(matches!(refused, Err(RefreshError::InvalidScope)), "{scope}");
    }
    assert_eq!(world.record().generation, Generation::FIRST);
    let second = renewed(renew(&world, &first, &BY_WEB));
    // Nor is more to be had by a repeat.
    let wide = Asked { scope: Some("write"), ..BY_WEB };
    assert!(matches!(renew(&world, &first, &wide), Err(RefreshError::InvalidScope)));
    let narrow = Asked { scope: Some("feed"), ..BY_WEB };
    let (again, renewal) = renew(&world, &first, &narrow).unwrap();
    assert_eq!((token_of(&again), renewal), (second, RefreshOutcome::Repeated));
    assert_eq!(scope_in(&again), "feed");
}

#[test]
fn a_rejected_token_is_rejected_with_any_scope() {
    let wide = Asked { scope: Some("write"), ..BY_WEB };
    let world = world();
    let first = token_of(&open(&world, "web"));
    let second = renewed(renew(&world, &first, &BY_WEB));
    world.advance(WINDOW);
    assert!(matches!(renew(&world, &first, &wide), Err(RefreshError::Reused)));
    assert!(matches!(renew(&world, &second, &wide), Err(RefreshError::Ended(EndReason::Reuse))));
    world.advance(31 * DAY);
    assert!(matches!(renew(&world, &second, &wide), Err(RefreshError::Expired)));
    let empty = world.restored(&[]);
    let live = token_of(&open(&world, "web"));
    assert!(matches!(renew(&empty, &live, &wide), Err(RefreshError::Unknown)));
}

#[test]
fn a_client_that_keeps_its_token_can_narrow_too() {
    let policy = fixture::policy_with([fixture::profile(
        "device",
        ProfileSettings { scopes: Scope::parse("feed read").unwrap(), ..ProfileSettings::device() },
    )]);
    let world = World::over(Arc::default(), policy, Arc::default());
    let token = token_of(&open(&world, "device"));
    let asked = Asked { client: Some("device"), key: None, scope: Some("feed") };
    let (granted, renewal) = renew(&world, &token, &asked).unwrap();
    assert!(granted.refresh.is_none());
    assert_eq!((scope_in(&granted).as_str(), renewal), ("feed", RefreshOutcome::Kept));
    let wide = Asked { scope: Some("write"), ..asked };
    assert!(matches!(renew(&world, &token, &wide), Err(RefreshError::InvalidScope)));
}

#[test]
fn a_session_that_ends_after_it_was_read_is_not_renewed() {
    let world = world();
    let granted = open(&world, "web");
    let id = granted.session.id;
    let end = Ended { at: world.clock.now(), reason: EndReason::Logout };
    world.wire.before("advance", move |store| {
        let _ = block_on(store.end(&id, end)).unwrap();
    });
    let refused = renew(&world, &token_of(&granted), &Asked { scope: Some("feed"), ..BY_WEB });
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Logout))));
}

#[test]
fn an_outage_while_narrowing_uses_nothing_up() {
    for fate in Fate::FAULTS {
        let world = world();
        let token = token_of(&open(&world, "web"));
        let asked = Asked { scope: Some("feed"), key: KEY, ..BY_WEB };
        world.wire.plan(&[fate]);
        let refused = renew(&world, &token, &asked);
        assert!(matches!(refused, Err(RefreshError::Service(ServiceError::Store(_)))), "{fate:?}");
        assert_eq!(world.record().generation, Generation::FIRST);
        // A step whose answer is lost is found again, with the narrow scope still.
        world.wire.plan(&[Fate::Done, Fate::Unanswered]);
        let (granted, _) = renew(&world, &token, &asked).unwrap();
        assert_eq!((scope_in(&granted).as_str(), generation_of(&token_of(&granted))), ("feed", 2));
    }
}

fn send_password(desk: &Desk, client: &str, grant: Grant) -> Result<Granted, LoginError> {
    let context = desk.world.context();
    let request = LogIn {
        email: EMAIL.to_owned(),
        password: Password::new(PASSWORD.to_owned()),
        client: context.client(&fixture::client(client)).unwrap(),
        grant,
        scope: Scope::parse("feed").unwrap(),
        device: Device::default(),
    };
    block_on(desk.accounts.log_in(&context, request))
}

#[test]
fn each_endpoint_accepts_only_its_clients() {
    let desk = Desk::new();
    desk.world.sessions.replace_snapshot(fixture::snapshot(policy()));
    for (client, first_party, password_grant) in
        [("web", true, false), ("app", false, true), ("shop", false, true), ("poor", true, false)]
    {
        let others = [(Grant::RefreshToken, false), (Grant::ClientCredentials, false)];
        let own = [(Grant::Login, first_party), (Grant::Password, password_grant)];
        for (grant, allowed) in own.into_iter().chain(others) {
            match send_password(&desk, client, grant) {
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
    let desk = Desk::new();
    let all = settings(&[Grant::Login, Grant::Password, Grant::RefreshToken], true);
    let policy = fixture::policy_with([fixture::profile("shop", all)]);
    desk.world.sessions.replace_snapshot(fixture::snapshot(policy));
    let refused = send_password(&desk, "shop", Grant::Login);
    assert!(matches!(refused, Err(LoginError::NotAllowed)));
    assert!(send_password(&desk, "shop", Grant::Password).is_ok());
}
