//! Password hashing on a fixed number of dedicated threads, each with its own memory, behind a
//! bounded queue. A flood of logins fills the queue, not the machine; when the queue is full, further
//! requests fail immediately as overloaded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aquaware_core::password::{
    Check, EstablishError, HashCost, Overloaded, PasswordHasher, Weakness, Worker, check_hash,
    is_argon2id, is_unusable,
};
use aquaware_core::random::SystemRandom;
use aquaware_core::secret::{Password, PasswordHash};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use tokio::sync::oneshot;

/// The size of a [`HashingPool`]. Its memory is `threads` times that of one hash.
#[derive(Clone, Debug)]
pub struct PoolSize {
    /// The number of hashes that run at once; at least one.
    pub threads: usize,
    /// The number of hashes that may wait.
    pub waiting: usize,
}

/// A [`PasswordHasher`] on its own threads, which end when the pool is dropped.
#[derive(Debug)]
pub struct HashingPool {
    queue: SyncSender<Job>,
    waiting: Arc<AtomicU64>,
    slowest_imported: AtomicU64,
}

/// Checks of imported hashes can take much longer than those of this system. Every check that fails takes
/// as long as the slowest of them so far, up to this, so that the time does not tell which accounts exist.
const MAX_DELAY: Duration = Duration::from_secs(2);

enum Job {
    Check(Password, Option<PasswordHash>, oneshot::Sender<Check>),
    Establish(
        Password,
        Vec<String>,
        Timestamp,
        oneshot::Sender<Result<PasswordHash, Vec<Weakness>>>,
    ),
}

impl HashingPool {
    /// Starts the threads. Passwords need at least `min_length` characters.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(cost: &HashCost, min_length: usize, size: &PoolSize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(size.waiting);
        let (jobs, waiting) = (Arc::new(Mutex::new(jobs)), Arc::new(AtomicU64::new(0)));
        for number in 0..size.threads.max(1) {
            let (jobs, waiting, cost) = (Arc::clone(&jobs), Arc::clone(&waiting), cost.clone());
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || serve(&jobs, &waiting, &cost, min_length))?;
        }
        Ok(Self { queue, waiting, slowest_imported: AtomicU64::new(0) })
    }

    /// Reads how many jobs wait, also after the pool is dropped. For
    /// [`Metrics::hashes_waiting`](crate::Metrics::hashes_waiting).
    pub fn waiting(&self) -> impl Fn() -> u64 + Send + use<> {
        let waiting = Arc::clone(&self.waiting);
        move || waiting.load(Ordering::Relaxed)
    }

    /// Queues a job and waits for its result. A full queue and a job that panicked are reported as
    /// overload.
    async fn run<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Overloaded> {
        let (reply, answer) = oneshot::channel();
        // Counted before a thread can take it, so that the count never falls below zero.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(job(reply)) {
            Ok(()) => answer.await.map_err(|_| Overloaded),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Err(Overloaded)
            }
        }
    }
}

#[async_trait]
impl PasswordHasher for HashingPool {
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded> {
        let usable = against.filter(|stored| !is_unusable(stored));
        if let Some(Err(cause)) = usable.map(check_hash) {
            tracing::warn!(
                %cause,
                "a stored password hash cannot be checked, so the login fails; set a new password with \
                 `aquaware accounts set-password`"
            );
        }
        let start = Instant::now();
        let imported = against.is_some_and(|stored| !is_argon2id(stored));
        let (password, against) = (password.clone(), against.cloned());
        let check = self.run(|reply| Job::Check(password, against, reply)).await?;
        if imported {
            let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.slowest_imported.fetch_max(micros, Ordering::Relaxed);
        }
        if !check.matches {
            let slowest = Duration::from_micros(self.slowest_imported.load(Ordering::Relaxed));
            tokio::time::sleep_until((start + slowest.min(MAX_DELAY)).into()).await;
        }
        Ok(check)
    }

