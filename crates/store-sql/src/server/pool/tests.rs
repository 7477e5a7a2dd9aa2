//! The pool over a fake server that only counts its connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Barrier, Semaphore};

use super::*;

/// Counts its connections and what happened to them.
#[derive(Default)]
struct FakeServer {
    connected: AtomicUsize,
    pings: AtomicUsize,
    abandoned: AtomicUsize,
    /// Whether connections can be made.
    is_down: AtomicBool,
    /// Whether it leaves a new connection without a response.
    hangs: AtomicBool,
}

struct FakeConnection {
    server: Arc<FakeServer>,
    number: usize,
    sent: bool,
}

impl Connection for FakeConnection {
    type Config = Arc<FakeServer>;

    async fn connect(server: &Arc<FakeServer>) -> Result<Self, StatementError> {
        if server.is_down.load(Ordering::SeqCst) {
            let refused = SqlError::Connect(std::io::ErrorKind::ConnectionRefused);
            return Err(StatementError::not_sent(refused));
        }
        if server.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let number = server.connected.fetch_add(1, Ordering::SeqCst);
        Ok(Self { server: Arc::clone(server), number, sent: false })
    }

    async fn is_closed(&mut self) -> bool {
        false
    }

    async fn ping(&mut self) -> Result<(), StatementError> {
        self.server.pings.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn begin_operation(&mut self) {
        self.sent = false;
    }

    fn has_sent(&self) -> bool {
        self.sent
    }

    fn abandon(&mut self) {
        self.server.abandoned.fetch_add(1, Ordering::SeqCst);
    }
}

/// For operations that are to succeed, on a busy machine as well.
const LONG: Duration = Duration::from_secs(60);
/// For operations that are to fail at their deadline.
const SHORT: Duration = Duration::from_millis(200);

fn pool(size: usize, timeout: Duration) -> (Pool<FakeConnection>, Arc<FakeServer>) {
    let server = Arc::new(FakeServer::default());
    let pool = Pool::new("aquaware-test", Arc::clone(&server), size, timeout).unwrap();
    (pool, server)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// An operation that returns the number of its connection.
fn number<'a>(
    connection: &'a mut FakeConnection,
    (): &'a (),
) -> BoxFuture<'a, Result<usize, StatementError>> {
    Box::pin(async { Ok(connection.number) })
}

#[test]
fn operations_share_connections() {
    // Again, if the machine was too busy to use the connection five times before it counts as idle.
    for _ in 0..100 {
        let (pool, server) = pool(2, LONG);
        let start = Instant::now();
        run(async {
            for _ in 0..5 {
                assert_eq!(pool.run(Access::Write, (), number).await.unwrap(), 0);
            }
        });
        assert_eq!(server.connected.load(Ordering::SeqCst), 1);
        if start.elapsed() < MAX_IDLE {
            let pings = server.pings.load(Ordering::SeqCst);
            assert_eq!(pings, 0, "a connection just used is not pinged");
            return;
        }
    }
    panic!("the machine is too busy");
}

#[test]
fn an_idle_connection_is_pinged_before_use() {
    let (pool, server) = pool(1, LONG);
    run(async {
        pool.run(Access::Read, (), number).await.unwrap();
        std::thread::park_timeout(MAX_IDLE + Duration::from_millis(50));
        pool.run(Access::Read, (), number).await.unwrap();
    });
    assert_eq!(server.pings.load(Ordering::SeqCst), 1);
}

#[test]
fn a_change_that_was_not_sent_is_retried_once_on_a_new_connection() {
    let (pool, server) = pool(4, LONG);
    run(async {
        // When the first connection breaks, the second one is old too.
        let both = Arc::new(Barrier::new(2));
        let (one, two) = futures_util::future::join(
            pool.run(Access::Write, Arc::clone(&both), together),
            pool.run(Access::Write, both, together),
        )
        .await;
        one.and(two).unwrap();
        let ran_on = pool
            .run(Access::Write, (), |connection, ()| {
                Box::pin(async {
                    let old = connection.number < 2;
                    if old {
                        Err(StatementError::not_sent(SqlError::ConnectionLost))
                    } else {
                        Ok(connection.number)
                    }
                })
            })
            .await;
        assert_eq!(ran_on.unwrap(), 2);
    });
    assert_eq!(server.connected.load(Ordering::SeqCst), 3);
}

/// Ends when another operation has begun on another connection.
fn together<'a>(
    _: &'a mut FakeConnection,
    both: &'a Arc<Barrier>,
) -> BoxFuture<'a, Result<(), StatementError>> {
    Box::pin(async {
        both.wait().await;
        Ok(())
    })
}

