//! Instants, lifetimes, clocks and the one rule of expiry.
//!
//! Functions take `now` as an argument. The outermost layer reads it from a [`Clock`] once per
//! request, so that one request sees one instant.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant as milliseconds since 1970-01-01T00:00:00Z.
///
/// Tokens contain whole seconds (RFC 7519 §2, NumericDate): see [`Timestamp::floor`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The instant `seconds` seconds after the epoch; saturating.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The start of the second that contains this instant.
    #[must_use]
    pub const fn floor(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// This instant moved forward by `span`, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This instant moved back by `span`, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Whole seconds from `now` until this instant, zero once it has passed.
    #[must_use]
    pub fn seconds_after(self, now: Self) -> u64 {
        u64::try_from(self.seconds().saturating_sub(now.seconds())).unwrap_or(0)
    }

    /// Formats the instant as RFC 3339 in UTC with milliseconds: `2026-11-22T08:00:00.250Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        let Ok(instant) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
            return "9999-12-31T23:59:59.999Z".to_owned();
        };
        let (date, clock) = (instant.date(), instant.time());
        format!(
            "{date}T{:02}:{:02}:{:02}.{:03}Z",
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond()
        )
    }

    /// Parses RFC 3339 with any offset; `None` for any other text.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Self)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Timestamp {
    /// Writes a NumericDate (RFC 7519 §2) in whole seconds.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.seconds())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Reads a NumericDate: a JSON number, whose fraction is kept to the millisecond. Other JSON
    /// types and dates outside the years 1970 to 9999 are errors, never treated as absent.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        /// 9999-12-31T23:59:59Z.
        const MAX_SECONDS: i64 = 253_402_300_799;
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(seconds) = number.as_i64().filter(|s| (0..=MAX_SECONDS).contains(s)) {
            return Ok(Self::from_seconds(seconds));
        }
        match number.as_f64() {
            Some(seconds) if (0.0..=MAX_SECONDS as f64).contains(&seconds) =>
            {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "the range is checked, and milliseconds are the resolution"
                )]
                Ok(Self((seconds * 1000.0).floor() as i64))
            }
            _ => Err(D::Error::custom("date outside the years 1970 to 9999")),
        }
    }
}

/// The clock difference that a verifier tolerates between itself and the issuer.
///
/// The issuer checks its own tokens with [`Leeway::NONE`]; verifiers allow at most [`Leeway::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leeway(Duration);

impl Leeway {
    /// No tolerance, as used by the issuer itself.
    pub const NONE: Self = Self(Duration::ZERO);
    /// The maximum: one minute.
    pub const MAX: Self = Self(Duration::from_secs(60));

    /// A leeway of `span`; `None` above [`Leeway::MAX`].
    #[must_use]
    pub fn new(span: Duration) -> Option<Self> {
        (span <= Self::MAX.0).then_some(Self(span))
    }

    /// The leeway as a [`Duration`].
    #[must_use]
    pub const fn span(self) -> Duration {
        self.0
    }
}

/// Whether something that expires at `expiry` has expired at `now`.
///
/// A token must not be accepted *on or after* its expiry (RFC 7519 §4.1.4), so it has expired at
/// `expiry` itself. Every expiry in this system is decided here.
#[must_use]
pub fn expired(expiry: Timestamp, leeway: Leeway, now: Timestamp) -> bool {
    expiry.plus(leeway.0) <= now
}

/// A lifetime in whole seconds, from one second to a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(u64);

impl Lifetime {
    const MAX_SECONDS: u64 = 100 * 365 * 86_400;

    /// A lifetime of `seconds`; `None` for zero or more than a hundred years.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        if seconds == 0 || seconds > Self::MAX_SECONDS { None } else { Some(Self(seconds)) }
    }

    /// A lifetime of `days`, clamped to one day to a hundred years. For constants.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        let days = if days == 0 { 1 } else { days };
        let seconds = days.saturating_mul(86_400);
        Self(if seconds > Self::MAX_SECONDS { Self::MAX_SECONDS } else { seconds })
    }

    /// The lifetime in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The lifetime as a [`Duration`].
    #[must_use]
    pub const fn span(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The expiry of something created at `start`, in whole seconds as tokens require.
    #[must_use]
    pub fn from(self, start: Timestamp) -> Timestamp {
        start.floor().plus(self.span())
    }
}

/// A source of the current time. Read once per request, at the outermost layer.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The wall clock of the system, in milliseconds. A clock set before 1970 reads as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(
            clippy::disallowed_methods,
            reason = "every other clock is a `Clock`, like this one"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0).plus(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_expired_at_its_expiry() {
        let expiry = Timestamp::from_seconds(1000);
        assert!(!expired(expiry, Leeway::NONE, Timestamp::from_millis(999_999)));
        assert!(expired(expiry, Leeway::NONE, Timestamp::from_millis(1_000_000)));
        let minute = Leeway::MAX;
        assert!(!expired(expiry, minute, Timestamp::from_millis(1_059_999)));
        assert!(expired(expiry, minute, Timestamp::from_seconds(1060)));
    }

    #[test]
    fn the_system_clock_shows_this_century() {
        let now = SystemClock.now().to_rfc3339();
        assert!(now.starts_with("20") && now.as_str() > "2025", "{now}");
    }

    #[test]
    fn a_leeway_is_at_most_a_minute() {
        assert!(Leeway::new(Duration::from_secs(60)).is_some());
        assert!(Leeway::new(Duration::from_millis(60_001)).is_none());
    }

    #[test]
    fn a_numeric_date_is_a_number() {
        let read = |json: &str| serde_json::from_str::<Timestamp>(json).ok();
        assert_eq!(read("1790000000"), Some(Timestamp::from_seconds(1_790_000_000)));
        assert_eq!(read("1790000000.5"), Some(Timestamp::from_millis(1_790_000_000_500)));
        for invalid in
            ["\"1790000000\"", "null", "true", "[1]", "-1", "1e300", "18446744073709551615"]
        {
            assert_eq!(read(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn rfc_3339_round_trips() {
        let instant = Timestamp::from_millis(1_790_000_000_250);
        assert_eq!(instant.to_rfc3339(), "2026-09-21T14:13:20.250Z");
        assert_eq!(Timestamp::from_rfc3339(&instant.to_rfc3339()), Some(instant));
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
    }
}
