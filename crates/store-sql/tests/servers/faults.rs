//! Faults: a network that loses what is sent, a server that stops, hangs and comes back.

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

use crate::engine::{Engine, Opening, Space, Starting};
use crate::sample::{generation, id, run, session, step};

on_each_engine!(
    a_refresh_survives_a_cut_at_every_step,
    a_refresh_survives_a_cut_at_every_step_of_a_new_connection,
    a_lost_answer_is_told_from_a_step_that_was_not_taken,
    connections_that_broke_while_idle_fail_nobody,
    a_network_that_swallows_everything_holds_nobody_past_the_timeout,
    a_server_that_dies_under_load_loses_and_doubles_nothing,
    a_server_that_hangs_holds_nobody_past_the_timeout,
);

const SHORT: Duration = Duration::from_millis(1_500);

/// A store behind a bad network, and the use cases on it for a client without any means of
/// recovery.
struct World {
    proxy: Proxy,
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
}

impl World {
    fn new<E: Engine>(space: &Space<'_, E>, pool_size: usize, timeout: Duration) -> Self {
        // The tables are made in peace.
        drop(space.open());
        let proxy = Proxy::to(E::address(space.server)).unwrap();
        let opening = Opening { pool_size, timeout, migrate: false };
        let store = Arc::new(E::open(&space.url_at(proxy.address()), opening).unwrap());
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

    /// A refresh with `fault` at its request number `place`, and another if it came to nothing.
    /// Gives the next token.
    async fn refresh_with(&self, token: &str, place: usize, fault: Fault) -> String {
        self.proxy.next(place, Fault::Pass);
        self.proxy.next(1, fault);
        let first = self.refresh(token).await;
        self.proxy.pass();
        let granted = match first {
            Ok(granted) => granted,
            Err(RefreshError::Service(ServiceError::Store(error))) => {
                assert!(error.is_transient(), "{place}, {fault:?}: {error:?}");
                let again = self.refresh(token).await;
                again.unwrap_or_else(|error| panic!("{place}, {fault:?}: {error:?}"))
            }
            Err(error) => panic!("{place}, {fault:?}: {error:?}"),
        };
        token_of(&granted)
    }
}

fn token_of(granted: &Granted) -> String {
    granted.refresh.as_ref().unwrap().token.expose().to_owned()
}

const FAULTS: [Fault; 5] =
    [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(1), Fault::CutWithin(8), Fault::BlackHole];

fn a_refresh_survives_a_cut_at_every_step<E: Engine>() {
    let space = Space::<E>::new();
    let world = World::new(&space, 2, SHORT);
    run(async {
        let granted = world.open().await;
        let (mut token, mut live) = (token_of(&granted), 1);
        for fault in FAULTS {
            for place in 0..5 {
                // With every statement prepared.
                token = token_of(&world.refresh(&token).await.unwrap());
                token = world.refresh_with(&token, place, fault).await;
                live += 2;
                let stands = world.store.find(&granted.session.id).await.unwrap().unwrap();
                assert_eq!(stands.generation, generation(live), "{place}, {fault:?}");
            }
        }
        // Where a refresh has fewer requests than five, the later places never come.
        assert!(world.proxy.faults() >= FAULTS.len(), "{}", world.proxy.faults());
    });
}

fn a_refresh_survives_a_cut_at_every_step_of_a_new_connection<E: Engine>() {
    let space = Space::<E>::new();
    let world = World::new(&space, 1, SHORT);
    run(async {
        let granted = world.open().await;
        let (mut token, mut live) = (token_of(&granted), 1);
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(8)] {
            for place in 0..24 {
                world.proxy.cut();
                token = world.refresh_with(&token, place, fault).await;
                live += 1;
                let stands = world.store.find(&granted.session.id).await.unwrap().unwrap();
                assert_eq!(stands.generation, generation(live), "{place}, {fault:?}");
            }
        }
    });
}

fn a_lost_answer_is_told_from_a_step_that_was_not_taken<E: Engine>() {
    let space = Space::<E>::new();
    let world = World::new(&space, 1, SHORT);
    let store = &world.store;
    run(async {
        store.insert(&session(1)).await.unwrap();
        let mut from = 1;
        for fault in FAULTS {
            for place in 0..5 {
                let _ = store.advance(&id(1), &step(from, 2_000)).await.unwrap();
                from += 1;
                world.proxy.next(place, Fault::Pass);
                world.proxy.next(1, fault);
                let outcome = store.advance(&id(1), &step(from, 2_000)).await;
                world.proxy.pass();
                let stands = store.find(&id(1)).await.unwrap().unwrap().generation.number();
                match outcome {
                    Ok(Outcome::Applied(session)) => {
                        assert_eq!(session.generation.number(), from + 1);
                        assert_eq!(stands, from + 1, "{place}, {fault:?}");
                    }
                    Err(StoreError::Unreachable(_)) => {
                        assert_eq!(stands, from, "{place}, {fault:?}: it did happen");
                    }
                    Err(StoreError::UnknownOutcome(_)) => {}
                    other => panic!("{place}, {fault:?}: {other:?}"),
                }
                from = stands;
            }
        }
    });
}

