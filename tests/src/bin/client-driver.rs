//! Sessions of `aquaware-client` through a bad network, for `cargo xtask chaos`, which describes
//! what a driver does and kills this process now and then: everything it knows is in the directory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure ends the storm"
)]
#![allow(clippy::disallowed_methods, reason = "the storm is described by the environment")]

use std::env::var;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use aquaware_client::{
    AccessToken, Builder, Client, Error, FileStorage, MemoryStorage, Reason, Storage,
};
use aquaware_tests::Random;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
const PASSWORD: &str = "seven blue snails";

/// A file that fails once before or after it is written, as if the process had ended there.
#[derive(Clone, Debug)]
struct Fragile {
    file: FileStorage,
    crash: Arc<AtomicU8>,
}

const BEFORE: u8 = 1;
const AFTER: u8 = 2;

impl Fragile {
    fn put(&self, text: &str) {
        self.file.save(Some(text)).unwrap();
    }

    fn text(&self) -> Option<String> {
        self.file.load().unwrap()
    }

    fn refresh_token(&self) -> String {
        let record: Value = serde_json::from_str(&self.text().unwrap()).unwrap();
        record["refresh"].as_str().unwrap().to_owned()
    }

    fn crashing<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let crash = self.crash.swap(0, Ordering::SeqCst);
        if crash == BEFORE {
            return Err(io::Error::other("crash"));
        }
        let written = write();
        if crash == AFTER { Err(io::Error::other("crash")) } else { written }
    }
}

impl Storage for Fragile {
    fn load(&self) -> io::Result<Option<String>> {
        self.file.load()
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        self.crashing(|| self.file.save(text))
    }

    fn replace(&self, current: &str, text: &str) -> io::Result<bool> {
        self.crashing(|| self.file.replace(current, text))
    }
}

