//! Clients by themselves: who is believed, what a good check costs, and what is in their tokens.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::claims::Scope;
use crate::id::Audience;
use crate::password::{Check, EstablishError, Overloaded, PasswordHasher};
use crate::policy::Grant;
use crate::secret::{Password, PasswordHash};
use crate::time::Timestamp;

/// A hasher that counts what it is asked, for which whatever begins with the hash is right.
#[derive(Debug, Default)]
struct Counting {
    checks: Mutex<usize>,
    overloaded: Mutex<bool>,
}

#[async_trait]
impl PasswordHasher for Counting {
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded> {
        if *self.overloaded.lock().unwrap() {
            return Err(Overloaded);
        }
        *self.checks.lock().unwrap() += 1;
        let matches = against.is_some_and(|hash| password.expose().starts_with(hash.expose()));
        Ok(Check { matches, rehashed: None })
    }

    async fn establish(
        &self,
        _: &Password,
        _: &[String],
        _: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        unreachable!("clients establish nothing")
    }
}

/// `web` is public; `shop` and `robot` have secrets, `robot` the grant for itself.
struct Counter {
    service: TestService,
    hasher: Arc<Counting>,
    clients: Clients,
}

fn confidential(hash: &str, grants: &[Grant]) -> ProfileSettings {
    ProfileSettings {
        secret: Some(PasswordHash::new(hash.to_owned())),
        grants: grants.iter().copied().collect(),
        scopes: Scope::parse("feed read").unwrap(),
        ..ProfileSettings::default()
    }
}

fn policy_of(hash: &str) -> TokenPolicy {
    let audience = vec![Audience::new("https://tank.example").unwrap()];
    let robot = ProfileSettings { audience, ..confidential(hash, &[Grant::ClientCredentials]) };
    fixture::policy_with([
        fixture::profile("shop", confidential(hash, &[Grant::RefreshToken])),
        fixture::profile("robot", robot),
    ])
}

impl Counter {
    fn new() -> Self {
        let service = TestService::over(Arc::default(), policy_of("good"), Arc::default());
        let hasher = Arc::new(Counting::default());
        let clients = Clients::new(hasher.clone(), Arc::new(SeededRandom::new(5)));
        Self { service, hasher, clients }
    }

    fn show(&self, id: &str, secret: Option<&str>) -> Result<(), ClientError> {
        let secret = secret.map(|text| Password::new(text.to_owned()));
        let credentials = Credentials { id: fixture::client(id), secret };
        let context = self.service.context();
        let profile = block_on(self.clients.authenticate(&context, &credentials))?;
        assert_eq!(*profile.id(), credentials.id);
        Ok(())
    }

    #[track_caller]
    fn is_good(&self, id: &str, secret: Option<&str>) {
        assert!(self.show(id, secret).is_ok(), "{id} {secret:?}");
    }

    #[track_caller]
    fn is_invalid(&self, id: &str, secret: Option<&str>) {
        let shown = self.show(id, secret);
        assert!(matches!(shown, Err(ClientError::Invalid)), "{id} {secret:?}");
    }

    /// How many stored hashes were checked against since the last time.
    fn checks(&self) -> usize {
        std::mem::take(&mut *self.hasher.checks.lock().unwrap())
    }

    fn token(&self, id: &str, scope: &str) -> Result<ClientToken, ClientError> {
        let context = self.service.context();
        let profile = context.client(&fixture::client(id)).unwrap();
        self.clients.token(&context, profile, Scope::parse(scope).unwrap())
    }
}

#[test]
fn clients_authenticate_with_their_secret_or_as_public_clients() {
    let counter = Counter::new();
    counter.is_good("shop", Some("good"));
    counter.is_good("web", None);
    for (id, secret) in [
        ("shop", Some("wrong")),
        ("shop", Some("")),
        ("shop", None),
        ("web", Some("good")),
        ("web", Some("")),
        ("nobody", Some("good")),
        ("nobody", None),
    ] {
        counter.is_invalid(id, secret);
    }
}

#[test]
fn unknown_and_public_clients_are_rejected_without_a_hash() {
    let counter = Counter::new();
    counter.is_invalid("nobody", Some("good"));
    counter.is_invalid("web", Some("good"));
    counter.is_invalid("shop", None);
    assert_eq!(counter.checks(), 0);
    counter.is_invalid("shop", Some("wrong"));
    assert_eq!(counter.checks(), 1);
}

