//! When to refresh a document, and how soon to retry after a failure. Pure functions.
//!
//! The issuer's headers are followed within bounds. Jitter only ever shortens a wait, so that no
//! document is used for longer than its issuer allows.

use std::time::Duration;

use aquaware_token::random::Random;
use aquaware_token::time::Timestamp;

use crate::limits::{MAX_LIFETIME, MIN_KEY_SET_LIFETIME, MIN_STATUS_LIST_LIFETIME};

/// Lifetime of a key set without caching headers.
const DEFAULT_KEY_SET_LIFETIME: Duration = Duration::from_secs(300);
/// Lifetime of a status list without `ttl` and caching headers.
const DEFAULT_STATUS_LIST_LIFETIME: Duration = Duration::from_secs(60);

/// When to fetch a kind of document.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Minimum wait after a success.
    min_interval: Duration,
    /// The part of its lifetime, in percent, after which a document is refreshed at the latest.
    lifetime_percent: u32,
    /// Seconds to wait after each consecutive failure; the last value applies to all later ones.
    retries: &'static [u64],
}

/// Key sets. Retries are at most a minute apart, so that the verifier recovers within a minute of
/// the issuer.
pub(crate) const KEY_SET: Schedule = Schedule {
    min_interval: MIN_KEY_SET_LIFETIME,
    lifetime_percent: 100,
    retries: &[5, 10, 20, 40, 60],
};
/// Status lists. The last tenth of the lifetime is left for the fetch, so that the next list has
/// arrived when the lifetime ends. The first retries are quick, because a list may live for only
/// 10 s.
pub(crate) const STATUS_LIST: Schedule = Schedule {
    min_interval: Duration::from_secs(1),
    lifetime_percent: 90,
    retries: &[1, 2, 5, 10, 20, 30],
};

impl Schedule {
    /// When to refresh a document with this lifetime: up to a fifth early, so that services that
    /// were started together do not fetch together for ever.
    pub(crate) fn refresh_in(&self, lifetime: Duration, random: &dyn Random) -> Duration {
        shortened(lifetime / 100 * self.lifetime_percent, random).max(self.min_interval)
    }

    /// When to retry after this many consecutive failures, less jitter.
    pub(crate) fn retry_in(&self, failures: u32, random: &dyn Random) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.retries.get(index).or(self.retries.last()).copied().unwrap_or_default();
        shortened(Duration::from_secs(wait), random)
    }

    /// Minimum wait after a success.
    pub(crate) const fn min_interval(&self) -> Duration {
        self.min_interval
    }
}

/// The lifetime of a key set (RFC 9111 §4.2.1, §5.2.2), between [`MIN_KEY_SET_LIFETIME`] and
/// [`MAX_LIFETIME`]. `age` is the time that it has already spent in HTTP caches.
pub(crate) fn key_set_lifetime(cache_control: Option<&str>, age: Option<u64>) -> Duration {
    let has = |name: &str| directives(cache_control).any(|it| it.eq_ignore_ascii_case(name));
    if has("no-store") || has("no-cache") {
        return MIN_KEY_SET_LIFETIME;
    }
    max_age(cache_control).map_or(DEFAULT_KEY_SET_LIFETIME, |max_age| {
        let rest = max_age.saturating_sub(Duration::from_secs(age.unwrap_or(0)));
        rest.clamp(MIN_KEY_SET_LIFETIME, MAX_LIFETIME)
    })
}

/// The lifetime of a status list, between [`MIN_STATUS_LIST_LIFETIME`] and [`MAX_LIFETIME`]: its
/// `ttl`, which takes precedence over `max-age`, less the time spent in HTTP caches. It never
/// extends past the list's `exp`, which is `until_exp` away, however soon that is.
pub(crate) fn status_list_lifetime(
    ttl: Option<Duration>,
    cache_control: Option<&str>,
    age: Option<u64>,
    until_exp: Option<Duration>,
) -> Duration {
    let whole = ttl.or_else(|| max_age(cache_control)).unwrap_or(DEFAULT_STATUS_LIST_LIFETIME);
    let rest = whole.saturating_sub(Duration::from_secs(age.unwrap_or(0)));
    rest.clamp(MIN_STATUS_LIST_LIFETIME, MAX_LIFETIME).min(until_exp.unwrap_or(MAX_LIFETIME))
}

