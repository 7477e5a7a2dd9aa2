//! How long a fetched set is kept before it is fetched again, and how soon a failure is retried.
//!
//! Pure. The issuer's `max-age` is followed within bounds; jitter only ever shortens a wait, so
//! that no set is kept longer than its issuer said.

use std::time::Duration;

use aquaware_core::random::Random;

/// No set is fetched again sooner, whatever its issuer says.
pub const LEAST: Duration = Duration::from_secs(60);
/// No set is kept longer, whatever its issuer says.
pub const MOST: Duration = Duration::from_secs(3600);
/// What is assumed when the issuer says nothing.
const UNSAID: Duration = Duration::from_secs(300);
/// The first wait after a failure; each further one is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait after a failure, so that an outage ends a minute after the issuer's does.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How long an answer with these headers is fresh (RFC 9111 §4.2.1, §5.2.2), within
/// [`LEAST`]..=[`MOST`]. `age` is how long a cache on the way has kept it already.
pub(crate) fn lifetime(cache_control: Option<&str>, age: Option<u64>) -> Duration {
    let Some(header) = cache_control else { return UNSAID };
    let directives = || header.split(',').map(str::trim);
    let is = |word: &str| directives().any(|directive| directive.eq_ignore_ascii_case(word));
    if is("no-store") || is("no-cache") {
        return LEAST;
    }
    let max_age = directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.parse::<u64>().ok())?
    });
    max_age.map_or(UNSAID, |seconds| {
        Duration::from_secs(seconds.saturating_sub(age.unwrap_or(0))).clamp(LEAST, MOST)
    })
}

/// When to fetch again what is fresh for `lifetime`: after 80–100 % of it, and not before
/// [`LEAST`], so that services that started together don't ask together for ever.
pub(crate) fn refresh_in(lifetime: Duration, random: &dyn Random) -> Duration {
    shortened(lifetime, random).max(LEAST)
}

/// When to try again after `failures` failures in a row: 5 s, 10 s, … one minute, less jitter.
pub(crate) fn retry_in(failures: u32, random: &dyn Random) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY);
    shortened(wait, random)
}

/// Up to a fifth less.
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
        lifetime(Some(cache_control), age).as_secs()
    }

    #[test]
    fn the_issuers_max_age_is_followed_within_bounds() {
        assert_eq!(seconds("public, max-age=600", None), 600);
        assert_eq!(seconds("Max-Age = \"600\"", None), 600);
        assert_eq!(seconds("max-age=1", None), 60);
        assert_eq!(seconds("max-age=86400", None), 3600);
        assert_eq!(seconds("max-age=600, no-store", None), 60);
        assert_eq!(seconds("no-cache", None), 60);
        assert_eq!(seconds("max-age=99999999999999999999999", None), 300);
        assert_eq!(seconds("s-maxage=600", None), 300);
        assert_eq!(lifetime(None, None).as_secs(), 300);
    }

    #[test]
    fn time_spent_in_a_cache_counts() {
        assert_eq!(seconds("max-age=600", Some(500)), 100);
        assert_eq!(seconds("max-age=600", Some(5000)), 60);
    }

    #[test]
    fn jitter_only_shortens_and_never_below_the_least() {
        let five = Duration::from_secs(300);
        assert_eq!(refresh_in(five, &Always(0)), five);
        assert_eq!(refresh_in(five, &Always(255)), Duration::from_secs(240));
        assert_eq!(refresh_in(LEAST, &Always(255)), LEAST);
    }

    #[test]
    fn retries_slow_down_to_one_a_minute() {
        let waits = [1, 2, 3, 4, 5, 6, u32::MAX].map(|n| retry_in(n, &Always(0)).as_secs());
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(retry_in(1, &Always(255)), Duration::from_secs(4));
    }
}