#[test]
fn a_generated_secret_is_checked_without_the_hasher() {
    let secret = Password::new("generated".to_owned());
    let hash = crate::client_secret::GeneratedSecretHash::generate(&secret, &SeededRandom::new(6));
    let service = TestService::over(Arc::default(), policy_of(hash.expose()), Arc::default());
    let counter = Counter { service, ..Counter::new() };
    counter.is_invalid("shop", Some("wrong"));
    counter.is_good("shop", Some("generated"));
    assert_eq!(counter.checks(), 0);
}

#[test]
fn only_clients_that_need_no_check_are_recalled() {
    let counter = Counter::new();
    let recalled = |id: &str, secret: Option<&str>| {
        let secret = secret.map(|text| Password::new(text.to_owned()));
        let credentials = Credentials { id: fixture::client(id), secret };
        counter.clients.recall(&counter.service.context(), &credentials).is_some()
    };
    assert!(recalled("web", None) && !recalled("web", Some("good")));
    assert!(!recalled("nobody", None) && !recalled("shop", None));
    assert!(!recalled("shop", Some("good")));
    counter.is_good("shop", Some("good"));
    assert!(recalled("shop", Some("good")) && !recalled("shop", Some("wrong")));
    counter.service.advance(Clients::MEMORY);
    assert!(!recalled("shop", Some("good")));
}

#[test]
fn a_successful_check_is_remembered_for_some_minutes_and_not_longer() {
    let counter = Counter::new();
    for _ in 0..3 {
        counter.is_good("shop", Some("good"));
    }
    assert_eq!(counter.checks(), 1);
    counter.service.advance(Clients::MEMORY - Duration::from_millis(1));
    counter.is_good("shop", Some("good"));
    assert_eq!(counter.checks(), 0);
    // Asking doesn't prolong it.
    counter.service.advance(Duration::from_millis(1));
    counter.is_good("shop", Some("good"));
    assert_eq!(counter.checks(), 1);
    counter.is_good("shop", Some("good"));
    assert_eq!(counter.checks(), 0);
}

#[test]
fn a_wrong_secret_is_never_remembered() {
    let counter = Counter::new();
    for right in [false, true] {
        for _ in 0..3 {
            counter.is_invalid("shop", Some("wrong"));
        }
        assert_eq!(counter.checks(), 3, "after a good one: {right}");
        counter.is_good("shop", Some("good"));
        assert_eq!(counter.checks(), usize::from(!right));
    }
}

#[test]
fn a_remembered_check_applies_to_one_client_and_one_secret() {
    let counter = Counter::new();
    counter.is_good("shop", Some("good"));
    counter.is_good("robot", Some("good"));
    counter.is_good("shop", Some("good too"));
    assert_eq!(counter.checks(), 3);
    counter.is_invalid("nobody", Some("good"));
    counter.is_invalid("web", Some("good"));
}

#[test]
fn changing_a_hash_forgets_the_secret_it_replaced() {
    let counter = Counter::new();
    counter.is_good("shop", Some("good"));
    let other = fixture::snapshot(policy_of("better"));
    counter.service.sessions.replace_snapshot(other);
    counter.is_invalid("shop", Some("good"));
    counter.is_good("shop", Some("better"));
    assert_eq!(counter.checks(), 3);
    let none = fixture::snapshot(fixture::policy());
    counter.service.sessions.replace_snapshot(none);
    counter.is_invalid("shop", Some("better"));
}

#[test]
fn overload_is_not_a_rejection_and_remembered_secrets_still_pass() {
    let counter = Counter::new();
    counter.is_good("shop", Some("good"));
    *counter.hasher.overloaded.lock().unwrap() = true;
    counter.is_good("shop", Some("good"));
    counter.is_good("web", None);
    counter.is_invalid("nobody", Some("good"));
    for (id, secret) in [("robot", "good"), ("shop", "wrong")] {
        let shown = counter.show(id, Some(secret));
        assert!(matches!(shown, Err(ClientError::Overloaded(_))), "{id}");
    }
    *counter.hasher.overloaded.lock().unwrap() = false;
    counter.is_invalid("shop", Some("wrong"));
}

