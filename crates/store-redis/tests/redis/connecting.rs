//! Which servers a store connects to, and what it says of the others.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquaware_core::store::{SessionStore, StoreError};
use aquaware_servers::{Fault, Proxy, Redis, RedisOptions as ServerOptions, Tls};
use aquaware_store_redis::{ConnectError, RedisOptions, RedisStore};

use crate::sample::{id, session};
use crate::servers::{CLUSTER, SENTINEL, SINGLE, command, connect, options, prefix, run};

async fn refused(url: &str) -> ConnectError {
    RedisStore::connect(options(url, &prefix())).await.unwrap_err()
}

fn server(settings: &[(&str, &str)]) -> Redis {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Redis::start(ServerOptions { settings: settings.collect(), ..ServerOptions::default() })
        .unwrap()
}

#[test]
fn a_server_that_evicts_is_refused() {
    let server = server(&[("maxmemory-policy", "volatile-lru")]);
    let error = run(refused(&server.url()));
    assert!(matches!(&error, ConnectError::Evicts(policy) if policy == "volatile-lru"));
    assert!(error.is_configuration());
    assert!(error.to_string().contains("maxmemory-policy noeviction"));
}

#[test]
fn a_cluster_is_asked_on_every_master() {
    let mut cluster = aquaware_servers::Cluster::start().unwrap();
    run(async {
        connect(&cluster.url(), &prefix()).await;
        let policy = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
        cluster.nodes()[2].command(&policy).unwrap();
        assert!(matches!(refused(&cluster.url()).await, ConnectError::Evicts(_)));
    });
}

