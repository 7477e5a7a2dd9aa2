//! Which servers a store connects to, and the errors for others.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquaware_core::store::{SessionStore, StoreError};
use aquaware_servers::{Fault, Proxy, Redis, RedisOptions as ServerOptions, Tls};
use aquaware_store_redis::{ConnectError, RedisStore};

use aquaware_store_testkit::sample::{minimal, session_id};

use crate::servers::{
    CLUSTER, SENTINEL, SINGLE, command, connect, options, prefix, run, steady_cluster,
};

async fn rejected(url: &str) -> ConnectError {
    RedisStore::connect(options(url, &prefix())).await.unwrap_err()
}

fn server(settings: &[(&str, &str)]) -> Redis {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Redis::start(ServerOptions { settings: settings.collect(), ..ServerOptions::default() })
        .unwrap()
}

#[test]
fn a_server_that_evicts_keys_is_rejected() {
    let server = server(&[("maxmemory-policy", "volatile-lru")]);
    let error = run(rejected(&server.url()));
    assert!(matches!(&error, ConnectError::Evicts(policy) if policy == "volatile-lru"));
    assert!(error.is_configuration());
    assert!(error.to_string().contains("maxmemory-policy noeviction"));
}

#[test]
fn every_master_of_a_cluster_is_checked() {
    let mut cluster = steady_cluster();
    run(async {
        connect(&cluster.url(), &prefix()).await;
        let policy = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
        cluster.nodes()[2].command(&policy).unwrap();
        assert!(matches!(rejected(&cluster.url()).await, ConnectError::Evicts(_)));
    });
}

#[test]
fn wrong_passwords_are_reported_without_repeating_them() {
    let password = Some("correct-horse@:/%".to_owned());
    let server = Redis::start(ServerOptions { password, ..ServerOptions::default() }).unwrap();
    run(async {
        let store = connect(&server.url(), &prefix()).await;
        assert!(store.insert(&minimal(1)).await.unwrap());
        for url in [
            format!("redis://{}", server.address()),
            format!("redis://:wrong-secret@{}", server.address()),
            format!("redis://unknown:wrong-secret@{}", server.address()),
        ] {
            let error = rejected(&url).await;
            assert!(matches!(error, ConnectError::LoginRejected), "{error:?}");
            assert!(error.is_configuration());
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    });
}

#[test]
fn an_acl_user_needs_only_the_keys_of_its_prefix() {
    let server = server(&[]);
    let allow = "ACL SETUSER app on >pass ~mine:* -@all +@read +@write +@connection +eval \
                 +evalsha +time +info +config|get";
    server.command(&allow.split_whitespace().collect::<Vec<_>>()).unwrap();
    run(async {
        let url = format!("redis://app:pass@{}", server.address());
        let store = connect(&url, "mine:").await;
        assert!(store.insert(&minimal(1)).await.unwrap());
        assert!(store.find(&session_id(1)).await.unwrap().is_some());
        // With another prefix it can connect, but every step is rejected.
        let other = connect(&url, "other:").await;
        not_permitted(&other.insert(&minimal(1)).await.unwrap_err());
        // The same without a command that a script needs.
        server.command(&["ACL", "SETUSER", "app", "-time"]).unwrap();
        not_permitted(&store.insert(&minimal(2)).await.unwrap_err());
    });
}

fn not_permitted(error: &StoreError) {
    assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
    let cause = std::error::Error::source(error).unwrap().to_string();
    assert!(cause.contains("ACL"), "{cause}");
}

#[test]
fn without_the_info_permission_the_checks_are_skipped() {
    let server = server(&[]);
    let allow =
        "ACL SETUSER app on >pass ~* -@all +@read +@write +@connection +eval +evalsha +time";
    server.command(&allow.split_whitespace().collect::<Vec<_>>()).unwrap();
    run(async {
        let store = connect(&format!("redis://app:pass@{}", server.address()), "").await;
        assert!(store.insert(&minimal(1)).await.unwrap());
    });
}

#[test]
fn databases_are_separate() {
    let server = server(&[("databases", "4")]);
    run(async {
        let at = |number: u32| format!("redis://{}/{number}", server.address());
        let (one, two) = (connect(&at(1), "").await, connect(&at(2), "").await);
        assert!(one.insert(&minimal(1)).await.unwrap());
        assert_eq!(two.find(&session_id(1)).await.unwrap(), None);
        assert_eq!(connect(&at(1), "").await.find(&session_id(1)).await.unwrap(), Some(minimal(1)));
        let error = rejected(&at(4)).await;
        assert!(matches!(error, ConnectError::NoDatabase(4)), "{error:?}");
        assert!(error.is_configuration());
    });
}

#[test]
fn an_unknown_master_is_reported_by_name() {
    run(async {
        let sentinel = SENTINEL.addresses()[0];
        let error = rejected(&format!("redis-sentinel://{sentinel}/unknown")).await;
        assert!(matches!(&error, ConnectError::UnknownMaster(name) if name == "unknown"));
        assert!(error.is_configuration());
    });
}

#[test]
fn one_reachable_sentinel_is_enough() {
    run(async {
        let sentinel = SENTINEL.addresses()[0];
        let url = format!("redis-sentinel://127.0.0.1:1,{sentinel},127.0.0.1:2/aquaware");
        connect(&url, &prefix()).await.ping_sessions().await;
    });
}

/// The port of a replica of the shared master.
fn replica() -> String {
    let master = SENTINEL.master().unwrap();
    let info: String = command(master, &["INFO", "replication"]);
    let line = info.lines().find_map(|line| line.strip_prefix("slave0:")).unwrap();
    line.split(',').find_map(|pair| pair.strip_prefix("port=")).unwrap().to_owned()
}

/// A Sentinel that has not noticed the last failover and names the previous master.
fn outdated_sentinel(port: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let master = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let master = master.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length) = stream.read(&mut buffer)
                    && length > 0
                {
                    let is_query = buffer[..length].windows(8).any(|bytes| bytes == b"SENTINEL");
                    let response = if is_query { &master } else { "%1\r\n+role\r\n+sentinel\r\n" };
                    let _ = stream.write_all(response.as_bytes());
                }
            });
        }
    });
    address
}

