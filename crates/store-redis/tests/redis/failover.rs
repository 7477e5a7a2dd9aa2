//! Servers that fail under load, with and without losing acknowledged writes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aquaware_core::id::SessionId;
use aquaware_core::policy::ProfileSettings;
use aquaware_core::random::SystemRandom;
use aquaware_core::retry::RetryKey;
use aquaware_core::secret::RefreshToken;
use aquaware_core::service::{RefreshError, RefreshOutcome, ServiceError, Sessions};
use aquaware_core::session::EndReason;
use aquaware_core::testing::fixture;
use aquaware_servers::{Cluster, Redis, RedisOptions as ServerOptions, Sentinel};
use aquaware_store_redis::RedisStore;
use tokio::task::JoinHandle;

use crate::servers::{command, options, run, until};

const CLIENTS: u32 = 12;
const TIMEOUT: Duration = Duration::from_secs(2);

/// A client that refreshes continuously, keeps every token it received, and tries again with the same
/// key when the service is unavailable.
struct Client {
    session: SessionId,
    refreshes: Arc<AtomicU64>,
    task: JoinHandle<Vec<RefreshToken>>,
}

/// Many clients of one service without a retry window.
struct Load {
    sessions: Arc<Sessions>,
    clients: Vec<Client>,
    outages: Arc<AtomicU64>,
    healed: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Load {
    async fn begin(url: &str) -> Self {
        let mut options = options(url, "load:");
        options.timeout = TIMEOUT;
        let mut store = None;
        until("a connection", async || {
            store = RedisStore::connect(options.clone()).await.ok();
            store.is_some()
        })
        .await;
        let store = store.unwrap();
        let settings =
            ProfileSettings { retry_window: Duration::ZERO, ..ProfileSettings::default() };
        let snapshot = fixture::snapshot(fixture::policy_with([fixture::profile("web", settings)]));
        let sessions = Arc::new(Sessions::new(Arc::new(store), Arc::new(SystemRandom), snapshot));
        let mut load = Self {
            sessions,
            clients: Vec::new(),
            outages: Arc::default(),
            healed: Arc::default(),
            over: Arc::default(),
        };
        for number in 0..CLIENTS {
            let client = load.client(number).await;
            load.clients.push(client);
        }
        load
    }

    async fn client(&self, number: u32) -> Client {
        let context = self.sessions.context(fixture::NOW);
        let web = context.client(&fixture::client("web")).unwrap();
        let mut opened = None;
        until("a login", async || {
            let login = fixture::login_of(number);
            opened = self.sessions.open(&context, web, login).await.ok();
            opened.is_some()
        })
        .await;
        let granted = opened.unwrap();
        let session = granted.session.id;
        let mut tokens = vec![granted.refresh.unwrap().token];
        let refreshes = Arc::new(AtomicU64::new(0));
        let (sessions, count) = (Arc::clone(&self.sessions), Arc::clone(&refreshes));
        let (outages, healed) = (Arc::clone(&self.outages), Arc::clone(&self.healed));
        let over = Arc::clone(&self.over);
        let task = tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let key = format!("attempt-{number:08}-{:08}", tokens.len());
                let key = RetryKey::parse(key.as_bytes()).unwrap();
                let token = tokens.last().unwrap().expose();
                match sessions.refresh(&context, token, key.as_ref()).await {
                    Ok((granted, outcome)) => {
                        healed.fetch_add(
                            u64::from(outcome == RefreshOutcome::Healed),
                            Ordering::SeqCst,
                        );
                        tokens.push(granted.refresh.unwrap().token);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(RefreshError::Service(ServiceError::Store(error)))
                        if error.is_transient() =>
                    {
                        outages.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("client {number} was logged out: {error:?}"),
                }
            }
            tokens
        });
        Client { session, refreshes, task }
    }

    /// The key of a session in the store. Sessions are distributed over all masters of a Cluster at
    /// random, so a test of a lost master chooses the master of a session.
    fn key(&self) -> String {
        format!("load:s:{}", self.clients[0].session)
    }

    /// Waits until every client has refreshed so many more times.
    async fn go_on(&self, what: &str, more: u64) {
        let counts = || self.clients.iter().map(|client| client.refreshes.load(Ordering::SeqCst));
        let wanted: Vec<u64> = counts().map(|count| count + more).collect();
        until(what, async || {
            assert!(!self.clients.iter().any(|c| c.task.is_finished()), "a client was logged out");
            counts().zip(&wanted).all(|(count, wanted)| count >= *wanted)
        })
        .await;
    }