/// The time from `start` to `end`; zero if the clock was set back in between.
pub(crate) fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    let millis = end.millis().saturating_sub(start.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn directives(cache_control: Option<&str>) -> impl Iterator<Item = &str> {
    cache_control.unwrap_or_default().split(',').map(str::trim)
}

fn max_age(cache_control: Option<&str>) -> Option<Duration> {
    directives(cache_control).find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let seconds = name.trim().eq_ignore_ascii_case("max-age").then(|| value.parse().ok())?;
        seconds.map(Duration::from_secs)
    })
}

/// Shortens by up to a fifth.
fn shortened(span: Duration, random: &dyn Random) -> Duration {
    let mut byte = [0];
    random.fill(&mut byte);
    span - span / 5 * u32::from(u8::from_be_bytes(byte)) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Always(u8);

    impl Random for Always {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn seconds(cache_control: &str, age: Option<u64>) -> u64 {
        key_set_lifetime(Some(cache_control), age).as_secs()
    }

    #[test]
    fn max_age_is_followed_within_bounds() {
        assert_eq!(seconds("public, max-age=600", None), 600);
        assert_eq!(seconds("Max-Age = \"600\"", None), 600);
        assert_eq!(seconds("max-age=1", None), 60);
        assert_eq!(seconds("max-age=86400", None), 3600);
        assert_eq!(seconds("max-age=600, no-store", None), 60);
        assert_eq!(seconds("no-cache", None), 60);
        assert_eq!(seconds("max-age=99999999999999999999999", None), 300);
        assert_eq!(seconds("s-maxage=600", None), 300);
        assert_eq!(key_set_lifetime(None, None).as_secs(), 300);
    }

    #[test]
    fn age_is_subtracted_from_max_age() {
        assert_eq!(seconds("max-age=600", Some(500)), 100);
        assert_eq!(seconds("max-age=600", Some(5000)), 60);
    }

    #[test]
    fn ttl_takes_precedence_over_max_age_and_exp_over_both() {
        let list = |ttl: Option<u64>, cache_control, age, left: Option<u64>| {
            let span = |seconds: Option<u64>| seconds.map(Duration::from_secs);
            status_list_lifetime(span(ttl), cache_control, age, span(left)).as_secs()
        };
        assert_eq!(list(Some(10), Some("max-age=600"), None, None), 10);
        assert_eq!(list(None, Some("max-age=600"), None, None), 600);
        assert_eq!(list(None, None, None, None), 60);
        assert_eq!(list(Some(600), None, None, Some(20)), 20);
        assert_eq!(list(Some(100), None, Some(30), None), 70);
        for shortest in [list(Some(1), None, None, None), list(Some(10), None, Some(60), None)] {
            assert_eq!(shortest, 5);
        }
        assert_eq!(list(Some(10), None, None, Some(3)), 3);
        assert_eq!(list(Some(10), None, Some(60), Some(0)), 0);
        assert_eq!(list(Some(86_400), None, None, None), 3600);
    }

    #[test]
    fn jitter_only_shortens_and_never_below_the_minimum() {
        let five = Duration::from_secs(300);
        assert_eq!(KEY_SET.refresh_in(five, &Always(0)), five);
        assert_eq!(KEY_SET.refresh_in(five, &Always(255)), Duration::from_secs(240));
        assert_eq!(KEY_SET.refresh_in(MIN_KEY_SET_LIFETIME, &Always(255)), MIN_KEY_SET_LIFETIME);
    }

    #[test]
    fn a_status_list_is_refreshed_before_its_ttl_ends() {
        let ten = Duration::from_secs(10);
        assert_eq!(STATUS_LIST.refresh_in(ten, &Always(0)), Duration::from_secs(9));
        assert_eq!(STATUS_LIST.refresh_in(ten, &Always(255)), Duration::from_millis(7200));
    }

    #[test]
    fn retries_back_off() {
        let waits = |schedule: &Schedule| {
            [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| schedule.retry_in(n, &Always(0)).as_secs())
        };
        assert_eq!(waits(&KEY_SET), [5, 10, 20, 40, 60, 60, 60, 60]);
        assert_eq!(waits(&STATUS_LIST), [1, 2, 5, 10, 20, 30, 30, 30]);
        assert_eq!(KEY_SET.retry_in(1, &Always(255)), Duration::from_secs(4));
    }
}
