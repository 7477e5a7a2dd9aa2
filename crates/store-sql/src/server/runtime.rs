//! The runtime of a store: its connections live there, and every operation runs there.
//!
//! A connection is driven by the runtime that opened it. On a worker's runtime it would be slow for
//! every other worker, and would die with that one.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Few, because they only move bytes; two, so that decoding a long list does not block everything.
const THREADS: usize = 2;

/// The threads of a store. Dropping it abandons the operations in progress.
pub(crate) struct StoreRuntime {
    // `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl StoreRuntime {
    /// Starts the threads; the operating system shows them as `name`.
    pub(crate) fn start(name: &'static str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs `work` to its end, even if the handle is dropped. `None` after the end of the runtime.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Runs `work` and blocks until it has finished; works with and without a runtime around the
    /// caller. `None` if it panicked.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (reply, response) = mpsc::channel();
        self.spawn(async move {
            // The receiver below waits for it.
            let _ = reply.send(work.await);
        })?;
        response.recv().ok()
    }
}

impl Drop for StoreRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The runtime's own drop waits, which panics inside another runtime.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_caller_can_block_on_a_plain_thread_and_inside_a_runtime() {
        let runtime = StoreRuntime::start("aquaware-test").unwrap();
        assert_eq!(runtime.block_on(async { 1 }), Some(1));
        let worker = Builder::new_current_thread().build().unwrap();
        worker.block_on(async {
            let runtime = StoreRuntime::start("aquaware-test").unwrap();
            let timers = async { tokio::time::sleep(Duration::ZERO).await };
            assert_eq!(runtime.block_on(timers), Some(()));
        });
    }

    #[test]
    fn work_that_panics_does_not_stop_other_work() {
        let runtime = StoreRuntime::start("aquaware-test").unwrap();
        assert_eq!(runtime.block_on::<()>(async { panic!("on purpose") }), None);
        assert_eq!(runtime.block_on(async { 2 }), Some(2));
    }

    #[test]
    fn work_finishes_even_if_its_handle_is_dropped() {
        let runtime = StoreRuntime::start("aquaware-test").unwrap();
        let (done, is_done) = mpsc::channel();
        drop(runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            done.send(()).unwrap();
        }));
        assert!(is_done.recv_timeout(Duration::from_secs(10)).is_ok());
    }
}
