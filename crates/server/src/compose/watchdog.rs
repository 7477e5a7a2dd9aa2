//! Ends the process if it does not end in time after a signal to stop, whatever blocks it.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// When the process ends at the latest. It promises 30 s; requests in progress have 25 s.
const DEADLINE: Duration = Duration::from_secs(28);

/// Starts a thread that waits for SIGTERM and SIGINT, independently of the main thread.
///
/// # Errors
/// When the thread or the signal handlers cannot be created.
pub(super) fn start() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _context = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sleep(DEADLINE).await;
        tracing::error!("the server did not stop in time: ending the process");
        // A blocked thread cannot be ended in any other way.
        std::process::exit(1);
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || runtime.block_on(wait))?;
    Ok(())
}
