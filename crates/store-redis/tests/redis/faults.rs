//! Lost requests and responses, silent and full servers: the outcome of a step, and what was applied.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aquaware_core::id::SessionId;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{AccountChange, AccountStore, SessionStore, StoreError, Touch};
use aquaware_core::testing::fixture;
use aquaware_servers::{Fault, Proxy, Redis, RedisOptions as ServerOptions};
use aquaware_store_redis::RedisStore;

use aquaware_store_testkit::sample::{
    account, ended, generation, minimal, password_hash, session_id, subject,
};

use crate::records::{applied, step};
use crate::servers::{
    SINGLE, command, connect, load_scripts, options, prefix, run, steady_cluster, until,
};

const FAULTS: [Fault; 6] = [
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::CutWithin(1),
    Fault::CutWithin(20),
    Fault::CutWithin(100_000),
    Fault::BlackHole,
];

/// Long enough for a busy machine, short enough to wait for.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A proxy for one round: what the store of an earlier round still does in the background must not
/// take a fault that is planned for this one.
fn proxy() -> Proxy {
    Proxy::to(SINGLE.address()).unwrap()
}

async fn through(proxy: &Proxy, prefix: &str) -> RedisStore {
    load_scripts().await;
    let mut options = options(&SINGLE.url_at(proxy.address()), prefix);
    options.timeout = TIMEOUT;
    RedisStore::connect(options).await.unwrap()
}

/// A policy without a retry window: a client that looks like a thief is logged out.
fn strict() -> aquaware_core::policy::TokenPolicy {
    let settings = aquaware_core::policy::ProfileSettings {
        retry_window: Duration::ZERO,
        ..aquaware_core::policy::ProfileSettings::default()
    };
    fixture::policy_with([fixture::profile("web", settings)])
}

#[test]
fn a_refresh_survives_any_single_fault() {
    run(async {
        for fault in FAULTS {
            let proxy = proxy();
            let store = through(&proxy, &prefix()).await;
            let sessions = fixture::sessions(Arc::new(store), strict());
            let context = sessions.context(fixture::NOW);
            let web = context.client(&fixture::client("web")).unwrap();
            let granted = sessions.open(&context, web, fixture::login_of(1));
            let mut token = granted.await.unwrap().refresh.unwrap().token;
            for lap in 0..3 {
                let before = proxy.faults();
                proxy.next(1, fault);
                let answer = sessions.refresh(&context, token.expose(), None).await;
                let (granted, _) = answer.unwrap_or_else(|e| panic!("{fault:?}, {lap}: {e:?}"));
                assert_eq!(granted.session.generation, generation(lap + 2), "{fault:?}");
                assert_eq!(proxy.faults(), before + 1, "{fault:?}");
                token = granted.refresh.unwrap().token;
            }
        }
    });
}

#[test]
fn a_step_without_a_response_is_unknown_and_applied_at_most_once() {
    run(async {
        for fault in FAULTS {
            let proxy = proxy();
            let (prefix, done) = (prefix(), !matches!(fault, Fault::CutBefore | Fault::BlackHole));
            let store = through(&proxy, &prefix).await;
            let straight = connect(&SINGLE.url(), &prefix).await;
            straight.insert(&minimal(1)).await.unwrap();
            SessionStore::ping(&store).await.unwrap();
            proxy.next(1, fault);
            let error = store.advance(&session_id(1), &step(1)).await.unwrap_err();
            assert!(error.is_unknown(), "{fault:?}: {error:?}");
            let wanted = generation(if done { 2 } else { 1 });
            let found = straight.find(&session_id(1)).await.unwrap().unwrap();
            assert_eq!(found.generation, wanted, "{fault:?}");
            SessionStore::ping(&store).await.unwrap();
            proxy.next(1, fault);
            let error = store.end(&session_id(1), ended(EndReason::Logout)).await.unwrap_err();
            assert!(error.is_unknown(), "{fault:?}: {error:?}");
            let found = straight.find(&session_id(1)).await.unwrap().unwrap();
            assert_eq!(found.ended.is_some(), done, "{fault:?}");
            // Afterwards the store works as before.
            let _ = store.end(&session_id(1), ended(EndReason::Logout)).await.unwrap();
        }
    });
}

