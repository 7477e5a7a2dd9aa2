//! How many connections may be open, and how many file descriptors the process may have.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors for stores, keys, the management listener, the log and the runtime, beside the
/// pools of connections to stores.
const RESERVE: usize = 64;
/// A server that cannot hold even this many connections is of no use.
const MIN_CONNECTIONS: usize = 16;

/// A shared count of open connections and its maximum.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    open: Arc<AtomicUsize>,
    max: usize,
}

impl Limit {
    /// At most `max` connections, or as many as the descriptor limit allows, less `pooled` for the
    /// stores.
    pub(crate) fn new(max: Option<NonZeroUsize>, descriptors: usize, pooled: usize) -> Self {
        let derived = descriptors.saturating_sub(RESERVE + pooled).max(MIN_CONNECTIONS);
        let max = max.map_or(derived, |max| max.get().min(derived));
        Self { open: Arc::default(), max }
    }

    /// The maximum.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// Whether another connection would exceed the maximum.
    pub(super) fn is_reached(&self) -> bool {
        self.open.load(Ordering::Acquire) >= self.max
    }

    /// Counts a connection until the permit is dropped.
    pub(super) fn take(&self) -> Permit {
        self.open.fetch_add(1, Ordering::AcqRel);
        Permit(Arc::clone(&self.open))
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Raises the soft limit on open descriptors to the hard one, and returns what is in force.
///
/// # Errors
/// The operating system does not report the limit.
pub(crate) fn raise_descriptor_limit() -> io::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    Ok(usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derived_limit_leaves_room_for_stores_and_management() {
        assert_eq!(Limit::new(None, 1024, 32).max(), 1024 - RESERVE - 32);
        assert_eq!(Limit::new(NonZeroUsize::new(100), 1024, 32).max(), 100);
        assert_eq!(Limit::new(NonZeroUsize::new(5000), 1024, 32).max(), 1024 - RESERVE - 32);
        assert_eq!(Limit::new(None, 20, 32).max(), MIN_CONNECTIONS);
    }

    #[test]
    fn a_dropped_permit_makes_room() {
        let limit = Limit::new(NonZeroUsize::new(1), 1024, 0);
        let permit = limit.take();
        assert!(limit.is_reached());
        drop(permit);
        assert!(!limit.is_reached());
    }
}