    /// Stops the clients and checks that the last token of each works, and that an older one is detected
    /// as stolen.
    async fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        for client in std::mem::take(&mut self.clients) {
            let tokens = client.task.await.unwrap();
            let [.., stolen, last] = tokens.as_slice() else { panic!("too few refreshes") };
            self.answer(last).await.unwrap();
            let theft = self.answer(stolen).await;
            // The second is the answer to a repeat, when the first answer was lost.
            let detected =
                matches!(theft, Err(RefreshError::Reused | RefreshError::Ended(EndReason::Reuse)));
            assert!(detected, "{theft:?}");
            let after = self.answer(last).await;
            assert!(matches!(after, Err(RefreshError::Ended(EndReason::Reuse))), "{after:?}");
        }
    }

    /// What the service answers to this token once its store can be reached: servers that fail over may
    /// be unavailable a second time.
    async fn answer(&self, token: &RefreshToken) -> Result<(), RefreshError> {
        let context = self.sessions.context(fixture::NOW);
        let key = RetryKey::parse(b"the-last-attempt-of-this-client").unwrap();
        let mut answer = None;
        until("an answer of the store", async || {
            let refreshed = self.sessions.refresh(&context, token.expose(), key.as_ref()).await;
            answer = Some(refreshed.map(drop));
            !matches!(&answer, Some(Err(RefreshError::Service(ServiceError::Store(error))))
                if error.is_transient())
        })
        .await;
        answer.unwrap()
    }
}

/// From now on the replicas of the server do not receive its writes.
fn cut_off_replicas(master: SocketAddr) {
    let _: String = command(master, &["ACL", "SETUSER", "default", "-psync", "-sync", "-replconf"]);
    let _: u32 = command(master, &["CLIENT", "KILL", "TYPE", "replica"]);
}

#[test]
fn refreshes_continue_after_a_killed_server_restarts() {
    let settings = vec![("appendfsync".to_owned(), "always".to_owned())];
    let mut server = Redis::start(ServerOptions { settings, ..ServerOptions::default() }).unwrap();
    run(async {
        let load = Load::begin(&server.url()).await;
        for _ in 0..3 {
            load.go_on("before the kill", 10).await;
            let before = load.outages.load(Ordering::SeqCst);
            server.kill().unwrap();
            until("the outage is noticed", async || {
                load.outages.load(Ordering::SeqCst) >= before + u64::from(CLIENTS)
            })
            .await;
            server.restart().unwrap();
            load.go_on("after the restart", 10).await;
        }
        assert_eq!(load.healed.load(Ordering::SeqCst), 0, "nothing acknowledged was lost");
        load.end().await;
    });
}

#[test]
fn a_failover_that_loses_writes_logs_no_client_out_and_hides_no_theft() {
    let mut servers = Sentinel::start().unwrap();
    run(async {
        let load = Load::begin(&servers.url()).await;
        load.go_on("in the beginning", 5).await;
        let master = servers.master().unwrap();
        cut_off_replicas(master);
        load.go_on("writes that will be lost", 5).await;
        servers.kill_master().unwrap();
        load.go_on("after the failover", 10).await;
        assert!(load.healed.load(Ordering::SeqCst) >= u64::from(CLIENTS), "writes were lost");
        assert!(load.outages.load(Ordering::SeqCst) > 0);
        load.end().await;
    });
}

#[test]
fn a_planned_failover_is_followed() {
    let mut servers = Sentinel::start().unwrap();
    run(async {
        let load = Load::begin(&servers.url()).await;
        load.go_on("in the beginning", 5).await;
        servers.failover().unwrap();
        load.go_on("after the failover", 10).await;
        load.end().await;
    });
}

#[test]
fn a_cluster_that_loses_a_master_logs_no_client_out_and_hides_no_theft() {
    let mut cluster = Cluster::start().unwrap();
    run(async {
        let load = Load::begin(&cluster.url()).await;
        load.go_on("in the beginning", 5).await;
        let key = load.key();
        let master = cluster.master_of(&key).unwrap();
        cut_off_replicas(master);
        load.go_on("writes that will be lost", 5).await;
        cluster.kill_master_of(&key).unwrap();
        cluster.wait_for_other_master_of(&key, master).unwrap();
        load.go_on("after the failover", 10).await;
        assert!(load.healed.load(Ordering::SeqCst) > 0, "writes were lost");
        assert!(load.outages.load(Ordering::SeqCst) > 0);
        load.end().await;
    });
}

/// A hanging node neither closes connections nor redirects clients.
#[test]
fn a_hanging_master_of_a_cluster_is_replaced() {
    let mut cluster = Cluster::start().unwrap();
    run(async {
        let load = Load::begin(&cluster.url()).await;
        load.go_on("in the beginning", 5).await;
        let master = cluster.master_of(&load.key()).unwrap();
        cluster.node_at(master).unwrap().pause().unwrap();
        load.go_on("after the failover", 5).await;
        cluster.node_at(master).unwrap().resume().unwrap();
        cluster.wait_until_settled().unwrap();
        load.end().await;
    });
}
