//! How long what was fetched is kept before it is fetched again, and how soon a failure is retried.
//!
//! Pure. What the issuer says is followed within bounds; jitter only ever shortens a wait, so that
//! nothing is kept longer than its issuer said.

use std::time::Duration;

use aquaware_token::random::Random;

/// No key set is fetched again sooner, whatever its issuer says.
pub const LEAST: Duration = Duration::from_secs(60);
/// Nothing is kept longer, whatever its issuer says.
pub const MOST: Duration = Duration::from_secs(3600);
/// No status list is taken to be fresh for less, whatever its issuer says, unless it ends sooner.
pub const LEAST_LIST: Duration = Duration::from_secs(5);
/// What is assumed of a key set when the issuer says nothing.
const UNSAID: Duration = Duration::from_secs(300);
/// What is assumed of a status list when the issuer says nothing.
const UNSAID_LIST: Duration = Duration::from_secs(60);

/// When to fetch.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The shortest wait after a success.
    least: Duration,
    /// By how many hundredths of its lifetime a document is fetched again at the latest.
    by: u32,
    /// The seconds to wait after each failure in a row; the last stands for all further ones.
    retries: &'static [u64],
}

/// Key sets. The longest retry is a minute, so that an outage ends a minute after the issuer's does.
pub(crate) const KEYS: Pace = Pace { least: LEAST, by: 100, retries: &[5, 10, 20, 40, 60] };
/// Status lists. The last tenth of a lifetime is for the fetch, so that the next list is there when
/// it ends. Quick at first, as a list of 10 s is missed soon.
pub(crate) const LISTS: Pace =
    Pace { least: Duration::from_secs(1), by: 90, retries: &[1, 2, 5, 10, 20, 30] };

impl Pace {
    /// When to fetch again what is fresh for `lifetime`: up to a fifth before it must be, so that
    /// services that started together don't ask together for ever.
    pub(crate) fn refresh_in(&self, lifetime: Duration, random: &dyn Random) -> Duration {
        shortened(lifetime / 100 * self.by, random).max(self.least)
    }

    /// When to try again after `failures` failures in a row, less jitter.
    pub(crate) fn retry_in(&self, failures: u32, random: &dyn Random) -> Duration {
        let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.retries.get(place).or(self.retries.last()).copied().unwrap_or_default();
        shortened(Duration::from_secs(wait), random)
    }

    /// The shortest wait after a success.
    pub(crate) const fn least(&self) -> Duration {
        self.least
    }
}

/// How long a key set with these headers is fresh (RFC 9111 §4.2.1, §5.2.2), within
/// [`LEAST`]..=[`MOST`]. `age` is how long a cache on the way has kept it already.
pub(crate) fn lifetime(cache_control: Option<&str>, age: Option<u64>) -> Duration {
    let is = |word: &str| directives(cache_control).any(|it| it.eq_ignore_ascii_case(word));
    if is("no-store") || is("no-cache") {
        return LEAST;
    }
    max_age(cache_control).map_or(UNSAID, |max_age| {
        max_age.saturating_sub(Duration::from_secs(age.unwrap_or(0))).clamp(LEAST, MOST)
    })
}

/// How long a status list is fresh, within [`LEAST_LIST`]..=[`MOST`]: for its `ttl`, which outranks
/// HTTP's `max-age`, less what a cache on the way has used up of it. Never past its `exp`, which is
/// in `left`, however soon that is.
pub(crate) fn list_lifetime(
    ttl: Option<Duration>,
    cache_control: Option<&str>,
    age: Option<u64>,
    left: Option<Duration>,
) -> Duration {
    let said = ttl.or_else(|| max_age(cache_control)).unwrap_or(UNSAID_LIST);
    let rest = said.saturating_sub(Duration::from_secs(age.unwrap_or(0)));
    rest.clamp(LEAST_LIST, MOST).min(left.unwrap_or(MOST))
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
    fn the_ttl_of_a_list_outranks_http_and_its_exp_outranks_both() {
        let list = |ttl: Option<u64>, cache_control, age, left: Option<u64>| {
            let span = |seconds: Option<u64>| seconds.map(Duration::from_secs);
            list_lifetime(span(ttl), cache_control, age, span(left)).as_secs()
        };
        assert_eq!(list(Some(10), Some("max-age=600"), None, None), 10);
        assert_eq!(list(None, Some("max-age=600"), None, None), 600);
        assert_eq!(list(None, None, None, None), 60);
        assert_eq!(list(Some(600), None, None, Some(20)), 20);
        assert_eq!(list(Some(100), None, Some(30), None), 70);
        for least in [list(Some(1), None, None, None), list(Some(10), None, Some(60), None)] {
            assert_eq!(least, 5);
        }
        assert_eq!(list(Some(10), None, None, Some(3)), 3);
        assert_eq!(list(Some(10), None, Some(60), Some(0)), 0);
        assert_eq!(list(Some(86_400), None, None, None), 3600);
    }

    #[test]
    fn jitter_only_shortens_and_never_below_the_least() {
        let five = Duration::from_secs(300);
        assert_eq!(KEYS.refresh_in(five, &Always(0)), five);
        assert_eq!(KEYS.refresh_in(five, &Always(255)), Duration::from_secs(240));
        assert_eq!(KEYS.refresh_in(LEAST, &Always(255)), LEAST);
    }

    #[test]
    fn a_list_is_asked_for_before_its_ttl_is_over() {
        let ten = Duration::from_secs(10);
        assert_eq!(LISTS.refresh_in(ten, &Always(0)), Duration::from_secs(9));
        assert_eq!(LISTS.refresh_in(ten, &Always(255)), Duration::from_millis(7200));
    }

    #[test]
    fn retries_slow_down() {
        let waits = |pace: &Pace| {
            [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| pace.retry_in(n, &Always(0)).as_secs())
        };
        assert_eq!(waits(&KEYS), [5, 10, 20, 40, 60, 60, 60, 60]);
        assert_eq!(waits(&LISTS), [1, 2, 5, 10, 20, 30, 30, 30]);
        assert_eq!(KEYS.retry_in(1, &Always(255)), Duration::from_secs(4));
    }
}