fn connections_that_broke_while_idle_fail_nobody<E: Engine>() {
    let space = Space::<E>::new();
    let world = World::new(&space, 4, Duration::from_secs(20));
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
            // Long enough for a connection to be asked after, and for no more.
            let pause = if round == 0 { 0 } else { 600 };
            std::thread::park_timeout(Duration::from_millis(pause));
            if round > 0 {
                // A change of one message.
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

fn a_network_that_swallows_everything_holds_nobody_past_the_timeout<E: Engine>() {
    let space = Space::<E>::new();
    let world = World::new(&space, 2, SHORT);
    run(async {
        world.store.insert(&session(1)).await.unwrap();
        world.proxy.set(Fault::BlackHole);
        for _ in 0..2 {
            let start = Instant::now();
            let (advance, find, list, end_all) = futures_util::join!(
                async { world.store.advance(&id(1), &step(1, 2_000)).await.map(|_| ()) },
                async { world.store.find(&id(1)).await.map(|_| ()) },
                async { world.store.list(&session(1).subject).await.map(|_| ()) },
                async {
                    let subject = session(1).subject;
                    world.store.end_all(&subject, None, crate::steps::ended()).await.map(|_| ())
                },
            );
            for result in [advance, find, list, end_all] {
                assert!(result.unwrap_err().is_transient());
            }
            assert!(start.elapsed() < SHORT + Duration::from_secs(2), "{:?}", start.elapsed());
        }
        world.proxy.pass();
        world.proxy.cut();
        assert!(world.store.find(&id(1)).await.unwrap().is_some());
    });
}

/// What a client of the load went through.
#[derive(Default)]
struct Seen {
    good: usize,
    failed: usize,
    slowest: Duration,
}

/// A client that refreshes until it is told to stop, and never loses its session.
async fn client(world: &World, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let granted = loop {
        match world.try_open().await {
            Ok(granted) => break granted,
            Err(ServiceError::Store(error)) => assert!(error.is_transient(), "{error:?}"),
            Err(error) => panic!("{error:?}"),
        }
    };
    let (mut token, mut live) = (token_of(&granted), 1_u64);
    // With an idempotency key, as a client that may have to try for long.
    let mut key = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let retry = RetryKey::parse(format!("intention-{key:020}").as_bytes()).unwrap().unwrap();
        let start = Instant::now();
        let context = world.sessions.context(NOW);
        let result = world.sessions.refresh(&context, &token, Some(&retry)).await;
        if note(seen, start.elapsed(), &result) {
            let (granted, _) = result.unwrap();
            live += 1;
            assert_eq!(granted.session.generation, generation(live));
            token = token_of(&granted);
            key += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // The last one's answer may have been lost; every other generation was one answer.
    let stands = world.store.find(&granted.session.id).await.unwrap().unwrap();
    let stands = stands.generation.number();
    assert!(stands == live || stands == live + 1, "{stands} beside {live}");
}

/// Notes how a refresh went, and says whether it went well.
fn note<T>(seen: &Mutex<Seen>, took: Duration, result: &Result<T, RefreshError>) -> bool {
    let mut seen = seen.lock().unwrap();
    seen.slowest = seen.slowest.max(took);
    match result {
        Ok(_) => seen.good += 1,
        Err(RefreshError::Service(ServiceError::Store(error))) => {
            assert!(error.is_transient(), "{error:?}");
            seen.failed += 1;
        }
        Err(error) => panic!("{error:?}"),
    }
    result.is_ok()
}

/// Runs eight clients on `world` while `disturb` does its work on another thread.
fn under_load(world: &World, disturb: impl FnOnce(&Mutex<Seen>) + Send) -> Seen {
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            disturb(&seen);
            stop.store(true, Ordering::Relaxed);
        });
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
            async {
                let clients = (0..8).map(|_| client(world, &stop, &seen));
                futures_util::future::join_all(clients).await;
            },
        );
        disturbing.join().unwrap();
    });
    seen.into_inner().unwrap()
}

/// Waits until `count` more refreshes went well.
fn wait_for(seen: &Mutex<Seen>, count: usize) {
    let goal = seen.lock().unwrap().good + count;
    let start = Instant::now();
    while seen.lock().unwrap().good < goal {
        assert!(start.elapsed() < Duration::from_secs(60), "no refresh goes well any more");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A refresh is a step, and reading back if its answer was lost.
const PATIENCE: Duration = Duration::from_secs(10);

fn a_server_that_dies_under_load_loses_and_doubles_nothing<E: Engine>() {
    let mut server = E::start(&Starting::default());
    let name = Space::<E>::on(&server).name;
    let world = {
        let space = Space::<E> { server: &server, name };
        World::new(&space, 4, SHORT)
    };
    let seen = under_load(&world, |seen| {
        for _ in 0..3 {
            wait_for(seen, 100);
            E::stop_at_once(&mut server);
            std::thread::park_timeout(Duration::from_millis(500));
            E::restart(&mut server);
        }
        wait_for(seen, 100);
    });
    assert!(seen.failed > 0 && seen.good >= 400, "{} and {}", seen.good, seen.failed);
    assert!(seen.slowest < PATIENCE, "{:?}", seen.slowest);
}

fn a_server_that_hangs_holds_nobody_past_the_timeout<E: Engine>() {
    let mut server = E::start(&Starting::default());
    let name = Space::<E>::on(&server).name;
    let world = {
        let space = Space::<E> { server: &server, name };
        World::new(&space, 4, SHORT)
    };
    let seen = under_load(&world, |seen| {
        for _ in 0..2 {
            wait_for(seen, 50);
            E::pause(&mut server);
            std::thread::park_timeout(SHORT * 2);
            E::resume(&mut server);
        }
        wait_for(seen, 50);
    });
    assert!(seen.failed > 0, "nobody noticed");
    assert!(seen.slowest < PATIENCE, "{:?}", seen.slowest);
}
