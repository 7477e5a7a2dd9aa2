//! A database server stops, restarts, or is slow: no client is logged out, no
//! request hangs, and requests that need no store succeed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aquaware_servers::{
    Fault, Mariadb, MariadbOptions, Postgres, PostgresOptions, Proxy, Redis, RedisOptions,
};
use aquaware_tests::{Client, Outcome, Server, Setup, Store, Tokens, pause, retry_key, wait_for};

/// The store's timeout: a request that needs no store must be faster also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The store's timeout plus the delay of a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(25);
/// How often every client refreshes before, between and after the restarts.
const REFRESHES: usize = 3;

/// A database server that a test stops and restarts.
trait Engine {
    fn url(&self) -> String;
    fn address(&self) -> SocketAddr;
    fn url_at(&self, address: SocketAddr) -> String;
    fn stop(&mut self);
    fn start_again(&mut self);
}

/// Runs the test on one engine, stopped by `stop`.
macro_rules! engine {
    ($engine:ty, $stop:ident) => {
        impl Engine for $engine {
            fn url(&self) -> String {
                self.url()
            }

            fn address(&self) -> SocketAddr {
                self.address()
            }

            fn url_at(&self, address: SocketAddr) -> String {
                self.url_at(address)
            }

            fn stop(&mut self) {
                self.$stop().unwrap();
            }

            fn start_again(&mut self) {
                self.restart().unwrap();
            }
        }
    };
}

engine!(Redis, kill);
engine!(Postgres, stop_immediate);
engine!(Mariadb, kill);

fn postgres() -> Postgres {
    Postgres::start(PostgresOptions::default()).unwrap()
}

fn mariadb() -> Mariadb {
    Mariadb::start(MariadbOptions::default()).unwrap()
}

fn redis() -> Redis {
    Redis::start(RedisOptions::default()).unwrap()
}

/// Starts the server, which must fail, on unused ports.
fn told_at_the_start(url: &str) -> String {
    let setup = on(url).set("listen.public", "127.0.0.1:0").set("listen.management", "127.0.0.1:0");
    let finished = setup.run(&["serve"]);
    assert_eq!(finished.outcome, Outcome::Exit(1), "{}", finished.stdout);
    format!("{}{}", finished.stdout, finished.stderr)
}

fn on(url: &str) -> Setup {
    let timeout = format!("{}ms", TIMEOUT.as_millis());
    Setup::on(Store::MEMORY)
        .set("store.sessions", url)
        .set("store.accounts", url)
        .set("store.timeout", &timeout)
        .set("clients.web.retry_window", "0s")
}

/// Refreshes until it is stopped; every attempt is answered in time, and a 503 has no side effect.
/// Returns the last tokens and the key of the next refresh.
fn refresh_on(
    client: &Client,
    mut tokens: Tokens,
    until: &AtomicBool,
    done: &AtomicUsize,
) -> (Tokens, String) {
    let mut key = retry_key();
    while !until.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let response = client.refresh(tokens.refresh(), Some(&key));
        assert!(begun.elapsed() < MAX_WAIT, "answered after {:?}", begun.elapsed());
        if response.status == 503 {
            response.is_problem(503, "store_unavailable");
            pause(Duration::from_millis(20));
            continue;
        }
        let next = Tokens::of(&response);
        assert_eq!(next.generation(), tokens.generation() + 1, "nothing is skipped or doubled");
        tokens = next;
        key = retry_key();
        let _ = done.fetch_add(1, Ordering::SeqCst);
    }
    (tokens, key)
}

/// Waits until every client has refreshed some more.
fn all_get_on(done: &[AtomicUsize]) {
    let counts = || done.iter().map(|count| count.load(Ordering::SeqCst)).collect::<Vec<_>>();
    let before = counts();
    wait_for("every client to refresh", Duration::from_secs(60), || {
        let mut pairs = counts().into_iter().zip(&before);
        pairs.all(|(now, before)| now >= before + REFRESHES).then_some(())
    });
}

fn readiness(server: &Server, status: u16) {
    let client = Client::of(server.management());
    let is_so = || (client.get("/health/ready").send().status == status).then_some(());
    wait_for("the server notices", Duration::from_secs(60), is_so);
}