#[test]
fn no_session_exists_without_its_index_entry() {
    run(async {
        for fault in FAULTS {
            let proxy = proxy();
            let store = through(&proxy, &prefix()).await;
            // The first request of an insert writes the index entry and nothing of the session.
            proxy.next(1, fault);
            let error = store.insert(&minimal(1)).await.unwrap_err();
            assert!(error.is_transient() && !error.is_unknown(), "{fault:?}: {error:?}");
            assert_eq!(store.find(&session_id(1)).await.unwrap(), None, "{fault:?}");
            // The second creates the session, or may have.
            SessionStore::ping(&store).await.unwrap();
            proxy.next(1, Fault::Pass);
            proxy.next(1, fault);
            let error = store.insert(&minimal(1)).await.unwrap_err();
            assert!(error.is_unknown(), "{fault:?}: {error:?}");
            let found: Vec<SessionId> =
                store.find(&session_id(1)).await.unwrap().map(|s| s.id).into_iter().collect();
            let listed = SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap();
            assert_eq!(listed.iter().map(|s| s.id).collect::<Vec<_>>(), found, "{fault:?}");
        }
    });
}

#[test]
fn an_interrupted_account_creation_is_complete_or_can_be_repeated() {
    run(async {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            // A creation makes up to five requests.
            for lost in 0..5 {
                let proxy = proxy();
                let store = through(&proxy, &prefix()).await;
                proxy.next(lost, Fault::Pass);
                proxy.next(1, fault);
                let ann = account(1);
                let made = store.create(&ann).await;
                proxy.pass();
                let here = store.by_id(&ann.id).await.unwrap().is_some();
                let case = format!("{fault:?} at {lost}: {made:?}");
                match made {
                    Ok(made) => assert!(made && here, "{case}"),
                    Err(error) if error.is_unknown() => {}
                    Err(_) => assert!(!here, "{case}"),
                }
                assert_eq!(store.by_login(&ann.login).await.unwrap().is_some(), here, "{case}");
                assert_eq!(store.create(&ann).await.unwrap(), !here, "{case}");
                let listed = AccountStore::list(&store, None, 10).await.unwrap();
                assert_eq!(listed, std::slice::from_ref(&ann), "{case}");
                assert_eq!(store.by_id(&ann.id).await.unwrap(), Some(ann), "{case}");
            }
        }
    });
}

#[test]
fn a_refused_connection_means_the_step_was_not_applied() {
    let proxy = Proxy::to(SINGLE.address()).unwrap();
    run(async {
        let store = through(&proxy, &prefix()).await;
        store.insert(&minimal(1)).await.unwrap();
        proxy.refuse();
        // A closed connection may be noticed only when it is used.
        until("the refused connection is noticed", async || {
            let error = store.advance(&session_id(1), &step(9)).await.unwrap_err();
            matches!(error, StoreError::Unreachable(_))
        })
        .await;
        proxy.accept();
        until("the store works again", async || SessionStore::ping(&store).await.is_ok()).await;
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(minimal(1)));
    });
}

#[test]
fn a_connection_lost_while_idle_fails_no_request() {
    let proxy = proxy();
    // On a single thread, the connection is looked at whenever this task waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = through(&proxy, &prefix()).await;
        store.insert(&minimal(1)).await.unwrap();
        for from in 1..10 {
            proxy.cut();
            until("the proxy has closed the connection", async || proxy.open() == 0).await;
            // The store notices it a moment later, which cannot be observed from outside.
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = applied(store.advance(&session_id(1), &step(from)).await.unwrap());
        }
    });
}