#[test]
fn a_change_that_was_sent_is_not_repeated_and_its_connection_is_dropped() {
    let (pool, server) = pool(1, LONG);
    let tries = Arc::new(AtomicUsize::new(0));
    run(async {
        let error = pool
            .run(Access::Write, Arc::clone(&tries), |_, tries| {
                tries.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Err::<(), _>(StatementError::unknown(SqlError::ConnectionLost)) })
            })
            .await
            .unwrap_err();
        assert!(error.is_unknown());
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        assert_eq!(pool.run(Access::Write, (), number).await.unwrap(), 1);
    });
    assert_eq!(server.abandoned.load(Ordering::SeqCst), 1);
}

#[test]
fn a_conflict_is_retried_a_limited_number_of_times() {
    let (pool, server) = pool(1, LONG);
    let tries = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    assert_eq!(run(conflict(&pool, &tries)), SqlError::Conflict);
    assert_eq!(tries.load(Ordering::SeqCst), 9);
    assert_eq!(server.connected.load(Ordering::SeqCst), 1);
    // 1, 2, 4 … 128 ms.
    assert!(start.elapsed() >= Duration::from_millis(255) && start.elapsed() < LONG);
}

#[test]
fn a_lasting_conflict_is_reported_before_the_deadline() {
    let (pool, _) = pool(1, SHORT);
    // On a busy machine, the first try may use up all the time.
    for _ in 0..100 {
        let tries = Arc::new(AtomicUsize::new(0));
        assert_eq!(run(conflict(&pool, &tries)), SqlError::Conflict);
        let tries = tries.load(Ordering::SeqCst);
        assert!((1..9).contains(&tries), "{tries}");
        if tries > 1 {
            return;
        }
    }
    panic!("there is never a second try");
}

/// Runs an operation that always conflicts with another.
async fn conflict(pool: &Pool<FakeConnection>, tries: &Arc<AtomicUsize>) -> SqlError {
    let operation = pool.run(Access::Write, Arc::clone(tries), |_, tries| {
        tries.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err::<(), _>(StatementError::rolled_back(SqlError::Conflict)) })
    });
    let error = operation.await.unwrap_err();
    assert!(error.is_transient() && !error.is_unknown());
    *std::error::Error::source(&error).unwrap().downcast_ref().unwrap()
}

#[test]
fn an_operation_ends_at_its_deadline_and_is_unknown_if_it_was_sent() {
    let (pool, server) = pool(1, SHORT);
    run(async {
        for sent in [true, false] {
            let start = Instant::now();
            let error = pool
                .run(Access::Write, sent, |connection, sent| {
                    connection.sent = *sent;
                    Box::pin(std::future::pending::<Result<(), StatementError>>())
                })
                .await
                .unwrap_err();
            assert_eq!(error.is_unknown(), sent);
            assert!(error.is_transient());
            assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT * 100);
        }
    });
    assert_eq!(server.abandoned.load(Ordering::SeqCst), 2);
}

#[test]
fn waiting_for_a_connection_counts_towards_the_deadline() {
    let (pool, server) = pool(1, SHORT);
    server.hangs.store(true, Ordering::SeqCst);
    run(async {
        let start = Instant::now();
        // The second waits for the first, which waits for the server.
        let (first, second) = futures_util::future::join(
            pool.run(Access::Write, (), number),
            pool.run(Access::Write, (), number),
        )
        .await;
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert!(error.is_transient() && !error.is_unknown());
        }
        assert!(start.elapsed() < SHORT * 100);
    });
}

#[test]
fn an_operation_finishes_after_its_caller_was_dropped() {
    let (pool, _) = pool(1, LONG);
    let state = Arc::new((Semaphore::new(0), AtomicUsize::new(0)));
    run(async {
        let operation = pool.run(Access::Write, Arc::clone(&state), |_, state| {
            Box::pin(async {
                let (dropped, done) = &**state;
                let _ = dropped.acquire().await;
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        });
        let mut operation = Box::pin(operation);
        assert!(futures_util::poll!(&mut operation).is_pending());
        drop(operation);
        state.0.add_permits(1);
        // Other operations get the only connection afterwards. This one may get it before.
        while state.1.load(Ordering::SeqCst) == 0 {
            pool.run(Access::Read, (), number).await.unwrap();
        }
    });
    assert_eq!(state.1.load(Ordering::SeqCst), 1);
}

#[test]
fn the_outcome_of_a_change_that_panicked_is_unknown() {
    let (pool, _) = pool(1, LONG);
    run(async {
        let operation: Operation<FakeConnection, (), ()> =
            |_, ()| Box::pin(async { panic!("on purpose") });
        assert!(pool.run(Access::Write, (), operation).await.unwrap_err().is_unknown());
        assert!(!pool.run(Access::Read, (), operation).await.unwrap_err().is_unknown());
        assert!(pool.run(Access::Read, (), number).await.is_ok());
    });
}

#[test]
fn the_pool_recovers_when_its_server_is_back() {
    let (pool, server) = pool(1, LONG);
    run(async {
        server.is_down.store(true, Ordering::SeqCst);
        let error = pool.run(Access::Write, (), number).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unknown());
        server.is_down.store(false, Ordering::SeqCst);
        assert!(pool.run(Access::Write, (), number).await.is_ok());
    });
}
