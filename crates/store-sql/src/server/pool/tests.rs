//! The pool with a server that is a count of its connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// A server that exists as a count of its connections.
#[derive(Default)]
struct Fake {
    made: AtomicUsize,
    asked: AtomicUsize,
    abandoned: AtomicUsize,
    /// Whether connections can be made.
    is_down: AtomicBool,
    /// Whether it leaves whoever connects without an answer.
    hangs: AtomicBool,
}

struct FakeLink {
    server: Arc<Fake>,
    number: usize,
    sent: bool,
}

impl Link for FakeLink {
    type Plan = Arc<Fake>;

    async fn connect(plan: &Arc<Fake>) -> Result<Self, Trouble> {
        if plan.is_down.load(Ordering::SeqCst) {
            return Err(Trouble::unsent(Failure::Connect(std::io::ErrorKind::ConnectionRefused)));
        }
        if plan.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let number = plan.made.fetch_add(1, Ordering::SeqCst);
        Ok(Self { server: Arc::clone(plan), number, sent: false })
    }

    async fn is_closed(&mut self) -> bool {
        false
    }

    async fn check(&mut self) -> Result<(), Trouble> {
        self.server.asked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn begin(&mut self) {
        self.sent = false;
    }

    fn has_sent(&self) -> bool {
        self.sent
    }

    fn abandon(&mut self) {
        self.server.abandoned.fetch_add(1, Ordering::SeqCst);
    }
}

const TIMEOUT: Duration = Duration::from_millis(200);

fn pool(size: usize) -> (Pool<FakeLink>, Arc<Fake>) {
    let server = Arc::new(Fake::default());
    let pool = Pool::new("aquaware-test", Arc::clone(&server), size, TIMEOUT).unwrap();
    (pool, server)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The number of the connection it ran on.
fn number<'a>(link: &'a mut FakeLink, (): &'a ()) -> BoxFuture<'a, Result<usize, Trouble>> {
    Box::pin(async { Ok(link.number) })
}

#[test]
fn steps_share_connections() {
    let (pool, server) = pool(2);
    run(async {
        for _ in 0..5 {
            assert_eq!(pool.run(Access::Write, (), number).await.unwrap(), 0);
        }
    });
    assert_eq!(server.made.load(Ordering::SeqCst), 1);
    assert_eq!(server.asked.load(Ordering::SeqCst), 0, "nobody asks a connection just used");
}

#[test]
fn a_connection_that_was_idle_is_asked_for_a_sign_of_life() {
    let (pool, server) = pool(1);
    run(async {
        pool.run(Access::Read, (), number).await.unwrap();
        std::thread::park_timeout(TRUSTED + Duration::from_millis(50));
        pool.run(Access::Read, (), number).await.unwrap();
    });
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_change_is_tried_once_more_if_nothing_was_sent_and_on_a_new_connection() {
    let (pool, server) = pool(4);
    run(async {
        // The second connection is old, too, when the first breaks.
        let both = futures_util::future::join(
            pool.run(Access::Write, (), slow),
            pool.run(Access::Write, (), slow),
        );
        let _ = both.await;
        let ran_on = pool
            .run(Access::Write, (), |link, ()| {
                Box::pin(async {
                    let old = link.number < 2;
                    if old { Err(Trouble::unsent(Failure::Broken)) } else { Ok(link.number) }
                })
            })
            .await;
        assert_eq!(ran_on.unwrap(), 2);
    });
    assert_eq!(server.made.load(Ordering::SeqCst), 3);
}

fn slow<'a>(_: &'a mut FakeLink, (): &'a ()) -> BoxFuture<'a, Result<(), Trouble>> {
    Box::pin(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    })
}

#[test]
fn a_change_that_was_sent_is_not_repeated_and_its_connection_is_gone() {
    let (pool, server) = pool(1);
    let tries = Arc::new(AtomicUsize::new(0));
    run(async {
        let error = pool
            .run(Access::Write, Arc::clone(&tries), |_, tries| {
                tries.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Err::<(), _>(Trouble::unknown(Failure::Broken)) })
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
fn a_conflict_is_tried_again_and_not_for_ever() {
    let server = Arc::new(Fake::default());
    let patient = TIMEOUT * 100;
    let pool = Pool::new("aquaware-test", Arc::clone(&server), 1, patient).unwrap();
    let tries = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    assert_eq!(run(conflict(&pool, &tries)), Failure::Conflict);
    assert_eq!(tries.load(Ordering::SeqCst), 9);
    assert_eq!(server.made.load(Ordering::SeqCst), 1);
    // 1, 2, 4 … 128 ms.
    assert!(start.elapsed() >= Duration::from_millis(255) && start.elapsed() < patient);
}

#[test]
fn a_conflict_that_lasts_ends_before_the_deadline_and_says_so() {
    let (pool, _) = pool(1);
    let tries = Arc::new(AtomicUsize::new(0));
    assert_eq!(run(conflict(&pool, &tries)), Failure::Conflict);
    assert!((2..9).contains(&tries.load(Ordering::SeqCst)));
}

/// Runs a step that is always in somebody's way.
async fn conflict(pool: &Pool<FakeLink>, tries: &Arc<AtomicUsize>) -> Failure {
    let step = pool.run(Access::Write, Arc::clone(tries), |_, tries| {
        tries.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err::<(), _>(Trouble::undone(Failure::Conflict)) })
    });
    let error = step.await.unwrap_err();
    assert!(error.is_transient() && !error.is_unknown());
    *std::error::Error::source(&error).unwrap().downcast_ref().unwrap()
}

#[test]
fn a_step_ends_at_its_deadline_and_what_was_sent_is_unknown() {
    let (pool, server) = pool(1);
    run(async {
        for sent in [true, false] {
            let start = Instant::now();
            let error = pool
                .run(Access::Write, sent, |link, sent| {
                    link.sent = *sent;
                    Box::pin(std::future::pending::<Result<(), Trouble>>())
                })
                .await
                .unwrap_err();
            assert_eq!(error.is_unknown(), sent);
            assert!(error.is_transient());
            assert!(start.elapsed() >= TIMEOUT && start.elapsed() < TIMEOUT * 10);
        }
    });
    assert_eq!(server.abandoned.load(Ordering::SeqCst), 2);
}

#[test]
fn waiting_for_a_connection_counts() {
    let (pool, server) = pool(1);
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
        assert!(start.elapsed() < TIMEOUT * 10);
    });
}

#[test]
fn a_step_whose_caller_is_gone_is_done_all_the_same() {
    let (pool, _) = pool(1);
    let done = Arc::new(AtomicUsize::new(0));
    run(async {
        let step = pool.run(Access::Write, Arc::clone(&done), |_, done| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        });
        let mut step = Box::pin(step);
        assert!(futures_util::poll!(&mut step).is_pending());
        drop(step);
        // The only connection is free again once it is done.
        pool.run(Access::Read, (), number).await.unwrap();
    });
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[test]
fn a_step_that_panics_may_have_changed_something() {
    let (pool, _) = pool(1);
    run(async {
        let step: Running<FakeLink, (), ()> = |_, ()| Box::pin(async { panic!("on purpose") });
        assert!(pool.run(Access::Write, (), step).await.unwrap_err().is_unknown());
        assert!(!pool.run(Access::Read, (), step).await.unwrap_err().is_unknown());
        assert!(pool.run(Access::Read, (), number).await.is_ok());
    });
}

#[test]
fn a_server_that_is_down_and_up_again_is_found_again() {
    let (pool, server) = pool(1);
    run(async {
        server.is_down.store(true, Ordering::SeqCst);
        let error = pool.run(Access::Write, (), number).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unknown());
        server.is_down.store(false, Ordering::SeqCst);
        assert!(pool.run(Access::Write, (), number).await.is_ok());
    });
}