/// Whether each call of the session port failed.
async fn all_sessions(store: &RedisStore) -> impl std::fmt::Debug {
    let end = ended(EndReason::Logout);
    let ann = subject("ann");
    tokio::join!(
        async { store.insert(&minimal(99)).await.is_err() },
        async { store.revoked(fixture::NOW).await.is_err() },
        async { store.release(fixture::NOW, 10).await.is_err() },
        async { store.find(&session_id(1)).await.is_err() },
        async { store.advance(&session_id(1), &step(1)).await.is_err() },
        async {
            store
                .touch(
                    &session_id(1),
                    &Touch {
                        generation: generation(1),
                        at: fixture::NOW,
                        visible_before: fixture::NOW,
                    },
                )
                .await
                .is_err()
        },
        async { store.end(&session_id(1), end).await.is_err() },
        async { store.end_all(&ann, None, end, 10_000).await.is_err() },
        async { SessionStore::list(store, &ann, None, 10_000).await.is_err() },
        async { SessionStore::ping(store).await.is_err() },
    )
}

/// The same for the account port.
async fn all_accounts(store: &RedisStore) -> impl std::fmt::Debug {
    let (ann, bob) = (account(1), account(2));
    tokio::join!(
        async { store.create(&bob).await.is_err() },
        async { store.by_id(&ann.id).await.is_err() },
        async { store.by_login(&ann.login).await.is_err() },
        async {
            store
                .change(
                    &ann.id,
                    AccountChange::ReplacePassword {
                        current: &ann.password,
                        new: &password_hash("x"),
                    },
                )
                .await
                .is_err()
        },
        async {
            store.change(&ann.id, AccountChange::SetPassword(&password_hash("x"))).await.is_err()
        },
        async { store.change(&ann.id, AccountChange::SetDisabled(None)).await.is_err() },
        async { store.delete(&ann.id).await.is_err() },
        async { AccountStore::list(store, None, 10).await.is_err() },
    )
}

#[test]
fn no_call_outlives_its_timeout() {
    let mut server = Redis::start(ServerOptions::default()).unwrap();
    run(async {
        let mut options = options(&server.url(), "");
        options.timeout = TIMEOUT;
        let store = RedisStore::connect(options).await.unwrap();
        for number in 1..20 {
            store.insert(&minimal(number)).await.unwrap();
        }
        store.create(&account(1)).await.unwrap();
        server.pause().unwrap();
        for round in 0..2 {
            let begin = Instant::now();
            let answers = tokio::join!(all_sessions(&store), all_accounts(&store));
            let took = begin.elapsed();
            assert!(took < 2 * TIMEOUT, "{round}: {took:?}");
            let all = format!("{answers:?}");
            assert!(!all.contains("false"), "{round}: {all}");
        }
        server.resume().unwrap();
        until("the store works again", async || SessionStore::ping(&store).await.is_ok()).await;
        assert!(store.find(&session_id(1)).await.unwrap().is_some());
    });
}

#[test]
fn a_full_server_rejects_writes_and_the_error_names_the_remedy() {
    let maxmemory = Some("3mb".to_owned());
    let server = Redis::start(ServerOptions { maxmemory, ..ServerOptions::default() }).unwrap();
    run(async {
        let store = connect(&server.url(), "").await;
        let agent = Some("x".repeat(100_000));
        let large = |number| {
            let device =
                aquaware_core::session::Device { user_agent: agent.clone(), ..Default::default() };
            Session { device, ..minimal(number) }
        };
        let mut refused = None;
        for number in 1..100 {
            if let Err(error) = store.insert(&large(number)).await {
                refused = Some(error);
                break;
            }
        }
        let error = refused.unwrap();
        assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("maxmemory"), "{cause}");
        // Now there is no room for a small one either, whatever the server frees in the meantime.
        server.command(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
        // Existing records can still be read.
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(large(1)));
        assert!(matches!(
            store.advance(&session_id(1), &step(1)).await,
            Err(StoreError::Rejected(_))
        ));
        server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
        let _ = applied(store.advance(&session_id(1), &step(1)).await.unwrap());
    });
}

