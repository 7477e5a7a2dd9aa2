//! The origins from which status lists may be fetched.
//!
//! A token names the URL of its list. Although the issuer has signed it, the verifier does not
//! fetch from arbitrary hosts: a compromised issuer must not be able to make services probe their
//! internal networks.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::{Origin, Url};

use crate::address;

/// Maximum number of concurrent fetches per origin.
const MAX_CONCURRENT_FETCHES: usize = 16;

/// Origins (RFC 6454): the issuer's and those allowed explicitly. Each has its own permits, so that
/// one unresponsive origin does not delay the others.
pub(crate) struct AllowedOrigins {
    origins: Vec<(Origin, Arc<Semaphore>)>,
    allow_http: bool,
}

/// A URL at an allowed origin.
#[derive(Debug)]
pub(crate) struct AllowedUrl {
    pub(crate) url: Url,
    /// One permit is held during a fetch.
    pub(crate) permits: Arc<Semaphore>,
}

impl AllowedOrigins {
    pub(crate) fn new(origins: impl IntoIterator<Item = Origin>, allow_http: bool) -> Self {
        let permits = |origin| (origin, Arc::new(Semaphore::new(MAX_CONCURRENT_FETCHES)));
        Self { origins: origins.into_iter().map(permits).collect(), allow_http }
    }

    /// Parses `uri`, if its origin is allowed.
    pub(crate) fn find(&self, uri: &str) -> Option<AllowedUrl> {
        let url = address::safe(uri, self.allow_http)?;
        let origin = url.origin();
        let (_, permits) = self.origins.iter().find(|(allowed, _)| *allowed == origin)?;
        Some(AllowedUrl { url, permits: Arc::clone(permits) })
    }
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.origins.iter().map(|(origin, _)| origin.ascii_serialization());
        f.debug_list().entries(origins).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_at_allowed_origins_are_found() {
        let origin = |text| Url::parse(text).unwrap().origin();
        let origins = [origin("https://issuer.test"), origin("http://127.0.0.1:8080")];
        let allowed = AllowedOrigins::new(origins, false);
        for uri in [
            "https://issuer.test/status-lists/0",
            "https://ISSUER.test:443/x?y=z",
            "http://127.0.0.1:8080/1",
        ] {
            assert!(allowed.find(uri).is_some(), "{uri}");
        }
        for uri in [
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
            assert!(allowed.find(uri).is_none(), "{uri}");
        }
    }
}