/// Repeats a call until it is decided. A crash ends it without a result.
async fn persistently<T>(
    mut call: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    for _ in 0..200 {
        match call().await {
            Ok(value) => return Ok(Some(value)),
            Err(Error::Storage(_)) => return Ok(None),
            Err(error @ Error::LoggedOut { .. }) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("a call did not succeed in 200 attempts");
}

/// A client of the server at the address in this variable.
fn client_of(address: &str, storage: impl Storage + 'static) -> Client {
    builder(address, storage).build().unwrap()
}

fn builder(address: &str, storage: impl Storage + 'static) -> Builder {
    let builder = Client::builder(&var(address).unwrap()).storage(storage);
    builder.timeout(Duration::from_millis(1_500)).backoff(Duration::from_millis(10))
}

/// One session from login to its end.
struct Session {
    number: u64,
    directory: PathBuf,
    storage: Fragile,
    /// Other clients that share the session.
    tabs: [Client; 4],
    random: Random,
}

impl Session {
    fn new(number: u64) -> Self {
        let directory = PathBuf::from(var("CHAOS_DIRECTORY").unwrap());
        let file = FileStorage::new(directory.join(format!("{number}.session")));
        let storage = Fragile { file, crash: Arc::default() };
        let seed = number ^ u64::from(std::process::id()) << 20;
        let tabs = std::array::from_fn(|_| client_of("CHAOS_PROXY", storage.clone()));
        Self { number, directory, storage, tabs, random: Random::seeded(seed) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{}.{name}", self.number))
    }

    fn note(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn count(&self) -> u64 {
        fs::metadata(self.path("count")).map_or(0, |file| file.len())
    }

    fn tab(&self) -> Client {
        client_of("CHAOS_PROXY", self.storage.clone())
    }

    async fn run(&mut self, refreshes: u64) {
        if self.path("done").exists() {
            return;
        }
        if self.path("thief").exists() {
            // Killed during the theft, with the end of the session in an unknown state.
            self.storage.file.save(None).unwrap();
        }
        if self.storage.text().is_none() {
            self.log_in().await;
        }
        let mut client = self.tab();
        while self.count() < refreshes {
            if let Err(error) = self.renew(&mut client).await {
                self.note("logout", &error.to_string());
                return self.note("done", "");
            }
        }
        if (1..=2).contains(&self.number)
            && let Err(error) = self.weeks_offline().await
        {
            self.note("logout", &error.to_string());
            return self.note("done", "");
        }
        // The live token is the stored one: there is no other branch of the session.
        let direct = client_of("CHAOS_SERVER", self.storage.clone());
        let last = direct.token().await.unwrap();
        if persistently(async || direct.refresh(&last).await).await.is_err() {
            self.note("fork", "");
        }
        if self.number.is_multiple_of(10) {
            self.theft(direct).await;
        }
        self.note("done", "");
    }

    async fn log_in(&self) {
        let email = format!("{}-{}@example.com", var("CHAOS_NAME").unwrap(), self.number);
        let signup = format!("{}/auth/signup", var("CHAOS_SERVER").unwrap());
        let profile = match self.number {
            1 | 2 => "offline",
            number if number % 10 == 5 => "device",
            _ => "strict",
        };
        let client = builder("CHAOS_SERVER", self.storage.clone()).client_id(profile);
        let client = client.build().unwrap();
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        persistently(async || {
            let request = client.http().post(&signup).body(body.clone());
            let request = request.header("content-type", "application/json");
            // An account that exists was created before the process was killed.
            let _ = request.send().await.map_err(|_| Error::Unavailable)?;
            client.login(&email, PASSWORD).await
        })
        .await
        .unwrap();
    }

    /// One refresh, with a mishap now and then.
    async fn renew(&mut self, client: &mut Client) -> Result<(), Error> {
        let chance = self.random.below(20);
        let crash = [BEFORE, AFTER].get(usize::try_from(chance).unwrap()).copied();
        self.storage.crash.store(0, Ordering::SeqCst);
        let rejected = persistently(async || client.token().await).await?;
        let Some(rejected) = rejected else { return Ok(()) };
        let before = self.storage.text().unwrap();
        self.storage.crash.store(crash.unwrap_or(0), Ordering::SeqCst);
        match chance {
            0..5 => self.five_tabs(client, &rejected).await?,
            5..7 => {
                // The clock is set by a day.
                self.shift(if chance == 5 { DAY } else { -DAY });
                let other = self.tab();
                persistently(async || other.token().await).await.map(drop)?;
            }
            _ => persistently(async || client.refresh(&rejected).await).await.map(drop)?,
        }
        self.storage.crash.store(0, Ordering::SeqCst);
        if chance == 7 {
            self.storage.put(&before); // the last write is lost
        }
        if chance < 3 || chance == 7 {
            *client = self.tab(); // and the process has ended
        }
        if self.storage.text().as_ref() != Some(&before) {
            let mut file = OpenOptions::new();
            let file = file.create(true).append(true).open(self.path("count"));
            file.unwrap().write_all(b".").unwrap();
        }
        Ok(())
    }

    async fn five_tabs(&self, client: &Client, rejected: &AccessToken) -> Result<(), Error> {
        let renew =
            async |tab: &Client| persistently(async || tab.refresh(rejected).await).await.map(drop);
        let [a, b, c, d] = &self.tabs;
        let (mine, a, b, c, d) =
            tokio::join!(renew(client), renew(a), renew(b), renew(c), renew(d));
        mine.and(a).and(b).and(c).and(d)
    }

    fn shift(&self, span: i64) {
        let mut record: Value = serde_json::from_str(&self.storage.text().unwrap()).unwrap();
        if let Some(requested) = record["access"]["requested"].as_i64() {
            record["access"]["requested"] = (requested + span).into();
            self.storage.put(&record.to_string());
        }
    }

    /// The client returns when its access token has expired and its refresh token is near its end,
    /// with a clock that is off by a day.
    async fn weeks_offline(&self) -> Result<(), Error> {
        if !self.path("offline").exists() {
            self.note("offline", "");
        }
        let span = Duration::from_secs(var("CHAOS_OFFLINE").unwrap().parse().unwrap());
        let since = fs::metadata(self.path("offline")).unwrap().modified().unwrap();
        tokio::time::sleep(span.saturating_sub(since.elapsed().unwrap())).await;
        self.shift(if self.number == 1 { DAY } else { -DAY });
        let (client, before) = (self.tab(), self.storage.refresh_token());
        persistently(async || client.token().await).await?;
        if self.storage.refresh_token() != before {
            self.note("back", "");
        }
        Ok(())
    }

    /// A copy of the refresh token is used by a thief: before its owner, or after.
    async fn theft(&self, owner: Client) {
        self.note("thief", "");
        let thief = client_of("CHAOS_SERVER", MemoryStorage::default());
        thief.adopt(&self.storage.refresh_token()).await.unwrap();
        let rejected = owner.token().await.unwrap();
        let (first, second) =
            if self.number.is_multiple_of(20) { (&thief, &owner) } else { (&owner, &thief) };
        let renew = async |client: &Client| match client.token().await {
            Ok(token) if token == rejected => client.refresh(&token).await,
            other => other,
        };
        let one = persistently(async || renew(first).await).await;
        let two = persistently(async || renew(second).await).await;
        let latest = first.token().await.unwrap();
        let three = persistently(async || first.refresh(&latest).await).await;
        let reason = |result: Result<_, Error>| match result {
            Err(Error::LoggedOut { reason }) => reason,
            _ => None,
        };
        // An answer that was lost is repeated as `session_revoked`.
        let found = matches!(reason(two), Some(Reason::Reused | Reason::Revoked));
        let caught = one.is_ok() && found && reason(three) == Some(Reason::Revoked);
        self.note(if caught { "caught" } else { "escaped" }, "");
    }
}

fn main() {
    let number = |name: &str| var(name).unwrap().parse::<u64>().unwrap();
    let (sessions, refreshes) = (number("CHAOS_SESSIONS"), number("CHAOS_REFRESHES"));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..number("CHAOS_AT_ONCE") {
            scope.spawn(|| {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let runtime = builder.enable_all().build().unwrap();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= sessions {
                        return;
                    }
                    runtime.block_on(Session::new(number).run(refreshes));
                }
            });
        }
    });
}