#[test]
fn a_demoted_master_applies_nothing() {
    let server = Redis::start(ServerOptions::default()).unwrap();
    run(async {
        let store = connect(&server.url(), "").await;
        store.insert(&minimal(1)).await.unwrap();
        server.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        let error = store.advance(&session_id(1), &step(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
        let _ = applied(store.advance(&session_id(1), &step(1)).await.unwrap());
    });
}

/// Without its configuration the library would send it again, and it would be executed twice.
#[test]
fn a_cluster_never_receives_a_step_twice() {
    let mut cluster = steady_cluster();
    let key = format!("s:{}", session_id(1));
    let master = cluster.master_of(&key).unwrap();
    let proxy = Proxy::to(master).unwrap();
    // From now on the Cluster redirects clients to the proxy for the keys of this node.
    let port = proxy.address().port().to_string();
    let announce = ["CONFIG", "SET", "cluster-announce-port", &port];
    cluster.node_at(master).unwrap().command(&announce).unwrap();
    let calls = || -> u64 {
        let info: String = command(master, &["INFO", "commandstats"]);
        let calls = |line: &str| {
            line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok()
        };
        info.lines().find_map(calls).unwrap_or(0)
    };
    run(async {
        let url = format!("redis-cluster://{master}");
        until("the proxy is announced", async || {
            cluster.addresses().iter().all(|node| {
                let nodes: String = command(*node, &["CLUSTER", "NODES"]);
                nodes.contains(&format!(":{port}@"))
            })
        })
        .await;
        let store = connect(&url, "").await;
        store.insert(&minimal(1)).await.unwrap();
        // Now the node knows the script.
        let _ = applied(store.advance(&session_id(1), &step(1)).await.unwrap());
        for (from, fault) in (2..).zip([Fault::CutAfter, Fault::CutWithin(3), Fault::CutAfter]) {
            let before = calls();
            let faults = proxy.faults();
            proxy.next_with(b"EVALSHA", 1, fault);
            let error = store.advance(&session_id(1), &step(from)).await.unwrap_err();
            assert!(error.is_unknown(), "{error:?}");
            assert_eq!(proxy.faults(), faults + 1);
            until("the store works again", async || {
                let found = store.find(&session_id(1)).await;
                found.is_ok_and(|found| found.unwrap().generation == generation(from + 1))
            })
            .await;
            assert_eq!(calls(), before + 1);
        }
    });
}

#[test]
fn a_key_that_moves_to_another_node_is_followed() {
    let mut cluster = steady_cluster();
    run(async {
        let store = connect(&cluster.url(), "").await;
        store.insert(&minimal(1)).await.unwrap();
        let key = format!("s:{}", session_id(1));
        let from = cluster.master_of(&key).unwrap();
        let masters: Vec<_> = cluster.addresses()[..3].to_vec();
        let to = *masters.iter().find(|node| **node != from).unwrap();
        let slot: u32 = command(from, &["CLUSTER", "KEYSLOT", &key]);
        let (slot, port) = (slot.to_string(), to.port().to_string());
        let name = |node| command::<String>(node, &["CLUSTER", "MYID"]);
        let (old, new) = (name(from), name(to));
        let _: String = command(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old]);
        let _: String = command(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new]);
        let _: String = command(from, &["MIGRATE", "127.0.0.1", &port, &key, "0", "9000"]);
        // The key is being moved: the node redirects to the other one and executes nothing.
        let error = store.advance(&session_id(1), &step(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        for node in [to, from] {
            let _: String = command(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &new]);
        }
        // A node that has not heard of it would send the store back.
        let owner = format!("127.0.0.1:{port} ");
        until("all nodes know the new owner", async || {
            cluster.nodes().iter().all(|node| match node.command(&["TYPE", &key]) {
                Ok(_) => node.address() == to,
                Err(error) => error.to_string().contains(&owner),
            })
        })
        .await;
        for number in 1..4 {
            let _ = applied(store.advance(&session_id(1), &step(number)).await.unwrap());
        }
        assert_eq!(cluster.nodes().len(), 6);
    });
}
