//! Faults: a network that loses messages, and a server that stops, hangs and recovers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquaware_core::policy::ProfileSettings;
use aquaware_core::retry::RetryKey;
use aquaware_core::service::{Granted, RefreshError, ServiceError, Sessions};
use aquaware_core::store::{Outcome, SessionStore, StoreError};
use aquaware_core::testing::fixture::{
    NOW, client as client_id, login_of, policy_with, profile, sessions,
};
use aquaware_servers::{Fault, Proxy};

use crate::engine::{Engine, OpenWith, ServerConfig, TestDatabase};
use crate::fixtures::{generation, id, run, session, step};

on_each_engine!(
    a_refresh_survives_a_cut_at_every_request,
    a_refresh_survives_a_cut_at_every_request_of_a_new_connection,
    a_lost_response_is_distinguished_from_an_operation_that_did_not_happen,
    connections_broken_while_idle_are_replaced,
    no_caller_waits_past_the_timeout_on_a_silent_network,
    a_server_killed_under_load_loses_and_repeats_nothing,
    no_caller_waits_past_the_timeout_for_a_hung_server,
);

/// For operations that fail without waiting, or succeed on a busy machine as well.
const LONG: Duration = Duration::from_secs(60);
/// For operations that wait for the end of their time, and for others in the same test.
const SHORT: Duration = Duration::from_secs(3);
/// For clients that try again.
const SHORTER: Duration = Duration::from_millis(1_500);

/// A store behind a faulty network, and the use cases on it for a client without a retry window.
struct World {
    proxy: Proxy,
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
}

impl World {
    fn new<E: Engine>(database: &TestDatabase<'_, E>, pool_size: usize, timeout: Duration) -> Self {
        // The tables are created before any fault.
        drop(database.open());
        let proxy = Proxy::to(E::address(database.server)).unwrap();
        let opening = OpenWith { pool_size, timeout, migrate: false };
        let url = database.url_at(proxy.address());
        // Its time is short for a server that has just started.
        let opened = (0..20).find_map(|_| E::open(&url, opening).ok());
        let store = Arc::new(opened.unwrap_or_else(|| E::open(&url, opening).unwrap()));
        let settings =
            ProfileSettings { retry_window: Duration::ZERO, ..ProfileSettings::default() };
        let policy = policy_with([profile("bare", settings)]);
        Self { proxy, sessions: sessions(store.clone(), policy), store }
    }

    async fn open(&self) -> Granted {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<Granted, ServiceError> {
        let context = self.sessions.context(NOW);
        let profile = context.client(&client_id("bare")).unwrap();
        self.sessions.open(&context, profile, login_of(1)).await
    }

    async fn refresh(&self, token: &str) -> Result<Granted, RefreshError> {
        self.sessions
            .refresh(&self.sessions.context(NOW), token, None)
            .await
            .map(|(granted, _)| granted)
    }

    /// A refresh with `fault` at its request number `index`, and a second refresh if the first one
    /// failed. Returns the next token.
    async fn refresh_with(&self, token: &str, index: usize, fault: Fault) -> String {
        self.proxy.next(index, Fault::Pass);
        self.proxy.next(1, fault);
        let first = self.refresh(token).await;
        self.proxy.pass();
        let granted = match first {
            Ok(granted) => granted,
            Err(RefreshError::Service(ServiceError::Store(error))) => {
                assert!(error.is_transient(), "{index}, {fault:?}: {error:?}");
                let again = self.refresh(token).await;
                again.unwrap_or_else(|error| panic!("{index}, {fault:?}: {error:?}"))
            }
            Err(error) => panic!("{index}, {fault:?}: {error:?}"),
        };
        token_of(&granted)
    }
}

fn token_of(granted: &Granted) -> String {
    granted.refresh.as_ref().unwrap().token.expose().to_owned()
}

const FAULTS: [Fault; 5] =
    [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(1), Fault::CutWithin(8), Fault::BlackHole];

/// The timeout of a store that meets the fault.
fn timeout_for(fault: Fault) -> Duration {
    if fault == Fault::BlackHole { SHORT } else { LONG }
}

fn a_refresh_survives_a_cut_at_every_request<E: Engine>() {
    for fault in FAULTS {
        let database = TestDatabase::<E>::new();
        let world = World::new(&database, 2, timeout_for(fault));
        run(async {
            let granted = world.open().await;
            let (mut token, mut live) = (token_of(&granted), 1);
            for index in 0..5 {
                // Now every statement is prepared.
                token = token_of(&world.refresh(&token).await.unwrap());
                token = world.refresh_with(&token, index, fault).await;
                live += 2;
                let stored = world.store.find(&granted.session.id).await.unwrap().unwrap();
                assert_eq!(stored.generation, generation(live), "{index}, {fault:?}");
            }
            // A refresh with fewer than five requests never reaches the later indices.
            assert!(world.proxy.faults() > 0, "{fault:?}");
        });
    }
}

fn a_refresh_survives_a_cut_at_every_request_of_a_new_connection<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let world = World::new(&database, 1, LONG);
    run(async {
        let granted = world.open().await;
        let (mut token, mut live) = (token_of(&granted), 1);
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(8)] {
            for index in 0..24 {
                world.proxy.cut();
                token = world.refresh_with(&token, index, fault).await;
                live += 1;
                let stored = world.store.find(&granted.session.id).await.unwrap().unwrap();
                assert_eq!(stored.generation, generation(live), "{index}, {fault:?}");
            }
        }
    });
}

