//! The servers that the tests share. Every test has its own keys. A test that disturbs a server
//! starts another one.

use aquaware_core::store::Touch;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::SessionStore as _;
use aquaware_servers::{Cluster, Redis, RedisOptions as ServerOptions, Sentinel, SentinelOptions};
use aquaware_store_redis::{RedisOptions, RedisStore};
use aquaware_store_testkit::sample;
use redis::{FromRedisValue, cmd};

use crate::records::applied;

/// One server for all tests that do not disturb it.
pub(crate) static SINGLE: LazyLock<Redis> =
    LazyLock::new(|| Redis::start(ServerOptions::default()).unwrap());
/// A master behind Sentinels, which never replace it.
pub(crate) static SENTINEL: LazyLock<Sentinel> = LazyLock::new(|| {
    Sentinel::start_with(SentinelOptions { down_after: STEADY, ..SentinelOptions::default() })
        .unwrap()
});
/// A Cluster.
pub(crate) static CLUSTER: LazyLock<Mutex<Cluster>> =
    LazyLock::new(|| Mutex::new(steady_cluster()));

/// How long a server may be silent before it is replaced, where no test wants a failover: a busy
/// machine must not cause one.
const STEADY: Duration = Duration::from_secs(120);

/// A Cluster that never replaces a master.
pub(crate) fn steady_cluster() -> Cluster {
    // The nodes get to know each other sooner with the default.
    let mut cluster = Cluster::start().unwrap();
    let timeout = STEADY.as_millis().to_string();
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "cluster-node-timeout", &timeout]).unwrap();
    }
    cluster
}

/// Generous, because the tests share a machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A prefix that no other test uses.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn options(url: &str, prefix: &str) -> RedisOptions {
    let mut options = RedisOptions::from_url(url).unwrap();
    options.prefix = prefix.to_owned();
    options.timeout = TIMEOUT;
    options
}

pub(crate) async fn connect(url: &str, prefix: &str) -> RedisStore {
    RedisStore::connect(options(url, prefix)).await.unwrap()
}

/// Makes the shared server know the scripts on sessions, so that every step is a single request.
pub(crate) async fn load_scripts() {
    let store = connect(&SINGLE.url(), &prefix()).await;
    let session = sample::full(1);
    let (ended, status) = (sample::ended(EndReason::Logout), Some(sample::status_index(2)));
    assert!(store.insert(&session).await.unwrap());
    assert!(!store.insert(&Session { status, ..session.clone() }).await.unwrap());
    let step = sample::step(&session, 1);
    let _ = applied(store.advance(&session.id, &step).await.unwrap());
    let _ = applied(
        store
            .touch(
                &session.id,
                &Touch { generation: step.to, at: sample::NOON, visible_before: sample::NOON },
            )
            .await
            .unwrap(),
    );
    let _ = applied(store.end(&session.id, ended).await.unwrap());
    assert_eq!(store.release(sample::later(1), 1).await.unwrap(), 1);
}

/// Executes a command, bypassing the store.
pub(crate) fn command<T: FromRedisValue>(address: SocketAddr, words: &[&str]) -> T {
    let client = redis::Client::open(format!("redis://{address}")).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    // A failover on a busy machine may need several elections.
    let patience = 3 * TIMEOUT;
    let end = Instant::now() + patience;
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a test in a runtime like that of a server.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(test)
}
