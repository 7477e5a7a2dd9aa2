//! How often a caller may ask: so many requests in a span, per address or per session.
//!
//! Counted by `governor` in this process: a limit slows floods down, it decides nothing about
//! tokens. Memory is bounded whatever comes: past a number of callers, those that are new share a
//! fixed number of places.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::limits::Rate;
use super::problem::{Code, Problem};

/// The address as limits count it: an IPv6 network of /64 is one household, not 2^64 of them.
pub(crate) fn address_key(address: IpAddr) -> IpAddr {
    const HOST_BITS: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !HOST_BITS)),
    }
}

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place<K> {
    Own(K),
    Shared(u64),
}

type Limiter<K, C> =
    RateLimiter<Place<K>, DashMapStateStore<Place<K>>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A limit on requests by key. Shared between workers.
#[derive(Debug)]
pub(crate) struct RequestLimit<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    inner: Option<Inner<K, C>>,
}

#[derive(Debug)]
struct Inner<K: Hash + Eq + Clone, C: Clock> {
    limiter: Limiter<K, C>,
    clock: C,
    hasher: RandomState,
    most_keys: usize,
    full: AtomicBool,
    calls: AtomicUsize,
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> RequestLimit<K> {
    /// A limit of `rate`, or none at all. Up to a whole rate's requests may come at once.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self::with_clock(rate, DefaultClock::default(), MOST_KEYS)
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> RequestLimit<K, C> {
    fn with_clock(rate: Option<Rate>, clock: C, most_keys: usize) -> Self {
        // A rate of more than one per nanosecond has no interval, and limits nobody.
        let quota = rate.and_then(|rate| {
            let interval = rate.per.checked_div(rate.count.get())?;
            Some(Quota::with_period(interval)?.allow_burst(rate.count))
        });
        let inner = quota.map(|quota| Inner {
            limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()),
            clock,
            hasher: RandomState::new(),
            most_keys,
            full: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            sweep_at: AtomicUsize::new(SWEEP_AT_LEAST.min(most_keys)),
        });
        Self { inner }
    }

    /// Counts one request by `key`.
    ///
    /// # Errors
    /// [`Code::RateLimited`] with the wait until the next one is allowed.
    pub(crate) fn check(&self, key: K) -> Result<(), Problem> {
        let Some(inner) = &self.inner else { return Ok(()) };
        inner.sweep_now_and_then();
        inner.limiter.check_key(&inner.place(key)).map_err(|until| {
            Problem::from(Code::RateLimited).retry_after(until.wait_time_from(inner.clock.now()))
        })
    }
}

/// How many callers have a place of their own.
const MOST_KEYS: usize = 100_000;
/// How many places the others share.
const SHARED_PLACES: u64 = 1024;
/// A sweep costs as much as there are keys, so it waits for as many calls, and at least for these.
const SWEEP_AT_LEAST: usize = 1024;

impl<K: Hash + Eq + Clone, C: Clock> Inner<K, C> {
    fn place(&self, key: K) -> Place<K> {
        if self.full.load(Ordering::Relaxed) {
            Place::Shared(self.hasher.hash_one(key) % SHARED_PLACES)
        } else {
            Place::Own(key)
        }
    }

    /// Forgets callers that have their whole rate again. Between two sweeps at most `most_keys`
    /// come in, so there are never more than twice as many and the shared places.
    fn sweep_now_and_then(&self) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if calls < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        self.calls.store(0, Ordering::Relaxed);
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let kept = self.limiter.len();
        self.full.store(kept >= self.most_keys, Ordering::Relaxed);
        self.sweep_at.store(kept.max(SWEEP_AT_LEAST).min(self.most_keys), Ordering::Relaxed);
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
    fn past_the_rate_there_is_a_wait_rounded_up() {
        let (limit, clock) = limit(30, 60);
        for _ in 0..30 {
            assert!(limit.check(address("192.0.2.1")).is_ok());
        }
        clock.advance(Duration::from_millis(500));
        let problem = limit.check(address("192.0.2.1")).unwrap_err();
        assert_eq!((problem.code(), wait(&problem).as_str()), (Code::RateLimited, "2"));
        clock.advance(Duration::from_millis(1499));
        assert_eq!(wait(&limit.check(address("192.0.2.1")).unwrap_err()), "1");
        clock.advance(Duration::from_millis(1));
        assert!(limit.check(address("192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn each_key_has_a_rate_of_its_own() {
        let (limit, _) = limit(1, 60);
        assert!(limit.check(address("192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.2")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn an_ipv6_household_is_one_caller() {
        let (limit, _) = limit(1, 60);
        assert!(limit.check(address("2001:db8:1:2::1")).is_ok());
        assert!(limit.check(address("2001:db8:1:2:ffff:ffff:ffff:ffff")).is_err());
        assert!(limit.check(address("2001:db8:1:3::1")).is_ok());
        assert!(limit.check(address("::ffff:192.0.2.1")).is_ok());
        assert!(limit.check(address("192.0.2.1")).is_err());
    }

    #[test]
    fn unlimited_is_unlimited() {
        let limit = RequestLimit::new(None);
        assert!((0..10_000).all(|_| limit.check(0).is_ok()));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
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
