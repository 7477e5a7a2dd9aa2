//! Checks that a request which uses or sets the refresh cookie comes from a page that may do so.
//!
//! `SameSite=Strict` protects the cookie from other sites. This check also protects it from other
//! origins of the same site, and in browsers without `SameSite`. Nothing but this check prevents a
//! foreign page from setting it, which would plant its own session in the visitor's browser. The
//! decision depends only on two headers.

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// A web origin (RFC 6454 §6.2) in the form in which origins are compared: lower case, without a
/// default port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Parses `scheme://host[:port]`. `None` for anything else, such as a path, a list or `null`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = Some(scheme.to_ascii_lowercase()).filter(|it| is_scheme(it))?;
        let (host, port) = split_port(authority)?;
        let host = Some(host.to_ascii_lowercase()).filter(|it| is_host(it))?;
        Some(Self(match port.filter(|port| !is_default(&scheme, *port)) {
            None => format!("{scheme}://{host}"),
            Some(port) => format!("{scheme}://{host}:{port}"),
        }))
    }

    /// The origin in the form in which browsers send it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of a URL, such as the issuer.
    fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        Self::parse(&format!("{scheme}://{authority}"))
    }
}

/// The path of an issuer's URL, without a trailing slash; empty if there is none.
pub(crate) fn path_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default().trim_end_matches('/')
}

/// The host of an issuer's URL, without the port.
pub(crate) fn host_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    split_port(authority).map_or(authority, |(host, _)| host)
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// The ASCII characters of a host name or address; browsers send host names in Punycode.
fn is_host(text: &str) -> bool {
    let inner = match text.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(v6) => return v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => return false,
        },
        None => text,
    };
    !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons inside the brackets of an IPv6 address are not the port's.
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
    let (host, after) = match authority.get(host_end..)?.find(':') {
        None => return Some((authority, None)),
        Some(colon) => authority.split_at_checked(host_end.checked_add(colon)?)?,
    };
    let digits = after.strip_prefix(':')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    Some((host, Some(digits.parse().ok().filter(|port| plain && *port != 0)?)))
}

fn is_default(scheme: &str, port: u16) -> bool {
    matches!((scheme, port), ("http", 80) | ("https", 443))
}

/// Whether `text` is an origin: `scheme://host[:port]`.
pub(crate) fn is_origin(text: &str) -> bool {
    Origin::parse(text).is_some()
}

/// The origins from which pages may use the refresh cookie.
#[derive(Clone, Debug)]
pub(crate) struct AllowedOrigins {
    origins: Vec<Origin>,
}

impl AllowedOrigins {
    /// The origin of the issuer's URL and those of the CORS allow-list. Malformed origins match
    /// nothing.
    pub(crate) fn new<'a>(issuer: &str, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let allowed = allowed.into_iter().filter_map(Origin::parse);
        Self { origins: Origin::of_url(issuer).into_iter().chain(allowed).collect() }
    }

    /// Checks a request that carries the refresh cookie. `Origin` decides if it is present;
    /// otherwise `Sec-Fetch-Site` must be `same-origin`. A page that hides its origin sends
    /// `Origin: null`, and `Sec-Fetch-Site` decides.
    ///
    /// # Errors
    /// [`ErrorCode::CrossSite`] for every other request, including one with neither header.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let is_same_origin = only(headers, SEC_FETCH_SITE) == Some("same-origin");
        let is_allowed = if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, header::ORIGIN);
            let is_listed =
                origin.and_then(Origin::parse).is_some_and(|it| self.origins.contains(&it));
            is_listed || (origin == Some("null") && is_same_origin)
        } else {
            is_same_origin
        };
        if is_allowed { Ok(()) } else { Err(Problem::from(ErrorCode::CrossSite)) }
    }

    /// Checks a request whose response sets or clears the refresh cookie: as [`Self::check`], except
    /// that neither header is needed. Browsers always send one of them.
    ///
    /// # Errors
    /// [`ErrorCode::CrossSite`].
    pub(crate) fn check_setting(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if headers.contains_key(header::ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
            return self.check(headers);
        }
        Ok(())
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The value of the header, if there is exactly one and it is ASCII.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn passes(pairs: &[(&str, &str)]) -> bool {
        let (own, headers) = request(pairs);
        let passes = own.check(&headers).is_ok();
        assert_eq!(own.check_setting(&headers).is_ok(), passes || !is_browser(&headers));
        passes
    }

    fn is_browser(headers: &HeaderMap) -> bool {
        headers.contains_key("origin") || headers.contains_key("sec-fetch-site")
    }

    fn request(pairs: &[(&str, &str)]) -> (AllowedOrigins, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers
                .append(name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let allowed =
            ["https://app.example.com", "http://[::1]:3000", "capacitor://localhost", "null", "*"];
        (AllowedOrigins::new("https://Auth.example.com:443/eu", allowed), headers)
    }

    #[test]
    fn the_path_and_the_host_of_an_issuer() {
        for (issuer, host, path) in [
            ("https://a.example", "a.example", ""),
            ("https://a.example/", "a.example", ""),
            ("https://a.example:8443/eu/prod/", "a.example", "/eu/prod"),
            ("http://[::1]:80/x", "[::1]", "/x"),
            ("opaque", "", ""),
        ] {
            assert_eq!((host_of(issuer), path_of(issuer)), (host, path), "{issuer}");
        }
    }

    #[test]
    fn a_page_that_hides_its_origin_passes_if_it_is_of_the_same_origin() {
        let null = ("origin", "null");
        assert!(passes(&[null, ("sec-fetch-site", "same-origin")]));
        for site in ["same-site", "cross-site", "none"] {
            assert!(!passes(&[null, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!passes(&[null, null, ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn the_issuer_and_the_allow_list_match_in_any_spelling() {
        for origin in [
            "https://auth.example.com",
            "HTTPS://AUTH.example.com:443",
            "https://app.example.com",
            "http://[::1]:3000",
            "capacitor://localhost",
        ] {
            assert!(passes(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn every_other_origin_is_rejected() {
        for origin in [
            "",
            "null",
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "https://auth.example.com:443x",
            "https://auth.example.com:+443",
            "https://auth.example.com/",
            "https://auth.example.com/eu",
            "https://evil.example.com",
            "https://auth.example.com.evil.org",
            "https://evil.org#https://auth.example.com",
            "https://x@auth.example.com",
            "https://auth.example.com https://evil.org",
            "https://auth.example.com, https://auth.example.com",
            "//auth.example.com",
            "https://",
            "https://[::1",
            "https://auth.exämple.com",
        ] {
            assert!(!passes(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn two_origin_headers_are_rejected() {
        let own = ("origin", "https://auth.example.com");
        assert!(!passes(&[own, own]));
        assert!(!passes(&[own, ("origin", "https://evil.org")]));
    }

    #[test]
    fn an_origin_header_overrides_the_fetch_site() {
        assert!(!passes(&[("origin", "https://evil.org"), ("sec-fetch-site", "same-origin")]));
        assert!(passes(&[
            ("origin", "https://auth.example.com"),
            ("sec-fetch-site", "cross-site")
        ]));
    }

    #[test]
    fn without_an_origin_header_only_same_origin_passes() {
        assert!(passes(&[("sec-fetch-site", "same-origin")]));
        for site in ["same-site", "cross-site", "none", "", "Same-Origin"] {
            assert!(!passes(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(!passes(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn a_request_with_neither_header_is_rejected() {
        assert!(!passes(&[]));
        assert!(!passes(&[("referer", "https://auth.example.com/login")]));
    }
}
