//! How long one request waits for stores, however many operations it takes.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Either, select};

use crate::store::StoreError;

/// A timer of the async runtime, which the core does not know.
pub trait Timer: Send + Sync + fmt::Debug {
    /// Completes after `span`.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The bound on the time that a request waits for stores.
#[derive(Clone, Debug)]
pub struct StoreTimeout {
    /// The time after which the stores abandon one operation. A request waits for twice as long.
    pub operation: Duration,
    /// The timer.
    pub timer: Arc<dyn Timer>,
}

/// The rest of the time that one request may wait for stores. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    timeout: Option<StoreTimeout>,
    /// The time spent, in microseconds.
    spent: Arc<AtomicU64>,
}

impl Budget {
    pub(super) fn new(timeout: Option<StoreTimeout>) -> Self {
        Self { timeout, spent: Arc::default() }
    }

    /// How much is left; `None` for no bound.
    fn left(&self) -> Option<Duration> {
        let total = self.timeout.as_ref()?.operation.saturating_mul(2);
        let spent = Duration::from_micros(self.spent.load(Ordering::Relaxed));
        Some(total.saturating_sub(spent))
    }

    pub(super) const fn is_bounded(&self) -> bool {
        self.timeout.is_some()
    }

    /// Whether no further operation can start.
    pub(super) fn is_spent(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Waits for `operation`, but not beyond the budget.
    ///
    /// # Errors
    /// Those of the operation. When the time is over: [`StoreError::Unreachable`] if the operation has
    /// not started, [`StoreError::UnknownOutcome`] if it has.
    pub(super) async fn wait<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let (Some(timeout), Some(left)) = (&self.timeout, self.left()) else {
            return operation.await;
        };
        if left.is_zero() {
            return Err(StoreError::Unreachable("the time of this request is over".into()));
        }
        let start = Instant::now();
        let result = if left >= timeout.operation {
            // The store itself abandons the operation in time.
            operation.await
        } else {
            match select(pin!(operation), timeout.timer.sleep(left)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => {
                    Err(StoreError::UnknownOutcome("the time of this request is over".into()))
                }
            }
        };
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let _ = self.spent.fetch_add(micros, Ordering::Relaxed);
        result
    }
}