#[test]
fn the_memory_is_bounded_and_drops_the_expired_first() {
    let counter = Counter::new();
    let fill = |from: usize, to: usize| {
        for number in from..to {
            counter.is_good("shop", Some(&format!("good {number}")));
        }
        assert_eq!(counter.checks(), to - from);
    };
    fill(0, Clients::MAX_REMEMBERED);
    counter.is_good("shop", Some("good 0"));
    assert_eq!(counter.checks(), 0);
    fill(Clients::MAX_REMEMBERED, Clients::MAX_REMEMBERED + 1);
    counter.is_good("shop", Some("good 0"));
    assert_eq!(counter.checks(), 1, "one too many, and none was to be spared");

    let counter = Counter::new();
    for number in 1..Clients::MAX_REMEMBERED {
        counter.is_good("shop", Some(&format!("good {number}")));
    }
    counter.service.advance(Clients::MEMORY / 2);
    counter.is_good("shop", Some("good and late"));
    counter.service.advance(Clients::MEMORY / 2);
    counter.is_good("shop", Some("good and one too many"));
    counter.checks();
    counter.is_good("shop", Some("good and late"));
    assert_eq!(counter.checks(), 0, "what was still good was kept");
}

#[test]
fn remembered_checks_are_salted_and_unambiguous() {
    let hasher = Arc::new(Counting::default());
    let clients = |seed| Clients::new(hasher.clone(), Arc::new(SeededRandom::new(seed)));
    let key = |clients: &Clients, id: &str, hash: &str, secret: &str| {
        let hash = PasswordHash::new(hash.to_owned());
        clients.memory_key(&fixture::client(id), &Password::new(secret.to_owned()), &hash)
    };
    let one = clients(1);
    let first = key(&one, "shop", "hash", "secret");
    assert_eq!(first, key(&one, "shop", "hash", "secret"));
    assert_ne!(first, key(&clients(2), "shop", "hash", "secret"));
    for (id, hash, secret) in [
        ("robot", "hash", "secret"),
        ("shop", "hash2", "secret"),
        ("shop", "hash", "secret2"),
        ("shoph", "ash", "secret"),
        ("shop", "hashs", "ecret"),
    ] {
        assert_ne!(first, key(&one, id, hash, secret), "{id} {hash} {secret}");
    }
}

#[test]
fn neither_salt_nor_memory_is_ever_formatted() {
    let counter = Counter::new();
    counter.is_good("shop", Some("good snails"));
    let mut salt = [0; 32];
    crate::random::Random::fill(&SeededRandom::new(5), &mut salt);
    let hash = PasswordHash::new("good".to_owned());
    let secret = Password::new("good snails".to_owned());
    let key = counter.clients.memory_key(&fixture::client("shop"), &secret, &hash);
    for text in [format!("{:?}", counter.clients), format!("{:#?}", counter.clients)] {
        for bytes in [&salt, &key] {
            assert!(!text.contains(&format!("{bytes:?}")), "{text}");
            assert!(!text.contains(&format!("{bytes:#?}").replace('\n', "\n    ")), "{text}");
        }
        assert!(!text.contains("good snails"), "{text}");
    }
}

#[test]
fn a_token_for_a_client_itself_has_no_session() {
    let counter = Counter::new();
    let now = counter.service.clock.now();
    let token = counter.token("robot", "feed").unwrap();
    let claims = inspect(token.access.expose()).unwrap().claims;
    let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"]);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&"robot".into(), &"robot".into()));
    assert_eq!(
        (&claims["scope"], &claims["aud"]),
        (&"feed".into(), &"https://tank.example".into())
    );
    assert_eq!(claims["exp"], now.seconds() + 300);
    assert_eq!(token.expires_at, now.plus(Duration::from_secs(300)));
    assert!(counter.service.store.calls().is_empty(), "no store");
    // Without one asked for there is none.
    let claims = inspect(counter.token("robot", "").unwrap().access.expose()).unwrap().claims;
    assert_eq!(claims.get("scope"), None);
    // It has no session, so it authenticates no user.
    let caller = block_on(
        counter.service.sessions.authenticate(&counter.service.context(), token.access.expose()),
    );
    assert!(matches!(caller, Err(AuthError::SessionOver)));
    let out = block_on(
        counter.service.sessions.log_out_bearer(&counter.service.context(), token.access.expose()),
    );
    assert!(matches!(out, Err(AuthError::SessionOver)));
}

#[test]
fn only_a_confidential_client_with_the_grant_gets_a_token_within_its_scopes() {
    let counter = Counter::new();
    for id in ["web", "shop"] {
        assert!(matches!(counter.token(id, ""), Err(ClientError::NotAllowed)), "{id}");
    }
    for scope in ["write", "feed write", "Feed"] {
        assert!(matches!(counter.token("robot", scope), Err(ClientError::InvalidScope)), "{scope}");
    }
    assert!(counter.token("robot", "read feed").is_ok());
    let grants = BTreeSet::from([Grant::ClientCredentials]);
    let public = ProfileSettings { grants, ..ProfileSettings::default() };
    assert!(ClientProfile::new(fixture::client("open"), public).is_err());
}