fn stopped_and_started_under_load(mut engine: impl Engine) {
    let server = on(&engine.url()).start();
    let clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    let sessions: Vec<_> = clients.iter().map(|client| client.new_session().1).collect();
    let over = AtomicBool::new(false);
    let done: Vec<_> = clients.iter().map(|_| AtomicUsize::new(0)).collect();
    let lasts: Vec<(Tokens, String)> = thread::scope(|scope| {
        let (over, done) = (&over, done.as_slice());
        let storms: Vec<_> = clients
            .iter()
            .zip(done)
            .zip(sessions)
            .map(|((client, done), tokens)| {
                scope.spawn(move || refresh_on(client, tokens, over, done))
            })
            .collect();
        for _ in 0..2 {
            all_get_on(done);
            engine.stop();
            readiness(&server, 503);
            // Requests that need no store still succeed.
            server.client().get("/.well-known/jwks.json").send().is(200);
            engine.start_again();
            readiness(&server, 200);
        }
        all_get_on(done);
        over.store(true, Ordering::SeqCst);
        storms.into_iter().map(|storm| storm.join().unwrap()).collect()
    });
    for (client, (last, key)) in clients.iter().zip(lasts) {
        assert!(last.generation() > 5, "it got on, to generation {}", last.generation());
        let _ = wait_for_refresh(client, &last, Some(&key));
    }
}

fn slow_store_holds_up_nobody_else(engine: impl Engine) {
    let proxy = Proxy::to(engine.address()).unwrap();
    let server = on(&engine.url_at(proxy.address())).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let key = retry_key();
    proxy.set(Fault::BlackHole);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let (client, token, key) = (server.client(), tokens.refresh(), &key);
                scope.spawn(move || {
                    let begun = Instant::now();
                    client.refresh(token, Some(key)).is(503);
                    begun.elapsed()
                })
            })
            .collect();
        for _ in 0..20 {
            let begun = Instant::now();
            client.get("/.well-known/jwks.json").send().is(200);
            client.refresh("not a token", None).is(401);
            assert!(begun.elapsed() < TIMEOUT, "held up for {:?}", begun.elapsed());
        }
        for waiting in waiting {
            assert!(waiting.join().unwrap() < MAX_WAIT);
        }
    });
    proxy.pass();
    wait_for("the session goes on", Duration::from_secs(60), || {
        (client.refresh(tokens.refresh(), Some(&key)).status == 200).then_some(())
    });
}

fn cut_at_every_step(engine: impl Engine) {
    let proxy = Proxy::to(engine.address()).unwrap();
    let server = on(&engine.url_at(proxy.address())).start();
    let client = server.client();
    let (_, mut tokens) = client.new_session();
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(3)] {
        for _ in 0..3 {
            proxy.next(1, fault);
            // Without a key and a window, a lost outcome is recognised by the mark.
            let next = wait_for_refresh(&client, &tokens, None);
            assert_eq!(next.generation(), tokens.generation() + 1, "after {fault:?}");
            tokens = next;
            proxy.pass();
        }
    }
}

fn wait_for_refresh(client: &Client, tokens: &Tokens, key: Option<&str>) -> Tokens {
    wait_for("the store to be back", Duration::from_secs(60), || {
        let response = client.refresh(tokens.refresh(), key);
        (response.status != 503).then(|| Tokens::of(&response))
    })
}

#[test]
fn restarting_redis_under_load_logs_no_client_out() {
    stopped_and_started_under_load(redis());
}

#[test]
fn restarting_postgres_under_load_logs_no_client_out() {
    stopped_and_started_under_load(postgres());
}

#[test]
fn restarting_mariadb_under_load_logs_no_client_out() {
    stopped_and_started_under_load(mariadb());
}

#[test]
fn a_slow_postgres_delays_only_requests_that_need_it() {
    slow_store_holds_up_nobody_else(postgres());
}

#[test]
fn a_slow_mariadb_delays_only_requests_that_need_it() {
    slow_store_holds_up_nobody_else(mariadb());
}

#[test]
fn a_slow_redis_delays_only_requests_that_need_it() {
    slow_store_holds_up_nobody_else(redis());
}

#[test]
fn cutting_the_redis_connection_at_any_point_logs_no_client_out() {
    cut_at_every_step(redis());
}

#[test]
fn an_unreachable_store_is_reported_at_start() {
    for scheme in ["redis", "postgres", "mysql"] {
        let told = told_at_the_start(&format!("{scheme}://a:horse@127.0.0.1:1/0"));
        assert!(told.contains("store.sessions") && told.contains("connection refused"), "{told}");
        assert!(!told.contains("horse"), "{told}");
    }
}

#[test]
fn a_wrong_store_password_is_reported_at_start_without_showing_it() {
    let password = Some("rightpassword".to_owned());
    let engine = Redis::start(RedisOptions { password, ..RedisOptions::default() }).unwrap();
    let (postgres, mariadb) = (postgres(), mariadb());
    for url in [
        engine.url().replace("rightpassword", "wrongpassword"),
        postgres.url().replace(postgres.password(), "wrongpassword"),
        mariadb.url().replace(mariadb.password(), "wrongpassword"),
    ] {
        let told = told_at_the_start(&url);
        assert!(told.contains("password") && !told.contains("wrongpassword"), "{told}");
    }
}
