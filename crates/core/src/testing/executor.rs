//! A minimal executor, sufficient for stores in memory.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs `future` to completion on this thread.
///
/// It polls without waiting to be woken. That suits futures that are ready at once, such as those of
/// [`MemoryStore`](crate::store::MemoryStore), and wastes CPU time for others.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_future_is_polled_until_it_is_ready() {
        let mut left = 3;
        let waits = std::future::poll_fn(|_| {
            left -= 1;
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        });
        assert_eq!(block_on(waits), "done");
    }
}
