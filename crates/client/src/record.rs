//! What the storage contains: one record, which is replaced as a whole.

use std::fmt;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::clock::Moment;

/// The part of an access token's life after which it is renewed, in percent.
const USABLE: u64 = 90;

/// A text that is not shown and does not stay in memory.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// 144 random bits, as an `Idempotency-Key`.
    ///
    /// `None` if the system provides no random numbers.
    pub(crate) fn drawn() -> Option<Self> {
        let mut bits = Zeroizing::new([0; 18]);
        rand::fill(bits.as_mut()).ok()?;
        Some(Self(URL_SAFE_NO_PAD.encode(bits.as_ref())))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An access token. Its text is not shown by `{:?}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken(pub(crate) Secret);

impl AccessToken {
    /// The text, for the header `Authorization: Bearer …`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.expose()
    }
}

/// A session: the refresh token, the key of its only use, and the access token with its age.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub(crate) refresh: Secret,
    pub(crate) key: Secret,
    /// The session's id, if an answer has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<Access>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Access {
    pub(crate) token: Secret,
    /// Seconds.
    pub(crate) lasts: u64,
    /// When it was requested: milliseconds of the wall clock.
    pub(crate) requested: u64,
    /// The same on the steady clock, if this process requested it.
    #[serde(skip)]
    pub(crate) here: Option<Instant>,
}

impl Record {
    /// The record in a text. A text without one counts as no session.
    ///
    /// `latest` is the key of the record that this process saved last, and when its access token
    /// was requested.
    pub(crate) fn parse(text: &str, latest: Option<&(Secret, Instant)>) -> Option<Self> {
        let mut record: Self = serde_json::from_str(text).ok()?;
        let here = latest.filter(|(key, _)| *key == record.key).map(|(_, requested)| *requested);
        if let Some(access) = &mut record.access {
            access.here = here;
        }
        Some(record)
    }

    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// The access token, if enough of its life is left.
    pub(crate) fn usable(&self, now: Moment) -> Option<&Secret> {
        self.access.as_ref().filter(|access| access.is_usable(now)).map(|access| &access.token)
    }
}

impl Access {
    pub(crate) const fn new(token: Secret, lasts: u64, requested: Moment) -> Self {
        Self { token, lasts, requested: requested.wall, here: Some(requested.steady) }
    }

    /// By the clock that shows the greater age: one may have stopped, the other been set back.
    fn is_usable(&self, now: Moment) -> bool {
        let steady = self.here.and_then(|here| now.steady.checked_duration_since(here));
        let wall = now.wall.checked_sub(self.requested).map(Duration::from_millis);
        let limit = Duration::from_millis(self.lasts.saturating_mul(10 * USABLE));
        steady.max(wall).is_some_and(|age| age < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(requested: Moment) -> Record {
        let secret = |text: &str| Secret::new(text.into());
        let access = Some(Access::new(secret("access"), 300, requested));
        Record { refresh: secret("refresh"), key: secret("key"), session: None, access }
    }

    fn later(moment: Moment, seconds: u64) -> Moment {
        let steady = moment.steady + Duration::from_secs(seconds);
        Moment { steady, wall: moment.wall + seconds * 1_000 }
    }

    #[test]
    fn an_access_token_is_usable_for_nine_tenths_of_its_life() {
        let start = Moment::now();
        let record = record(start);
        assert!(record.usable(later(start, 269)).is_some());
        assert!(record.usable(later(start, 271)).is_none());
        let other_process = Record::parse(&record.to_text(), None).unwrap();
        assert!(other_process.usable(later(start, 269)).is_some());
        assert!(other_process.usable(later(start, 271)).is_none());
    }

    #[test]
    fn neither_a_clock_that_is_set_nor_one_that_stops_prolongs_its_life() {
        let start = Moment::now();
        let latest = (Secret::new("key".into()), start.steady);
        let record = Record::parse(&record(start).to_text(), Some(&latest)).unwrap();
        let end = later(start, 271);
        let day = 86_400_000;
        assert!(record.usable(Moment { wall: end.wall - day, ..end }).is_none());
        assert!(record.usable(Moment { wall: end.wall + day, ..end }).is_none());
        assert!(record.usable(Moment { steady: start.steady, ..end }).is_none());
        let other = (Secret::new("other".into()), start.steady);
        let other_process = Record::parse(&record.to_text(), Some(&other)).unwrap();
        let tomorrow = Moment { wall: start.wall - day, ..start };
        assert!(other_process.usable(tomorrow).is_none(), "an answer of tomorrow has no age");
    }

    #[test]
    fn other_texts_are_no_session() {
        for text in ["", "{", "null", "[]", "{\"refresh\":\"r\"}", "{\"key\":1,\"refresh\":2}"] {
            assert!(Record::parse(text, None).is_none(), "{text}");
        }
    }

    #[test]
    fn keys_are_long_visible_and_different() {
        let (one, two) = (Secret::drawn().unwrap(), Secret::drawn().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 24);
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn secrets_are_not_shown() {
        let record = record(Moment::now());
        let shown = format!("{record:?} {:?}", AccessToken(Secret::new("access".into())));
        for secret in ["\"access\"", "\"refresh\"", "\"key\""] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
