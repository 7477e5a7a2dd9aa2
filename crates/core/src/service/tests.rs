//! The use cases over a store in memory: histories of honest and dishonest clients, lost responses,
//! lost writes, races, and logins that must be rejected.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::Subject;
use crate::jwt::inspect;
use crate::policy::{ClientProfile, ProfileSettings, Rotation, TokenPolicy};
use crate::retry::RetryKey;
use crate::session::{EndReason, Ended};
use crate::store::{MemoryStore, SessionStore};
use crate::testing::{ManualClock, SeededRandom, block_on, fixture};
use crate::time::{Clock as _, Lifetime};

mod adoption;
mod claims;
mod clients;
mod embedding;
mod faults;
mod faulty_store;
mod histories;
mod honest;
mod import;
mod introspect;
mod login;
mod mailboxes;
mod many;
mod messages;
mod never;
mod oauth;
mod passwords;
mod races;
mod reload;
mod renewal;
mod rollback;
mod shown;
mod status;
mod thieves;
mod waiting;

use self::faulty_store::FaultyStore;

const WINDOW: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The use cases over a faulty store, with a clock moved by hand. The client is `web`.
struct TestService {
    memory: Arc<MemoryStore>,
    store: Arc<FaultyStore>,
    sessions: Arc<Sessions>,
    policy: TokenPolicy,
    clock: Arc<ManualClock>,
}

impl TestService {
    /// A service with these settings for `web`.
    fn new(web: ProfileSettings) -> Self {
        let policy = fixture::policy_with([fixture::profile("web", web)]);
        Self::over(Arc::new(MemoryStore::new()), policy, Arc::default())
    }

    /// A service over existing records, with randomness that differs from the earlier one.
    fn over(memory: Arc<MemoryStore>, policy: TokenPolicy, clock: Arc<ManualClock>) -> Self {
        let store = Arc::new(FaultyStore::new(memory.clone()));
        let seed = memory.records(&subject()).len();
        let random = Arc::new(SeededRandom::new(u64::try_from(seed).unwrap()));
        let snapshot = fixture::snapshot(policy.clone());
        let sessions = Arc::new(Sessions::new(store.clone(), random, snapshot));
        Self { memory, store, sessions, policy, clock }
    }

    /// Another server over the same store, with keys read from the same records.
    fn replica(&self) -> Sessions {
        let snapshot = fixture::snapshot(self.policy.clone());
        Sessions::new(self.store.clone(), Arc::new(SeededRandom::new(77)), snapshot)
    }

    /// The same records in another store, like a restored backup.
    fn restored(&self, records: &[Session]) -> Self {
        let memory = Arc::new(MemoryStore::new());
        for record in records {
            assert!(block_on(memory.insert(record)).unwrap());
        }
        Self::over(memory, self.policy.clone(), self.clock.clone())
    }

    /// The records in the store.
    fn copy(&self) -> Vec<Session> {
        self.memory.records(&subject())
    }

    fn profile(&self) -> &ClientProfile {
        self.policy.client(&fixture::client("web")).unwrap()
    }

    fn context(&self) -> RequestContext {
        self.sessions.context(self.clock.now())
    }

    fn open(&self) -> Granted {
        self.open_for("web")
    }

    fn open_for(&self, client: &str) -> Granted {
        let context = self.context();
        let profile = context.client(&fixture::client(client)).unwrap();
        block_on(self.sessions.open(&context, profile, fixture::login_of(1))).unwrap()
    }

    fn refresh(&self, token: &str, key: Option<&str>) -> Refreshed {
        refresh(&self.sessions, token, key, &self.clock)
    }

    fn record(&self) -> Session {
        let mut all = self.copy();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn record_of(&self, id: &crate::id::SessionId) -> Session {
        block_on(self.memory.find(id)).unwrap().unwrap()
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }
}

type Refreshed = Result<(Granted, RefreshOutcome), RefreshError>;

fn refresh(sessions: &Sessions, token: &str, key: Option<&str>, clock: &ManualClock) -> Refreshed {
    let key = key.map(|text| RetryKey::parse(text.as_bytes()).unwrap().unwrap());
    block_on(sessions.refresh(&sessions.context(clock.now()), token, key.as_ref()))
}

fn subject() -> Subject {
    fixture::subject(1)
}

/// The refresh token in `granted`.
fn token_of(granted: &Granted) -> String {
    granted.refresh.as_ref().unwrap().token.expose().to_owned()
}

/// The refresh token of a successful renewal.
fn renewed(outcome: Refreshed) -> String {
    token_of(&outcome.unwrap().0)
}

fn generation_of(token: &str) -> u64 {
    inspect(token).unwrap().claims["gen"].as_u64().unwrap()
}

fn with_window(retry_window: Duration) -> ProfileSettings {
    ProfileSettings { retry_window, ..ProfileSettings::default() }
}

/// Settings under which no test comes near the end of a session's life.
fn for_a_century(settings: ProfileSettings) -> ProfileSettings {
    ProfileSettings { session_lifetime: Lifetime::from_days(36_500), ..settings }
}
