//! A limit on requests per period and key, such as an address or a session.
//!
//! Requests are counted in this process and, if replicas share their counts, then in the shared store.
//! A flood is rejected here, so it costs the store nothing, and the number of keys in the store is
//! bounded by the number here. While the store is away, this process alone counts: a limit slows
//! floods down and decides nothing about tokens.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::error_chain;
use aquaware_core::limits::{CounterKey, LimitName, LocalCounters, Rate};
use aquaware_core::service::RequestContext;
use aquaware_core::store::Counters;
use aquaware_core::time::Timestamp;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// The key of an address. Addresses of one IPv6 /64 network share a key, because they usually
/// belong to one customer.
pub(crate) fn address_key(limit: LimitName, address: IpAddr) -> CounterKey {
    const HOST_BITS: u128 = (1 << 64) - 1;
    let bits = match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !HOST_BITS),
    };
    CounterKey::of_text(limit, &bits.to_string())
}

/// A limit on requests per key, shared by all workers.
#[derive(Debug)]
pub(crate) struct RequestLimit {
    name: LimitName,
    rate: Option<Rate>,
    local: LocalCounters,
    shared: Option<Arc<dyn Counters>>,
}

impl RequestLimit {
    /// A limit of `rate`; `None` is unlimited. A burst of up to `rate.count` requests is allowed.
    pub(crate) fn new(
        name: LimitName,
        rate: Option<Rate>,
        shared: Option<Arc<dyn Counters>>,
    ) -> Self {
        Self { name, rate, local: LocalCounters::default(), shared }
    }

    /// Counts a request from `address`.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`] with the time until the next request is allowed.
    pub(crate) async fn check_address(
        &self,
        context: &RequestContext,
        address: IpAddr,
    ) -> Result<(), Problem> {
        self.check(context, address_key(self.name, address)).await
    }

    /// Counts a request about `text`.
    ///
    /// # Errors
    /// As [`Self::check_address`].
    pub(crate) async fn check_text(
        &self,
        context: &RequestContext,
        text: &str,
    ) -> Result<(), Problem> {
        self.check(context, CounterKey::of_text(self.name, text)).await
    }

    async fn check(&self, context: &RequestContext, key: CounterKey) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let key = self.local.spend(&key, rate, context.now).map_err(limited)?;
        let Some(shared) = &self.shared else { return Ok(()) };
        match context.wait_for_store(shared.request(&key, rate, context.now)).await {
            Ok(wait) => wait.map_or(Ok(()), |wait| Err(limited(wait))),
            Err(error) => {
                let cause = error_chain(&error);
                tracing::debug!(cause, "counted a request in this process only");
                Ok(())
            }
        }
    }

    /// Counts a request in this process only.
    ///
    /// # Errors
    /// As [`Self::check_address`].
    pub(crate) fn check_locally(&self, of: [u8; 16], now: Timestamp) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let key = CounterKey::new(self.name, of);
        self.local.spend(&key, rate, now).map(drop).map_err(limited)
    }
}

fn limited(wait: Duration) -> Problem {
    Problem::from(ErrorCode::RateLimited).retry_after(wait)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use actix_web::http::header;
    use aquaware_core::store::MemoryStore;
    use aquaware_core::testing::fixture;

    use super::*;
    use crate::testing::Unreachable;

    fn limit(count: u32, seconds: u64, shared: Option<Arc<dyn Counters>>) -> RequestLimit {
        let rate = Rate::new(NonZeroU32::new(count).unwrap(), Duration::from_secs(seconds));
        RequestLimit::new(LimitName::LogIn, Some(rate), shared)
    }

    fn after(millis: u64) -> RequestContext {
        let sessions = fixture::sessions(Arc::new(MemoryStore::new()), fixture::policy());
        sessions.context(fixture::NOW.plus(Duration::from_millis(millis)))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn wait(problem: &Problem) -> String {
        let response = problem.response();
        response.headers().get(header::RETRY_AFTER).unwrap().to_str().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn above_the_rate_the_wait_is_rounded_up() {
        let (limit, ann) = (limit(30, 60, None), address("192.0.2.1"));
        for _ in 0..30 {
            assert!(limit.check_address(&after(0), ann).await.is_ok());
        }
        let problem = limit.check_address(&after(500), ann).await.unwrap_err();
        assert_eq!((problem.code(), wait(&problem).as_str()), (ErrorCode::RateLimited, "2"));
        assert_eq!(wait(&limit.check_address(&after(1999), ann).await.unwrap_err()), "1");
        assert!(limit.check_address(&after(2000), ann).await.is_ok());
        assert!(limit.check_address(&after(2000), ann).await.is_err());
    }

    #[actix_web::test]
    async fn an_ipv6_64_network_is_one_caller() {
        let (limit, now) = (limit(1, 60, None), after(0));
        for (text, allowed) in [
            ("2001:db8:1:2::1", true),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", false),
            ("2001:db8:1:3::1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
            ("192.0.2.2", true),
        ] {
            assert_eq!(limit.check_address(&now, address(text)).await.is_ok(), allowed, "{text}");
        }
    }

    #[actix_web::test]
    async fn without_a_rate_nothing_is_limited() {
        let limit = RequestLimit::new(LimitName::Refresh, None, None);
        assert!((0..10_000).all(|_| limit.check_locally([0; 16], fixture::NOW).is_ok()));
    }

    #[actix_web::test]
    async fn replicas_share_one_budget() {
        let shared: Arc<dyn Counters> = Arc::new(LocalCounters::default());
        let (one, other) = (limit(3, 60, Some(shared.clone())), limit(3, 60, Some(shared)));
        let (now, ann) = (after(0), address("192.0.2.1"));
        for replica in [&one, &other, &one] {
            assert!(replica.check_address(&now, ann).await.is_ok());
        }
        assert!(one.check_address(&now, ann).await.is_err());
        assert!(other.check_address(&now, ann).await.is_err());
        assert!(other.check_address(&now, address("192.0.2.2")).await.is_ok());
    }

    #[actix_web::test]
    async fn while_the_shared_store_is_away_each_process_counts_for_itself() {
        let (limit, now) = (limit(2, 60, Some(Arc::new(Unreachable))), after(0));
        let ann = address("192.0.2.1");
        assert!(limit.check_address(&now, ann).await.is_ok());
        assert!(limit.check_address(&now, ann).await.is_ok());
        assert!(limit.check_address(&now, ann).await.is_err());
    }
}
