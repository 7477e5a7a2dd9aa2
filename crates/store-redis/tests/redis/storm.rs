//! Servers that die in the middle of everything, with and without what they had acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aquaware_core::policy::ProfileSettings;
use aquaware_core::random::SystemRandom;
use aquaware_core::retry::RetryKey;
use aquaware_core::secret::RefreshToken;
use aquaware_core::service::{RefreshError, RefreshOutcome, ServiceError, Sessions};
use aquaware_core::testing::fixture;
use aquaware_servers::{Cluster, Redis, RedisOptions as ServerOptions, Sentinel};
use aquaware_store_redis::RedisStore;
use tokio::task::JoinHandle;

use crate::servers::{command, options, run, until};

const CLIENTS: u32 = 12;
const TIMEOUT: Duration = Duration::from_secs(2);

/// A client that refreshes on and on, keeps every token it ever had, and tries again, with the key
/// of its attempt, whenever the service is out of order.
struct Client {
    refreshes: Arc<AtomicU64>,
    task: JoinHandle<Vec<RefreshToken>>,
}

/// Many clients of one service without a retry window.
struct Storm {
    sessions: Arc<Sessions>,
    clients: Vec<Client>,
    outages: Arc<AtomicU64>,
    healed: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Storm {
    async fn begin(url: &str) -> Self {
        let mut options = options(url, "storm:");
        options.timeout = TIMEOUT;
        let store = RedisStore::connect(options).await.unwrap();
        let settings =
            ProfileSettings { retry_window: Duration::ZERO, ..ProfileSettings::default() };
        let snapshot = fixture::snapshot(fixture::policy_with([fixture::profile("web", settings)]));
        let sessions = Arc::new(Sessions::new(Arc::new(store), Arc::new(SystemRandom), snapshot));
        let mut storm = Self {
            sessions,
            clients: Vec::new(),
            outages: Arc::default(),
            healed: Arc::default(),
            over: Arc::default(),
        };
        for number in 0..CLIENTS {
            let client = storm.client(number).await;
            storm.clients.push(client);
        }
        storm
    }

    async fn client(&self, number: u32) -> Client {
        let context = self.sessions.context(fixture::NOW);
        let web = context.client(&fixture::client("web")).unwrap();
        let login = fixture::login_of(number);
        let granted = self.sessions.open(&context, web, login).await.unwrap();
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
        Client { refreshes, task }
    }

    /// Lets each client refresh so often more.
    async fn go_on(&self, what: &str, more: u64) {
        let counts = || self.clients.iter().map(|client| client.refreshes.load(Ordering::SeqCst));
        let wanted: Vec<u64> = counts().map(|count| count + more).collect();
        until(what, async || {
            assert!(!self.clients.iter().any(|c| c.task.is_finished()), "a client has given up");
            counts().zip(&wanted).all(|(count, wanted)| count >= *wanted)
        })
        .await;
    }

    /// Ends it: every client's last token works, and one it had before is a thief's.
    async fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        let context = self.sessions.context(fixture::NOW);
        for client in self.clients {
            let tokens = client.task.await.unwrap();
            let [.., stolen, last] = tokens.as_slice() else { panic!("too few refreshes") };
            self.sessions.refresh(&context, last.expose(), None).await.unwrap();
            let theft = self.sessions.refresh(&context, stolen.expose(), None).await;
            assert!(matches!(theft, Err(RefreshError::Reused)), "{theft:?}");
            let after = self.sessions.refresh(&context, last.expose(), None).await;
            assert!(matches!(after, Err(RefreshError::Ended(_))), "{after:?}");
        }
    }
}

/// From now on the replicas of a server miss what it acknowledges.
fn cut_off_replicas(master: SocketAddr) {
    let _: String = command(master, &["ACL", "SETUSER", "default", "-psync", "-sync", "-replconf"]);
    let _: u32 = command(master, &["CLIENT", "KILL", "TYPE", "replica"]);
}

#[test]
fn a_server_that_was_killed_goes_on_where_it_was() {
    let settings = vec![("appendfsync".to_owned(), "always".to_owned())];
    let mut server = Redis::start(ServerOptions { settings, ..ServerOptions::default() }).unwrap();
    run(async {
        let storm = Storm::begin(&server.url()).await;
        for _ in 0..3 {
            storm.go_on("before the kill", 10).await;
            let before = storm.outages.load(Ordering::SeqCst);
            server.kill().unwrap();
            until("the outage is noticed", async || {
                storm.outages.load(Ordering::SeqCst) >= before + u64::from(CLIENTS)
            })
            .await;
            server.restart().unwrap();
            storm.go_on("after the restart", 10).await;
        }
        assert_eq!(storm.healed.load(Ordering::SeqCst), 0, "nothing acknowledged was lost");
        storm.end().await;
    });
}

#[test]
fn a_failover_that_loses_writes_logs_nobody_out_and_hides_no_thief() {
    let mut servers = Sentinel::start().unwrap();
    run(async {
        let storm = Storm::begin(&servers.url()).await;
        storm.go_on("in the beginning", 5).await;
        let master = servers.master().unwrap();
        cut_off_replicas(master);
        storm.go_on("what will be lost", 5).await;
        servers.kill_master().unwrap();
        storm.go_on("after the failover", 10).await;
        assert!(storm.healed.load(Ordering::SeqCst) >= u64::from(CLIENTS), "writes were lost");
        assert!(storm.outages.load(Ordering::SeqCst) > 0);
        storm.end().await;
    });
}

#[test]
fn an_orderly_failover_is_followed() {
    let mut servers = Sentinel::start().unwrap();
    run(async {
        let storm = Storm::begin(&servers.url()).await;
        storm.go_on("in the beginning", 5).await;
        servers.failover().unwrap();
        storm.go_on("after the failover", 10).await;
        storm.end().await;
    });
}

#[test]
fn a_cluster_that_loses_a_master_logs_nobody_out_and_hides_no_thief() {
    let mut cluster = Cluster::start().unwrap();
    run(async {
        let storm = Storm::begin(&cluster.url()).await;
        storm.go_on("in the beginning", 5).await;
        // The sessions are spread over all masters; this is one of them.
        let master = cluster.master_of("anything").unwrap();
        cut_off_replicas(master);
        storm.go_on("what will be lost", 5).await;
        cluster.kill_master_of("anything").unwrap();
        cluster.wait_for_other_master_of("anything", master).unwrap();
        storm.go_on("after the failover", 10).await;
        assert!(storm.healed.load(Ordering::SeqCst) > 0, "writes were lost");
        assert!(storm.outages.load(Ordering::SeqCst) > 0);
        storm.end().await;
    });
}

/// A node that hangs breaks no connection and sends nobody elsewhere.
#[test]
fn a_cluster_whose_master_hangs_is_left_for_its_successor() {
    let mut cluster = Cluster::start().unwrap();
    run(async {
        let storm = Storm::begin(&cluster.url()).await;
        storm.go_on("in the beginning", 5).await;
        let master = cluster.master_of("anything").unwrap();
        cluster.node_at(master).unwrap().pause().unwrap();
        storm.go_on("after the failover", 5).await;
        cluster.node_at(master).unwrap().resume().unwrap();
        storm.end().await;
    });
}
