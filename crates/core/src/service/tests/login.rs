//! Logins: their rejections, and changes that happen while a login is in progress.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::account::Account;
use crate::claims::Scope;
use crate::password::{Check, EstablishError, HashCost, Overloaded, PasswordHasher};
use crate::policy::Grant;
use crate::secret::{Password, PasswordHash};
use crate::session::Device;
use crate::store::{AccountChange, AccountStore};
use crate::testing::InlineHasher;
use crate::time::Timestamp;

pub(super) const EMAIL: &str = "Ann@Example.com";
pub(super) const PASSWORD: &str = "seven blue snails";

type Interruption = Box<dyn FnOnce(&MemoryStore) + Send>;

/// A hasher that can run a step of another party while it works.
pub(super) struct SlowHasher {
    hasher: InlineHasher,
    store: Arc<MemoryStore>,
    meanwhile: Mutex<VecDeque<Interruption>>,
    checks: Mutex<usize>,
    overloaded: Mutex<bool>,
}

impl fmt::Debug for SlowHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlowHasher")
    }
}

#[async_trait]
impl PasswordHasher for SlowHasher {
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded> {
        if *self.overloaded.lock().unwrap() {
            return Err(Overloaded);
        }
        *self.checks.lock().unwrap() += 1;
        let check = self.hasher.check(password, against).await;
        let interruption = self.meanwhile.lock().unwrap().pop_front();
        if let Some(act) = interruption {
            act(&self.store);
        }
        check
    }

    async fn establish(
        &self,
        password: &Password,
        context: &[String],
        at: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        self.hasher.establish(password, context, at).await
    }
}

/// A service with accounts; Ann has one.
pub(super) struct AccountSetup {
    pub(super) service: TestService,
    pub(super) accounts: Accounts,
    pub(super) ann: Account,
    hasher: Arc<SlowHasher>,
}

impl AccountSetup {
    pub(super) fn new() -> Self {
        let scopes = Scope::parse("feed read").unwrap();
        let service = TestService::new(ProfileSettings { scopes, ..ProfileSettings::default() });
        Self::with_cost(service, HashCost::new(8, 1, 1).unwrap(), None)
    }

    /// The same service behind a hasher of another cost, with the account there is.
    fn with_cost(service: TestService, cost: HashCost, ann: Option<Account>) -> Self {
        let hasher = Arc::new(SlowHasher {
            hasher: InlineHasher::new(cost),
            store: service.memory.clone(),
            meanwhile: Mutex::default(),
            checks: Mutex::default(),
            overloaded: Mutex::default(),
        });
        let random = Arc::new(SeededRandom::new(3));
        let accounts =
            Accounts::new(service.memory.clone(), hasher.clone(), random, service.sessions.clone())
                .with_outbox(service.memory.clone());
        let wish = SignUp {
            email: EMAIL.to_owned(),
            password: password(PASSWORD),
            first_name: Some("Ann".to_owned()),
            last_name: None,
        };
        let signed_up = || block_on(accounts.sign_up(&service.context(), wish)).unwrap();
        let ann = ann.unwrap_or_else(signed_up);
        Self { service, accounts, ann, hasher }
    }

    pub(super) fn requiring_verified_email(self) -> Self {
        let accounts = self.accounts.with_verified_email_required(true);
        Self { accounts, ..self }
    }

    /// Lets this happen during the next check of a password; said again, during the one after it.
    fn during_check(&self, act: impl FnOnce(&MemoryStore) + Send + 'static) {
        self.hasher.meanwhile.lock().unwrap().push_back(Box::new(act));
    }

    pub(super) fn log_in(&self, email: &str, text: &str) -> Result<Granted, LoginError> {
        self.log_in_as("web", email, text, "")
    }

    pub(super) fn log_in_as(
        &self,
        client: &str,
        email: &str,
        text: &str,
        scope: &str,
    ) -> Result<Granted, LoginError> {
        let context = self.service.context();
        let request = LogIn {
            email: email.to_owned(),
            password: password(text),
            client: context.client(&fixture::client(client)).unwrap(),
            grant: Grant::Login,
            scope: Scope::parse(scope).unwrap(),
            device: Device::default(),
        };
        block_on(self.accounts.log_in(&context, request))
    }

