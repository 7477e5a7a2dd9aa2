//! The runtime a store owns: its connections live there, and every step runs there.
//!
//! A connection's reading and writing is driven by the runtime that made it. On a worker's runtime
//! it would be slow for every other worker and die with that one.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Few, since they only move bytes; more than one, so that decoding a long list stops nobody.
const THREADS: usize = 2;

/// Threads that run a store's steps. Dropping it abandons what they are at.
pub(crate) struct Home {
    // Always there until the drop.
    runtime: Option<Runtime>,
}

impl Home {
    /// Starts the threads; `name` is shown by the operating system.
    pub(crate) fn start(name: &'static str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Lets `work` run to its end, whether anybody waits for it or not. `None` once stopped.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Waits for `work` without a runtime of the caller's, or inside one, which then stands still.
    /// `None` if it broke off.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = mpsc::channel();
        self.spawn(async move {
            // Whoever asked waits below.
            let _ = reply.send(work.await);
        })?;
        answer.recv().ok()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not the runtime's own drop: that one waits, which panics inside another runtime.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_is_waited_for_on_a_plain_thread_and_inside_a_runtime() {
        let home = Home::start("aquaware-test").unwrap();
        assert_eq!(home.wait(async { 1 }), Some(1));
        let worker = Builder::new_current_thread().build().unwrap();
        worker.block_on(async {
            let home = Home::start("aquaware-test").unwrap();
            let timers = async { tokio::time::sleep(Duration::ZERO).await };
            assert_eq!(home.wait(timers), Some(()));
        });
    }

    #[test]
    fn work_that_panics_is_nobody_elses_end() {
        let home = Home::start("aquaware-test").unwrap();
        assert_eq!(home.wait::<()>(async { panic!("on purpose") }), None);
        assert_eq!(home.wait(async { 2 }), Some(2));
    }

    #[test]
    fn work_goes_on_when_nobody_waits() {
        let home = Home::start("aquaware-test").unwrap();
        let (done, is_done) = mpsc::channel();
        drop(home.spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            done.send(()).unwrap();
        }));
        assert!(is_done.recv_timeout(Duration::from_secs(10)).is_ok());
    }
}