fn a_lost_response_is_distinguished_from_an_operation_that_did_not_happen<E: Engine>() {
    let database = TestDatabase::<E>::new();
    for (number, fault) in (1..).zip(FAULTS) {
        let world = World::new(&database, 1, timeout_for(fault));
        let store = &world.store;
        let one = id(number);
        run(async {
            store.insert(&session(number)).await.unwrap();
            let mut from = 1;
            for index in 0..5 {
                let _ = store.advance(&one, &step(from, 2_000)).await.unwrap();
                from += 1;
                world.proxy.next(index, Fault::Pass);
                world.proxy.next(1, fault);
                let outcome = store.advance(&one, &step(from, 2_000)).await;
                world.proxy.pass();
                let stored = store.find(&one).await.unwrap().unwrap().generation.number();
                match outcome {
                    Ok(Outcome::Applied(session)) => {
                        assert_eq!(session.generation.number(), from + 1);
                        assert_eq!(stored, from + 1, "{index}, {fault:?}");
                    }
                    Err(StoreError::Unreachable(_)) => {
                        assert_eq!(stored, from, "{index}, {fault:?}: it happened");
                    }
                    Err(StoreError::UnknownOutcome(_)) => {}
                    other => panic!("{index}, {fault:?}: {other:?}"),
                }
                from = stored;
            }
        });
    }
}

fn connections_broken_while_idle_are_replaced<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let world = World::new(&database, 4, Duration::from_secs(20));
    let store = &world.store;
    run(async {
        store.insert(&session(1)).await.unwrap();
        for round in 0..3_u64 {
            let one = id(1);
            let four = (0..4).map(|_| store.find(&one));
            // Fills the pool.
            let found = futures_util::future::join_all(four.map(Box::pin)).await;
            assert!(found.iter().all(Result::is_ok), "{found:?}");
            world.proxy.cut();
            // Just long enough for a connection to be pinged before use.
            let pause = if round == 0 { 0 } else { 600 };
            std::thread::park_timeout(Duration::from_millis(pause));
            if round > 0 {
                // A change with a single message.
                assert!(store.insert(&session(u16::try_from(round).unwrap() + 1)).await.unwrap());
            }
            let advanced = store.advance(&id(1), &step(round + 1, 2_000)).await.unwrap();
            assert!(matches!(advanced, Outcome::Applied(_)), "{advanced:?}");
            for _ in 0..4 {
                assert!(store.find(&id(1)).await.unwrap().is_some());
            }
        }
    });
}

fn no_caller_waits_past_the_timeout_on_a_silent_network<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let world = World::new(&database, 2, SHORT);
    run(async {
        world.store.insert(&session(1)).await.unwrap();
        world.proxy.set(Fault::BlackHole);
        for _ in 0..2 {
            let start = Instant::now();
            let (advance, find, list, end_all) = futures_util::join!(
                async { world.store.advance(&id(1), &step(1, 2_000)).await.map(|_| ()) },
                async { world.store.find(&id(1)).await.map(|_| ()) },
                async { world.store.list(&session(1).subject, None, 10).await.map(|_| ()) },
                async {
                    let subject = session(1).subject;
                    world
                        .store
                        .end_all(&subject, None, crate::operations::ended(), 10_000)
                        .await
                        .map(|_| ())
                },
            );
            for result in [advance, find, list, end_all] {
                assert!(result.unwrap_err().is_transient());
            }
            assert!(start.elapsed() < SHORT * 2, "{:?}", start.elapsed());
        }
        world.proxy.pass();
        world.proxy.cut();
        assert!(world.store.find(&id(1)).await.unwrap().is_some());
    });
}