    pub(super) fn live(&self) -> usize {
        block_on(self.service.sessions.list(&self.service.context(), &self.ann.id)).unwrap().len()
    }

    pub(super) fn stored(&self) -> Account {
        block_on(self.service.memory.by_id(&self.ann.id)).unwrap().unwrap()
    }

    pub(super) fn hash_of(&self, text: &str) -> PasswordHash {
        block_on(self.hasher.establish(&password(text), &[], self.service.context().now)).unwrap()
    }
}

pub(super) fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[test]
fn a_login_accepts_any_spelling_of_the_address() {
    let setup = AccountSetup::new();
    for email in [EMAIL, "ann@example.com", "ANN@EXAMPLE.COM"] {
        let granted = setup.log_in(email, PASSWORD).unwrap();
        assert_eq!(granted.session.subject, setup.ann.id);
    }
    assert_eq!(setup.live(), 3);
    let twice = SignUp {
        email: "ANN@example.com".to_owned(),
        password: password("another long password"),
        first_name: None,
        last_name: None,
    };
    let taken = block_on(setup.accounts.sign_up(&setup.service.context(), twice.clone()));
    assert!(matches!(taken, Err(SignUpError::Taken)));
    let nowhere = SignUp { email: "nobody".to_owned(), ..twice.clone() };
    let refused = block_on(setup.accounts.sign_up(&setup.service.context(), nowhere));
    assert!(matches!(refused, Err(SignUpError::Email)));
    let weak = SignUp { email: "bob@example.com".to_owned(), password: password("bob"), ..twice };
    let refused = block_on(setup.accounts.sign_up(&setup.service.context(), weak));
    assert!(matches!(refused, Err(SignUpError::Weak(_))));
}

/// One answer, and one hash computed for it, whatever is wrong.
#[test]
fn a_wrong_password_an_unknown_login_and_a_disabled_account_look_alike() {
    let setup = AccountSetup::new();
    let refusal = |email: &str, text: &str| {
        let before = *setup.hasher.checks.lock().unwrap();
        let error = setup.log_in(email, text).unwrap_err();
        assert!(matches!(error, LoginError::InvalidCredentials));
        let checks = *setup.hasher.checks.lock().unwrap() - before;
        (error.to_string(), format!("{error:?}"), checks)
    };
    let wrong = refusal(EMAIL, "seven blue whales");
    assert_eq!(wrong.2, 1);
    assert_eq!(refusal("bob@example.com", PASSWORD), wrong);
    assert_eq!(refusal("no address at all", PASSWORD), wrong);
    assert_eq!(refusal(EMAIL, ""), wrong);
    block_on(setup.accounts.disable(&setup.service.context(), &setup.ann.id)).unwrap();
    assert_eq!(refusal(EMAIL, PASSWORD), wrong);
    assert_eq!(refusal(EMAIL, "seven blue whales"), wrong);
    assert!(
        setup.service.store.calls().iter().all(|call| *call == "end_all"),
        "no session was made"
    );
}

#[test]
fn a_client_must_be_allowed_to_log_in_and_stay_within_its_scopes() {
    let setup = AccountSetup::new();
    let scoped = setup.log_in_as("web", EMAIL, PASSWORD, "read").unwrap();
    assert_eq!(inspect(scoped.access.expose()).unwrap().claims["scope"], "read");
    let error = |client: &str, scope: &str| {
        setup.log_in_as(client, EMAIL, PASSWORD, scope).map(|_| ()).unwrap_err()
    };
    assert!(matches!(error("web", "read admin"), LoginError::InvalidScope));
    for refused in [
        ProfileSettings {
            grants: BTreeSet::from([Grant::RefreshToken]),
            ..ProfileSettings::default()
        },
        ProfileSettings {
            secret: Some(PasswordHash::new("$argon2id$…".to_owned())),
            ..ProfileSettings::default()
        },
    ] {
        let policy = fixture::policy_with([fixture::profile("web", refused)]);
        setup.service.sessions.replace_snapshot(fixture::snapshot(policy));
        assert!(matches!(error("web", ""), LoginError::NotAllowed));
    }
}

