//! The open connections of a listener, to find the one that makes room for another.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::activity::{Activity, Phase};

/// The connections of all workers.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<Vec<Weak<Activity>>>);

impl Open {
    /// Adds a connection that was just accepted. It is forgotten when dropped.
    pub(super) fn add(&self, idle_timeout: Duration) -> Arc<Activity> {
        let activity = Arc::new(Activity::new(idle_timeout));
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() == open.capacity() {
            open.retain(|it| it.strong_count() > 0);
        }
        open.push(Arc::downgrade(&activity));
        activity
    }

    /// Closes the connection that has made no progress for the longest time and has no request in
    /// progress.
    pub(super) fn close_quietest(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = open.iter().filter_map(Weak::upgrade).filter(|it| it.phase() != Phase::Handler);
        if let Some(quietest) = quiet.min_by_key(|it| it.last_progress()) {
            quietest.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_was_silent_for_longest_is_closed() {
        let second = Duration::from_secs(1);
        let open = Open::default();
        let [busy, silent, recent] = [0; 3].map(|_| open.add(second));
        busy.read();
        busy.request();
        tokio::time::advance(second).await;
        recent.read();
        open.close_quietest();
        tokio::time::timeout(second, silent.closed()).await.unwrap();
        assert!(tokio::time::timeout(second, busy.closed()).await.is_err());
        assert!(tokio::time::timeout(second, recent.closed()).await.is_err());
    }
}
