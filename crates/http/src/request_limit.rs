//! A limit on requests per period and key, such as an address or a session.
//!
//! Requests are counted by `governor` in this process: a limit slows floods down and decides
//! nothing about tokens. Memory is bounded: once there are too many keys, new ones share a fixed
//! number of slots.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::error_code::ErrorCode;
use crate::limits::Rate;
use crate::problem::Problem;

/// The key of an address. Addresses of one IPv6 /64 network share a key, because they usually
/// belong to one customer.
pub(crate) fn address_key(address: IpAddr) -> IpAddr {
    const HOST_BITS: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !HOST_BITS)),
    }
}

/// What is counted: a single key, or one of the slots that keys share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Slot<K> {
    Own(K),
    Shared(u64),
}

type Limiter<K, C> =
    RateLimiter<Slot<K>, DashMapStateStore<Slot<K>>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A limit on requests per key, shared by all workers.
#[derive(Debug)]
pub(crate) struct RequestLimit<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    inner: Option<Inner<K, C>>,
}

#[derive(Debug)]
struct Inner<K: Hash + Eq + Clone, C: Clock> {
    limiter: Limiter<K, C>,
    clock: C,
    hasher: RandomState,
    max_keys: usize,
    full: AtomicBool,
    calls: AtomicUsize,
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> RequestLimit<K> {
    /// A limit of `rate`; `None` is unlimited. A burst of up to `rate.count` requests is allowed.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self::with_clock(rate, DefaultClock::default(), MAX_KEYS)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> RequestLimit<K, C> {
    fn with_clock(rate: Option<Rate>, clock: C, max_keys: usize) -> Self {
        // A rate above one per nanosecond has no interval and limits nothing.
        let quota = rate.and_then(|rate| {
            let interval = rate.per.checked_div(rate.count.get())?;
            Some(Quota::with_period(interval)?.allow_burst(rate.count))
        });
        let inner = quota.map(|quota| Inner {
            limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()),
            clock,
            hasher: RandomState::new(),
            max_keys,
            full: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            sweep_at: AtomicUsize::new(MIN_SWEEP_INTERVAL.min(max_keys)),
        });
        Self { inner }
    }

    /// Counts a request by `key`.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`] with the time until the next request is allowed.
    pub(crate) fn check(&self, key: K) -> Result<(), Problem> {
        let Some(inner) = &self.inner else { return Ok(()) };
        inner.sweep_if_due();
        inner.limiter.check_key(&inner.slot(key)).map_err(|until| {
            Problem::from(ErrorCode::RateLimited)
                .retry_after(until.wait_time_from(inner.clock.now()))
        })
    }
}

/// The number of keys that are counted separately.
const MAX_KEYS: usize = 100_000;
/// The number of slots that further keys share.
const SHARED_SLOTS: u64 = 1024;
/// A sweep costs time proportional to the number of keys, so it happens once in as many calls, and
/// at most once in this many.
const MIN_SWEEP_INTERVAL: usize = 1024;

impl<K: Hash + Eq + Clone, C: Clock> Inner<K, C> {
    fn slot(&self, key: K) -> Slot<K> {
        if self.full.load(Ordering::Relaxed) {
            Slot::Shared(self.hasher.hash_one(key) % SHARED_SLOTS)
        } else {
            Slot::Own(key)
        }
    }

    /// Drops keys with a full budget, once in a while. At most `max_keys` keys are added between two
    /// sweeps, so there are never more than twice as many plus the shared slots.
    fn sweep_if_due(&self) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if calls < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        self.calls.store(0, Ordering::Relaxed);
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let kept = self.limiter.len();
        self.full.store(kept >= self.max_keys, Ordering::Relaxed);
        self.sweep_at.store(kept.max(MIN_SWEEP_INTERVAL).min(self.max_keys), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use actix_web::http::header;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(
        count: u32,
        span: u64,
    ) -> (RequestLimit<IpAddr, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = NonZeroU32::new(count);
        let rate = rate.map(|count| Rate { count, per: Duration::from_secs(span) });
        (RequestLimit::with_clock(rate, clock.clone(), 2000), clock)
    }

    fn address(text: &str) -> IpAddr {
        address_key(text.parse().unwrap())
    }

    fn wait(problem: &Problem) -> String {
        let response = problem.response();
        response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn above_the_rate_the_wait_is_rounded_up() {
        let (limit, clock) = limit(30, 60);
        for _ in 0..30 {
            assert!(limit.check(address("192.0.2.1")).is_ok());
        }
        clock.advance(Duration::from_millis(500));
        let problem = limit.check(address("192.0.2.1")).unwrap_err();
        assert_eq!((problem.code(), wait(&problem).as_str()), (ErrorCode::RateLimited, "2"));
        clock.advance(Duration::from_millis(1499));
        assert_eq!(wait(&limit.check(address("192.0.2.1")).unwrap_err()), "1");
        clock.advance(Duration::from_millis(1));
        assert!(limit.check(address("192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn keys_are_limited_separately() {
        let (limit, _) = limit(1, 60);
        assert!(limit.check(address("192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.2")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn an_ipv6_64_network_is_one_caller() {
        let (limit, _) = limit(1, 60);
        assert!(limit.check(address("2001:db8:1:2::1")).is_ok());
        assert!(limit.check(address("2001:db8:1:2:ffff:ffff:ffff:ffff")).is_err());
        assert!(limit.check(address("2001:db8:1:3::1")).is_ok());
        assert!(limit.check(address("::ffff:192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn without_a_rate_nothing_is_limited() {
        let limit = RequestLimit::new(None);
        assert!((0..10_000).all(|_| limit.check(0).is_ok()));
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_keys() {
        let (limit, clock) = limit(1, 3600);
        for n in 0..20_000_u128 {
            let _ = limit.check(address_key(IpAddr::V6(Ipv6Addr::from_bits(n << 64))));
            assert!(limit.inner.as_ref().unwrap().limiter.len() <= 2 * 2000 + 1024);
        }
        clock.advance(Duration::from_secs(7200));
        for _ in 0..4000 {
            let _ = limit.check(address("192.0.2.1"));
        }
        assert!(limit.inner.as_ref().unwrap().limiter.len() <= 2);
        assert!(!limit.inner.as_ref().unwrap().full.load(Ordering::Relaxed));
    }
}