    async fn establish(
        &self,
        password: &Password,
        context: &[String],
        at: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        let (password, context) = (password.clone(), context.to_vec());
        self.run(|reply| Job::Establish(password, context, at, reply))
            .await?
            .map_err(EstablishError::Weak)
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>, waiting: &AtomicU64, cost: &HashCost, min_length: usize) {
    let mut worker = Worker::new(cost.clone(), min_length);
    while let Some(job) = next(jobs) {
        waiting.fetch_sub(1, Ordering::Relaxed);
        // A panic fails its own request, not the thread.
        if catch_unwind(AssertUnwindSafe(|| work(&mut worker, job))).is_err() {
            tracing::error!("a password hash panicked");
            worker = Worker::new(cost.clone(), min_length);
        }
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Runs a job, unless its caller is gone.
fn work(worker: &mut Worker, job: Job) {
    match job {
        Job::Check(password, against, reply) if !reply.is_closed() => {
            let _ = reply.send(worker.check(&password, against.as_ref(), &SystemRandom));
        }
        Job::Establish(password, context, at, reply) if !reply.is_closed() => {
            let _ = reply.send(worker.establish(&password, &context, at, &SystemRandom));
        }
        Job::Check(..) | Job::Establish(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize, waiting: usize) -> HashingPool {
        let cost = HashCost::new(64, 1, 1).unwrap();
        HashingPool::start(&cost, 8, &PoolSize { threads, waiting }).unwrap()
    }

    #[actix_web::test]
    async fn a_password_matches_its_hash() {
        let pool = pool(2, 8);
        let password = Password::new("seven blue snails".to_owned());
        let hash = pool.establish(&password, &[], Timestamp::from_seconds(1)).await.unwrap();
        assert!(pool.check(&password, Some(&hash)).await.unwrap().matches);
        assert!(!pool.check(&password, None).await.unwrap().matches);
        let weak = pool
            .establish(&Password::new("password".to_owned()), &[], Timestamp::from_seconds(1))
            .await;
        assert!(matches!(weak, Err(EstablishError::Weak(_))));
    }

    #[actix_web::test]
    async fn failures_take_as_long_as_the_slowest_imported_hash() {
        let pool = pool(1, 8);
        let password = Password::new("seven blue whales".to_owned());
        let imported =
            "pbkdf2_sha256$100000$saltysalt1234$zyK78uCmTjT+wHqtCeLipWrdEfTnJ5AJ0MQXm949xVQ=";
        let imported = PasswordHash::new(imported.to_owned());
        assert!(!pool.check(&password, Some(&imported)).await.unwrap().matches);
        let slowest = Duration::from_micros(pool.slowest_imported.load(Ordering::Relaxed));
        assert!(slowest > Duration::from_millis(1), "{slowest:?}");
        let start = Instant::now();
        assert!(!pool.check(&password, None).await.unwrap().matches);
        let bound = slowest.min(MAX_DELAY);
        assert!(start.elapsed() >= bound, "an unknown login answers sooner");
    }

    #[actix_web::test]
    async fn a_full_queue_is_overloaded_immediately() {
        let (queue, jobs) = sync_channel(1);
        let slowest_imported = AtomicU64::new(0);
        let pool = HashingPool { queue, waiting: Arc::default(), slowest_imported };
        let password = Password::new("seven blue snails".to_owned());
        // No thread takes jobs: the first waits, the second exceeds the queue.
        let first = pool.check(&password, None);
        let second = async { pool.check(&password, None).await };
        let (_, refused) = futures_util::future::join(
            async {
                futures_util::future::select(Box::pin(first), Box::pin(std::future::ready(())))
                    .await;
            },
            second,
        )
        .await;
        assert_eq!(refused, Err(Overloaded));
        assert_eq!(pool.waiting()(), 1);
        drop(jobs);
        assert_eq!(pool.check(&password, None).await, Err(Overloaded));
    }
}