/// A replica answers reads, but lacks the latest acknowledged writes.
#[test]
fn a_sentinel_that_names_a_replica_is_ignored() {
    run(async {
        let outdated = outdated_sentinel(&replica());
        let error = rejected(&format!("redis-sentinel://{outdated}/aquaware")).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        let other = SENTINEL.addresses()[0];
        let store =
            connect(&format!("redis-sentinel://{outdated},{other}/aquaware"), &prefix()).await;
        assert!(store.insert(&minimal(1)).await.unwrap());
    });
}

#[test]
fn replicas_are_rejected() {
    run(async {
        let port = replica();
        let error = rejected(&format!("redis://127.0.0.1:{port}")).await;
        assert!(matches!(error, ConnectError::Replica), "{error:?}");
        assert!(error.is_configuration());
    });
}

#[test]
fn a_cluster_and_a_single_server_are_distinguished() {
    run(async {
        let node = CLUSTER.lock().unwrap().addresses()[0];
        let error = rejected(&format!("redis://{node}")).await;
        assert!(matches!(error, ConnectError::IsCluster), "{error:?}");
        let error = rejected(&format!("redis-cluster://{}", SINGLE.address())).await;
        assert!(matches!(error, ConnectError::NotCluster), "{error:?}");
    });
}

#[test]
fn one_reachable_node_of_a_cluster_is_enough() {
    run(async {
        let node = CLUSTER.lock().unwrap().addresses()[1];
        connect(&format!("redis-cluster://127.0.0.1:1,{node}"), &prefix())
            .await
            .ping_sessions()
            .await;
    });
}

#[test]
fn an_unreachable_server_is_not_a_configuration_error() {
    run(async {
        for url in
            ["redis://127.0.0.1:1", "redis-sentinel://127.0.0.1:1/x", "redis-cluster://127.0.0.1:1"]
        {
            let error = rejected(url).await;
            assert!(matches!(error, ConnectError::Unreachable(_)), "{url}: {error:?}");
            assert!(!error.is_configuration());
        }
    });
}

#[test]
fn a_silent_server_does_not_delay_connecting_past_the_timeout() {
    let proxy = Proxy::to(SINGLE.address()).unwrap();
    proxy.set(Fault::BlackHole);
    run(async {
        for scheme in ["redis", "redis-cluster"] {
            let mut options = options(&format!("{scheme}://{}", proxy.address()), "");
            options.timeout = Duration::from_millis(300);
            let begin = Instant::now();
            let error = RedisStore::connect(options).await.unwrap_err();
            assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
            assert!(begin.elapsed() < Duration::from_secs(20));
        }
    });
}

#[test]
fn tls_certificates_are_verified_against_the_named_authority() {
    let certificate = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (ours, other) = (certificate(), certificate());
    let tls = Tls { certificate: ours.cert.pem(), private_key: ours.signing_key.serialize_pem() };
    let server =
        Redis::start(ServerOptions { tls: Some(tls), ..ServerOptions::default() }).unwrap();
    let write = |name: &str, pem: String| {
        let path = server.directory().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("ours.pem", ours.cert.pem());
    let bad = write("other.pem", other.cert.pem());
    let none = write("none.pem", "no certificate".to_owned());
    let url = |authority: &str| format!("{}?authority={authority}", server.tls_url().unwrap());
    run(async {
        let store = connect(&url(&good), "").await;
        assert!(store.insert(&minimal(1)).await.unwrap());
        let error = rejected(&url(&bad)).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        for path in [&none, "/nowhere.pem"] {
            let error = rejected(&url(path)).await;
            assert!(matches!(error, ConnectError::Authority { .. }), "{path}: {error:?}");
            assert!(error.is_configuration());
        }
        // Without the named authority the certificate is not trusted.
        assert!(matches!(rejected(&server.tls_url().unwrap()).await, ConnectError::Unreachable(_)));
    });
}

#[test]
fn a_zero_timeout_is_rejected() {
    run(async {
        let mut options = options("redis://db", "");
        options.timeout = Duration::ZERO;
        let error = RedisStore::connect(options).await.unwrap_err();
        assert!(matches!(error, ConnectError::Option(_)) && error.is_configuration());
    });
}

/// The log of connecting.
fn logged(url: &str) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    // With a single subscriber, the first test that reaches a log line decides for all threads
    // whether it is enabled; a second subscriber with all levels prevents that.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::subscriber::with_default(log, || run(connect(url, &prefix())));
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_server_without_persistence_causes_a_warning() {
    let server =
        Redis::start(ServerOptions { appendonly: false, ..ServerOptions::default() }).unwrap();
    assert!(logged(&server.url()).contains("set `appendonly yes`"));
    server.command(&["CONFIG", "SET", "save", "3600 1"]).unwrap();
    assert_eq!(logged(&server.url()), "");
    assert_eq!(logged(&SINGLE.url()), "");
}

trait Ping {
    async fn ping_sessions(&self);
}

impl Ping for RedisStore {
    async fn ping_sessions(&self) {
        SessionStore::ping(self).await.unwrap();
    }
}