#[test]
fn overload_is_reported_and_opens_no_session() {
    let setup = AccountSetup::new();
    *setup.hasher.overloaded.lock().unwrap() = true;
    assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::Overloaded(_))));
    assert_eq!(setup.live(), 0);
}

/// Disabling an account ends its sessions, but cannot end one that does not exist yet.
#[test]
fn an_account_disabled_during_a_login_has_no_live_session() {
    type Act = fn(&MemoryStore, &Account, PasswordHash, Ended);
    let shuts: [Act; 3] = [
        |store, ann, _, ended| {
            assert!(
                block_on(store.change(&ann.id, AccountChange::SetDisabled(Some(ended.at))))
                    .unwrap()
            );
            assert!(block_on(store.end_all(&ann.id, None, ended, 10)).unwrap().is_empty());
        },
        |store, ann, new, ended| {
            assert!(block_on(store.change(&ann.id, AccountChange::SetPassword(&new))).unwrap());
            assert!(block_on(store.end_all(&ann.id, None, ended, 10)).unwrap().is_empty());
        },
        |store, ann, _, ended| {
            assert!(block_on(store.delete(&ann.id)).unwrap());
            assert!(block_on(store.end_all(&ann.id, None, ended, 10)).unwrap().is_empty());
        },
    ];
    for shut in shuts {
        for right_before_the_insert in [false, true] {
            let setup = AccountSetup::new();
            let (ann, new) = (setup.ann.clone(), setup.hash_of("nine green turtles"));
            let at = setup.service.clock.now();
            let ended = Ended { at, reason: EndReason::Revoked };
            let act = move |store: &MemoryStore| shut(store, &ann, new, ended);
            if right_before_the_insert {
                setup.service.store.before("insert", act);
            } else {
                setup.during_check(act);
            }
            let refused = setup.log_in(EMAIL, PASSWORD);
            assert!(matches!(refused, Err(LoginError::InvalidCredentials)));
            assert_eq!(setup.live(), 0);
        }
    }
}

#[test]
fn a_login_renews_a_hash_of_another_cost() {
    let setup = AccountSetup::new();
    let dearer = HashCost::new(16, 1, 1).unwrap();
    let setup = AccountSetup::with_cost(setup.service, dearer, Some(setup.ann));
    assert!(setup.stored().password.expose().contains("m=8,"));
    assert!(setup.log_in(EMAIL, PASSWORD).is_ok());
    assert!(setup.stored().password.expose().contains("m=16,"));
    let once = setup.stored();
    assert!(setup.log_in(EMAIL, PASSWORD).is_ok());
    assert_eq!(setup.stored(), once, "once is enough");
    assert!(setup.log_in(EMAIL, "seven blue whales").is_err());
}

#[test]
fn renewing_a_hash_never_undoes_a_change_of_password() {
    let setup = AccountSetup::new();
    let dearer = HashCost::new(16, 1, 1).unwrap();
    let setup = AccountSetup::with_cost(setup.service, dearer, Some(setup.ann));
    let (id, new) = (setup.ann.id.clone(), setup.hash_of("nine green turtles"));
    setup.during_check({
        let new = new.clone();
        move |store| assert!(block_on(store.change(&id, AccountChange::SetPassword(&new))).unwrap())
    });
    assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert_eq!(setup.stored().password, new);
    assert_eq!(setup.live(), 0);
    assert!(setup.log_in(EMAIL, "nine green turtles").is_ok());
}

#[test]
fn two_logins_that_renew_the_hash_at_once_both_succeed() {
    let setup = AccountSetup::new();
    let dearer = HashCost::new(16, 1, 1).unwrap();
    let setup = AccountSetup::with_cost(setup.service, dearer, Some(setup.ann));
    let (id, others) = (setup.ann.id.clone(), setup.hash_of(PASSWORD));
    setup.during_check({
        let others = others.clone();
        move |store| {
            assert!(block_on(store.change(&id, AccountChange::SetPassword(&others))).unwrap())
        }
    });
    assert!(setup.log_in(EMAIL, PASSWORD).is_ok());
    assert_eq!(setup.stored().password, others);
    assert_eq!(setup.live(), 1);
}
