//! Where status lists may come from.
//!
//! A token says where its list is. It is signed by the issuer, and still no reason to ask just any
//! machine: a bad day at the issuer must not turn services into its scouts.

use std::fmt;

use url::{Origin, Url};

use crate::address;

/// Origins (RFC 6454): the issuer's own, and those allowed by name.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) origins: Vec<Origin>,
    pub(crate) allow_http: bool,
}

impl Places {
    /// The address that `uri` is, if lists may come from there.
    pub(crate) fn find(&self, uri: &str) -> Option<Url> {
        let url = address::safe(uri, self.allow_http)?;
        self.origins.contains(&url.origin()).then_some(url)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.origins.iter().map(Origin::ascii_serialization);
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
        let places = Places { origins: named.to_vec(), allow_http: false };
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