#[test]
fn a_password_opens_and_a_wrong_one_is_told() {
    let password = Some("correct-horse@:/%".to_owned());
    let server = Redis::start(ServerOptions { password, ..ServerOptions::default() }).unwrap();
    run(async {
        let store = connect(&server.url(), &prefix()).await;
        assert!(store.insert(&session(1)).await.unwrap());
        for url in [
            format!("redis://{}", server.address()),
            format!("redis://:wrong-secret@{}", server.address()),
            format!("redis://nobody:wrong-secret@{}", server.address()),
        ] {
            let error = refused(&url).await;
            assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
            assert!(error.is_configuration());
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    });
}

#[test]
fn an_acl_user_needs_its_own_keys_only() {
    let server = server(&[]);
    let allow = "ACL SETUSER app on >pass ~mine:* -@all +@read +@write +@connection +eval \
                 +evalsha +time +info +config|get";
    server.command(&allow.split_whitespace().collect::<Vec<_>>()).unwrap();
    run(async {
        let url = format!("redis://app:pass@{}", server.address());
        let store = connect(&url, "mine:").await;
        assert!(store.insert(&session(1)).await.unwrap());
        assert!(store.find(&id(1)).await.unwrap().is_some());
        // With another prefix it is let in, and may do nothing.
        let other = connect(&url, "other:").await;
        not_permitted(&other.insert(&session(1)).await.unwrap_err());
        // Without a command that a script needs, too.
        server.command(&["ACL", "SETUSER", "app", "-time"]).unwrap();
        not_permitted(&store.insert(&session(2)).await.unwrap_err());
    });
}

fn not_permitted(error: &StoreError) {
    assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
    let cause = std::error::Error::source(error).unwrap().to_string();
    assert!(cause.contains("ACL"), "{cause}");
}

#[test]
fn a_user_who_may_not_ask_about_the_server_is_let_through_unchecked() {
    let server = server(&[]);
    let allow =
        "ACL SETUSER app on >pass ~* -@all +@read +@write +@connection +eval +evalsha +time";
    server.command(&allow.split_whitespace().collect::<Vec<_>>()).unwrap();
    run(async {
        let store = connect(&format!("redis://app:pass@{}", server.address()), "").await;
        assert!(store.insert(&session(1)).await.unwrap());
    });
}

#[test]
fn databases_are_apart() {
    let server = server(&[("databases", "4")]);
    run(async {
        let at = |number: u32| format!("redis://{}/{number}", server.address());
        let (one, two) = (connect(&at(1), "").await, connect(&at(2), "").await);
        assert!(one.insert(&session(1)).await.unwrap());
        assert_eq!(two.find(&id(1)).await.unwrap(), None);
        assert_eq!(connect(&at(1), "").await.find(&id(1)).await.unwrap(), Some(session(1)));
        let error = refused(&at(4)).await;
        assert!(matches!(error, ConnectError::NoDatabase(4)), "{error:?}");
        assert!(error.is_configuration());
    });
}

#[test]
fn a_master_that_no_sentinel_knows_is_named() {
    run(async {
        let sentinel = SENTINEL.addresses()[0];
        let error = refused(&format!("redis-sentinel://{sentinel}/nobody")).await;
        assert!(matches!(&error, ConnectError::UnknownMaster(name) if name == "nobody"));
        assert!(error.is_configuration());
    });
}

#[test]
fn one_sentinel_that_lives_is_enough() {
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

/// A Sentinel that hasn't heard of the last failover: it leads to a server that was the master.
fn belated_sentinel(port: &str) -> SocketAddr {
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
                    let asked = buffer[..length].windows(8).any(|bytes| bytes == b"SENTINEL");
                    let answer = if asked { &master } else { "%1\r\n+role\r\n+sentinel\r\n" };
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address
}

/// It would answer reads, and not know what was acknowledged since.
#[test]
fn a_sentinel_that_leads_to_a_replica_leads_nowhere() {
    run(async {
        let belated = belated_sentinel(&replica());
        let error = refused(&format!("redis-sentinel://{belated}/aquaware")).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        let other = SENTINEL.addresses()[0];
        let store =
            connect(&format!("redis-sentinel://{belated},{other}/aquaware"), &prefix()).await;
        assert!(store.insert(&session(1)).await.unwrap());
    });
}

#[test]
fn a_replica_is_refused() {
    run(async {
        let port = replica();
        let error = refused(&format!("redis://127.0.0.1:{port}")).await;
        assert!(matches!(error, ConnectError::Replica), "{error:?}");
        assert!(error.is_configuration());
    });
}

#[test]
fn a_cluster_and_a_single_server_are_told_apart() {
    run(async {
        let node = CLUSTER.lock().unwrap().addresses()[0];
        let error = refused(&format!("redis://{node}")).await;
        assert!(matches!(error, ConnectError::IsCluster), "{error:?}");
        let error = refused(&format!("redis-cluster://{}", SINGLE.address())).await;
        assert!(matches!(error, ConnectError::NotCluster), "{error:?}");
    });
}

#[test]
fn one_node_of_a_cluster_that_lives_is_enough() {
    run(async {
        let node = CLUSTER.lock().unwrap().addresses()[1];
        connect(&format!("redis-cluster://127.0.0.1:1,{node}"), &prefix())
            .await
            .ping_sessions()
            .await;
    });
}

#[test]
fn where_nobody_listens_nothing_is_wrong_with_the_configuration() {
    run(async {
        for url in
            ["redis://127.0.0.1:1", "redis-sentinel://127.0.0.1:1/x", "redis-cluster://127.0.0.1:1"]
        {
            let error = refused(url).await;
            assert!(matches!(error, ConnectError::Unreachable(_)), "{url}: {error:?}");
            assert!(!error.is_configuration());
        }
    });
}

#[test]
fn a_server_that_never_answers_doesnt_hold_up_the_start() {
    let proxy = Proxy::to(SINGLE.address()).unwrap();
    proxy.set(Fault::BlackHole);
    run(async {
        for scheme in ["redis", "redis-cluster"] {
            let mut options = options(&format!("{scheme}://{}", proxy.address()), "");
            options.timeout = Duration::from_millis(300);
            let begin = Instant::now();
            let error = RedisStore::connect(options).await.unwrap_err();
            assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
            assert!(begin.elapsed() < Duration::from_secs(3));
        }
    });
}

#[test]
fn tls_is_checked_against_the_named_authority() {
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
        let store =
            RedisStore::connect(RedisOptions::from_url(&url(&good)).unwrap()).await.unwrap();
        assert!(store.insert(&session(1)).await.unwrap());
        let error = refused(&url(&bad)).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        for path in [&none, "/nowhere.pem"] {
            let error = refused(&url(path)).await;
            assert!(matches!(error, ConnectError::Authority { .. }), "{path}: {error:?}");
            assert!(error.is_configuration());
        }
        // Nobody else vouches for it.
        assert!(matches!(refused(&server.tls_url().unwrap()).await, ConnectError::Unreachable(_)));
    });
}

#[test]
fn no_time_at_all_is_no_option() {
    run(async {
        let mut options = options("redis://db", "");
        options.timeout = Duration::ZERO;
        let error = RedisStore::connect(options).await.unwrap_err();
        assert!(matches!(error, ConnectError::Option(_)) && error.is_configuration());
    });
}

/// What is logged while the store connects.
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
    tracing::subscriber::with_default(log, || run(connect(url, &prefix())));
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_server_that_forgets_at_a_restart_is_warned_of() {
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
