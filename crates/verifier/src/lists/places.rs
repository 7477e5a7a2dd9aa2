//! Where status lists may come from.
//!
//! A token says where its list is. It is signed by the issuer, and still no reason to ask just any
//! machine: a bad day at the issuer must not turn services into its scouts.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::{Origin, Url};

use crate::address;

/// How many lists are fetched from an origin at the same time.
const AT_ONCE: usize = 16;

/// Origins (RFC 6454): the issuer's own, and those allowed by name. Each with its own permits to
/// fetch, so that one that hangs slows no other.
pub(crate) struct Places {
    origins: Vec<(Origin, Arc<Semaphore>)>,
    allow_http: bool,
}

/// Where a list may come from.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) address: Url,
    /// One is held during a fetch.
    pub(crate) permits: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(origins: impl IntoIterator<Item = Origin>, allow_http: bool) -> Self {
        let permits = |origin| (origin, Arc::new(Semaphore::new(AT_ONCE)));
        Self { origins: origins.into_iter().map(permits).collect(), allow_http }
    }

    /// The address that `uri` is, if lists may come from there.
    pub(crate) fn find(&self, uri: &str) -> Option<Found> {
        let address = address::safe(uri, self.allow_http)?;
        let origin = address.origin();
        let (_, permits) = self.origins.iter().find(|(allowed, _)| *allowed == origin)?;
        Some(Found { address, permits: Arc::clone(permits) })
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.origins.iter().map(|(origin, _)| origin.ascii_serialization());
        f.debug_list().entries(origins).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_from_the_origins_that_are_named_and_no_others() {
        let origin = |text| Url::parse(text).unwrap().origin();
        let named = [origin("https://issuer.test"), origin("http://127.0.0.1:8080")];
        let places = Places::new(named, false);
        for good in [
            "https://issuer.test/status-lists/0",
            "https://ISSUER.test:443/x?y=z",
            "http://127.0.0.1:8080/1",
        ] {
            assert!(places.find(good).is_some(), "{good}");
        }
        for bad in [
            "http://issuer.test/status-lists/0",
            "https://issuer.test:8443/status-lists/0",
            "https://issuer.test.evil.test/0",
            "https://user@issuer.test/0",
            "https://issuer.test/0#x",
            "http://127.0.0.1:8081/1",
            "https://127.0.0.1:8080/1",
            "/status-lists/0",
            "data:,x",
            "",
        ] {
            assert!(places.find(bad).is_none(), "{bad}");
        }
    }
}
