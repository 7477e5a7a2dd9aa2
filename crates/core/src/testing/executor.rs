//! The smallest executor: enough for stores in memory, which never wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs `future` to its end on this thread.
///
/// It polls again and again without being woken: right for futures that are ready at once, as
/// those of [`MemoryStore`](crate::store::MemoryStore), and wasteful for any other.
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
    fn a_future_that_waits_is_polled_until_it_is_ready() {
        let mut left = 3;
        let waits = std::future::poll_fn(|_| {
            left -= 1;
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        });
        assert_eq!(block_on(waits), "done");
    }
}