/// The results of the clients.
#[derive(Default)]
struct Results {
    succeeded: usize,
    failed: usize,
    slowest: Duration,
}

/// A client that refreshes until `stop` is set, and never loses its session.
async fn client(world: &World, stop: &AtomicBool, results: &Mutex<Results>) {
    let granted = loop {
        match world.try_open().await {
            Ok(granted) => break granted,
            Err(ServiceError::Store(error)) => assert!(error.is_transient(), "{error:?}"),
            Err(error) => panic!("{error:?}"),
        }
    };
    let (mut token, mut live) = (token_of(&granted), 1_u64);
    // With an idempotency key, because it may have to retry for long.
    let mut key = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let retry = RetryKey::parse(format!("intention-{key:020}").as_bytes()).unwrap().unwrap();
        let start = Instant::now();
        let context = world.sessions.context(NOW);
        let result = world.sessions.refresh(&context, &token, Some(&retry)).await;
        if record(results, start.elapsed(), &result) {
            let (granted, _) = result.unwrap();
            live += 1;
            assert_eq!(granted.session.generation, generation(live));
            token = token_of(&granted);
            key += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // The last response may have been lost; every other generation had exactly one response.
    let stored = loop {
        match world.store.find(&granted.session.id).await {
            Err(error) => assert!(error.is_transient(), "{error:?}"),
            Ok(found) => break found.unwrap().generation.number(),
        }
    };
    assert!(stored == live || stored == live + 1, "{stored}, expected {live}");
}

/// Records the result of a refresh; returns whether it succeeded.
fn record<T>(results: &Mutex<Results>, took: Duration, result: &Result<T, RefreshError>) -> bool {
    let mut results = results.lock().unwrap();
    results.slowest = results.slowest.max(took);
    match result {
        Ok(_) => results.succeeded += 1,
        Err(RefreshError::Service(ServiceError::Store(error))) => {
            assert!(error.is_transient(), "{error:?}");
            results.failed += 1;
        }
        Err(error) => panic!("{error:?}"),
    }
    result.is_ok()
}

/// Runs eight clients on `world` while `disturb` runs on another thread.
fn under_load(world: &World, disturb: impl FnOnce(&Mutex<Results>) + Send) -> Results {
    let (stop, results) = (AtomicBool::new(false), Mutex::new(Results::default()));
    std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            disturb(&results);
            stop.store(true, Ordering::Relaxed);
        });
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
            async {
                let clients = (0..8).map(|_| client(world, &stop, &results));
                futures_util::future::join_all(clients).await;
            },
        );
        disturbing.join().unwrap();
    });
    results.into_inner().unwrap()
}

/// Waits until `count` more refreshes have succeeded.
fn wait_for(results: &Mutex<Results>, count: usize) {
    let goal = results.lock().unwrap().succeeded + count;
    let start = Instant::now();
    while results.lock().unwrap().succeeded < goal {
        assert!(start.elapsed() < Duration::from_secs(60), "refreshes no longer succeed");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A refresh is an update, and a read if its response was lost.
const PATIENCE: Duration = Duration::from_secs(10);

fn a_server_killed_under_load_loses_and_repeats_nothing<E: Engine>() {
    let mut server = E::start(&ServerConfig::default());
    let name = TestDatabase::<E>::on(&server).name;
    let world = {
        let database = TestDatabase::<E> { server: &server, name };
        World::new(&database, 4, SHORTER)
    };
    let results = under_load(&world, |results| {
        for _ in 0..3 {
            wait_for(results, 100);
            E::stop_at_once(&mut server);
            std::thread::park_timeout(Duration::from_millis(500));
            E::restart(&mut server);
        }
        wait_for(results, 100);
    });
    assert!(
        results.failed > 0 && results.succeeded >= 400,
        "{} and {}",
        results.succeeded,
        results.failed
    );
    assert!(results.slowest < PATIENCE, "{:?}", results.slowest);
}

fn no_caller_waits_past_the_timeout_for_a_hung_server<E: Engine>() {
    let mut server = E::start(&ServerConfig::default());
    let name = TestDatabase::<E>::on(&server).name;
    let world = {
        let database = TestDatabase::<E> { server: &server, name };
        World::new(&database, 4, SHORTER)
    };
    let results = under_load(&world, |results| {
        for _ in 0..2 {
            wait_for(results, 50);
            E::pause(&mut server);
            std::thread::park_timeout(SHORTER * 2);
            E::resume(&mut server);
        }
        wait_for(results, 50);
    });
    assert!(results.failed > 0, "no caller noticed");
    assert!(results.slowest < PATIENCE, "{:?}", results.slowest);
}
