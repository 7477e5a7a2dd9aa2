//! The refresh cookie: setting, clearing and reading it.
//!
//! Written by hand: it is one cookie with fixed attributes and a value that needs no escaping, and
//! a cookie jar would keep copies of the token.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use aquaware_core::secret::RefreshToken;
use zeroize::Zeroizing;

use crate::origin::{host_of, path_of};

/// The refresh cookie of an issuer: its name and attributes.
///
/// Without a path in the issuer it has the prefix `__Host-`, so that no other host can set it
/// (RFC 6265bis §4.1.3.2). That prefix requires `Path=/`, so an issuer with a path, which shares its
/// host with others, uses `__Secure-` and its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefreshCookie {
    name: String,
    issuer_path: String,
    host: String,
    insecure: bool,
}

impl RefreshCookie {
    /// The name without its prefix.
    pub(crate) const DEFAULT_NAME: &str = "aquaware-refresh";

    /// The cookie of `issuer`, without prefix and `Secure` if `insecure`. `name` is the part after
    /// the prefix.
    pub(crate) fn new(issuer: &str, name: &str, insecure: bool) -> Self {
        // An attribute ends at a semicolon; no browser could match such a path.
        let path = Some(path_of(issuer)).filter(|path| !insecure && !path.contains(';'));
        let issuer_path = path.unwrap_or_default().to_owned();
        let prefix = match (insecure, issuer_path.is_empty()) {
            (true, _) => "",
            (false, true) => "__Host-",
            (false, false) => "__Secure-",
        };
        let host = host_of(issuer).to_owned();
        Self { name: format!("{prefix}{name}"), issuer_path, host, insecure }
    }

    /// Whether `name` can follow the prefix: a token (RFC 6265 §4.1.1) that has no such prefix.
    pub(crate) fn is_name(name: &str) -> bool {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let is_prefixed = name.to_ascii_lowercase().starts_with("__");
        !name.is_empty() && name.len() <= 64 && name.bytes().all(is_token) && !is_prefixed
    }

    /// The name, with its prefix.
    #[cfg(feature = "documents")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> String {
        match self.issuer_path.as_str() {
            "" => "/".to_owned(),
            path => format!("{path}/auth"),
        }
    }

    /// The `Set-Cookie` value for `token`. The lifetime is rounded down to whole seconds, so that
    /// the cookie never outlives its token. `None` for values that a cookie cannot carry; no token
    /// of this issuer is one.
    pub(crate) fn set(&self, token: &RefreshToken, lifetime: Duration) -> Option<HeaderValue> {
        let token = token.expose();
        if token.is_empty() || !token.bytes().all(is_cookie_octet) {
            return None;
        }
        self.header(token, &self.path(), "", lifetime.as_secs())
    }

    /// Adds the `Set-Cookie` header that deletes the cookie.
    pub(crate) fn clear(&self, response: &mut HttpResponse) {
        self.clear_at(response, &self.path(), "");
    }

    /// Deletes every cookie of this name that a browser may have sent with a request for `path`.
    ///
    /// Without the prefix `__Host-`, cookies with another path or a parent domain have the same
    /// name: those of an earlier configuration, or planted by a neighbouring host. Deleting only
    /// our own would leave a user with two sessions until the browser's data is deleted.
    pub(crate) fn clear_everywhere(&self, response: &mut HttpResponse, path: &str) {
        self.clear(response);
        if self.name.starts_with("__Host-") {
            return;
        }
        let sent_to = format!("{}{path}", self.issuer_path);
        let ends = sent_to.match_indices('/').flat_map(|(at, _)| [at, at.saturating_add(1)]);
        let paths = ends.filter_map(|end| sent_to.get(..end)).chain([sent_to.as_str()]);
        let paths: BTreeSet<&str> = paths.filter(|path| !path.is_empty()).collect();
        let own = self.path();
        for path in paths {
            if path != own {
                self.clear_at(response, path, "");
            }
            for domain in domains(&self.host) {
                self.clear_at(response, path, &format!(" Domain={domain};"));
            }
        }
    }

    fn clear_at(&self, response: &mut HttpResponse, path: &str, domain: &str) {
        if let Some(header) = self.header("", path, domain, 0) {
            response.headers_mut().append(header::SET_COOKIE, header);
        }
    }

    fn header(&self, value: &str, path: &str, domain: &str, max_age: u64) -> Option<HeaderValue> {
        let secure = if self.insecure { "" } else { " Secure;" };
        let name = &self.name;
        let text = Zeroizing::new(format!(
            "{name}={value}; Path={path};{domain} HttpOnly;{secure} SameSite=Strict; Max-Age={max_age}"
        ));
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The values of all cookies of this name. Empty ones count as absent.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Vec<RefreshToken> {
        let pairs =
            headers.get_all(header::COOKIE).flat_map(|it| it.as_bytes().split(is_semicolon));
        let values = pairs.filter_map(|pair| self.value_of(pair)).filter(|it| !it.is_empty());
        // No token of this issuer has other bytes, so the replacement never makes one valid.
        values.map(|it| RefreshToken::new(String::from_utf8_lossy(it).into_owned())).collect()
    }

    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        (name.trim_ascii() == self.name.as_bytes())
            .then(|| value.get(1..).unwrap_or_default().trim_ascii())
    }
}

/// The domains that a host may set cookies for: itself and its parents with at least two labels.
/// Browsers ignore those that are public suffixes. None for addresses and single labels.
fn domains(host: &str) -> impl Iterator<Item = &str> {
    let is_name = host.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_alphabetic));
    let starts =
        std::iter::once(0).chain(host.match_indices('.').map(|(at, _)| at.saturating_add(1)));
    let parents = starts.filter_map(|start| host.get(start..));
    parents.filter(move |domain| is_name && domain.contains('.'))
}

const fn is_semicolon(byte: &u8) -> bool {
    *byte == b';'
}

/// RFC 6265 §4.1.1.
const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(issuer: &str, insecure: bool) -> RefreshCookie {
        RefreshCookie::new(issuer, RefreshCookie::DEFAULT_NAME, insecure)
    }

    fn secure() -> RefreshCookie {
        cookie("https://auth.example.com", false)
    }

    fn below() -> RefreshCookie {
        cookie("https://auth.example.com/eu/", false)
    }

    fn plain() -> RefreshCookie {
        cookie("http://127.0.0.1:8080/eu", true)
    }

    fn read(cookie: &RefreshCookie, values: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        cookie.read(&headers).iter().map(|token| token.expose().to_owned()).collect()
    }

    fn token() -> RefreshToken {
        RefreshToken::new("a.b-c_d".to_owned())
    }

    fn cleared(cookie: &RefreshCookie, path: Option<&str>) -> Vec<String> {
        let mut response = HttpResponse::NoContent().finish();
        match path {
            None => cookie.clear(&mut response),
            Some(path) => cookie.clear_everywhere(&mut response, path),
        }
        let headers = response.headers().get_all(header::SET_COOKIE);
        headers.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_cookie_has_the_attributes_of_the_contract() {
        let life = Duration::from_millis(2_592_000_999);
        assert_eq!(
            secure().set(&token(), life).unwrap(),
            "__Host-aquaware-refresh=a.b-c_d; Path=/; HttpOnly; Secure; SameSite=Strict; \
             Max-Age=2592000"
        );
        assert_eq!(
            below().set(&token(), life).unwrap(),
            "__Secure-aquaware-refresh=a.b-c_d; Path=/eu/auth; HttpOnly; Secure; SameSite=Strict; \
             Max-Age=2592000"
        );
        assert_eq!(
            plain().set(&token(), life).unwrap(),
            "aquaware-refresh=a.b-c_d; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
        );
    }

    #[test]
    fn the_name_after_the_prefix_is_configurable() {
        let named = RefreshCookie::new("https://auth.example.com", "shop", false);
        let header = named.set(&token(), Duration::from_secs(1)).unwrap();
        assert!(header.to_str().unwrap().starts_with("__Host-shop=a.b-c_d; "));
        assert!(["shop", "a.b_c", "x"].into_iter().all(RefreshCookie::is_name));
        for name in ["", "a b", "a=b", "a;b", "é", "__Host-a", "__secure-a", &"x".repeat(65)] {
            assert!(!RefreshCookie::is_name(name), "{name}");
        }
    }

    #[test]
    fn a_cleared_cookie_is_empty_and_expired() {
        let rest = "HttpOnly; Secure; SameSite=Strict; Max-Age=0";
        let expected = [format!("__Host-aquaware-refresh=; Path=/; {rest}")];
        assert_eq!(cleared(&secure(), None), expected);
        // No other cookie can have this name.
        assert_eq!(cleared(&secure(), Some("/auth/refresh")), expected);
    }

    #[test]
    fn a_name_that_others_can_set_is_cleared_at_every_path_and_domain() {
        let rest = "HttpOnly; Secure; SameSite=Strict; Max-Age=0";
        let all = cleared(&below(), Some("/auth/refresh"));
        assert_eq!(all[0], format!("__Secure-aquaware-refresh=; Path=/eu/auth; {rest}"));
        for path in ["/", "/eu", "/eu/", "/eu/auth/", "/eu/auth/refresh"] {
            let host_only = format!("__Secure-aquaware-refresh=; Path={path}; {rest}");
            assert!(all.contains(&host_only), "{path} {all:?}");
        }
        for domain in ["example.com", "auth.example.com"] {
            let planted = format!("Path=/eu/auth; Domain={domain}; {rest}");
            assert!(all.iter().any(|it| it.ends_with(&planted)), "{domain} {all:?}");
        }
        assert!(!all.iter().any(|it| it.contains("Domain=com")));
        let plain = cleared(&plain(), Some("/auth/refresh"));
        assert!(plain.iter().any(|it| it.contains("Path=/auth;")));
        assert!(!plain.iter().any(|it| it.contains("Domain=")), "{plain:?}");
    }

    #[test]
    fn the_token_is_never_formatted() {
        let header = secure().set(&token(), Duration::from_secs(1)).unwrap();
        assert!(!format!("{header:?}").contains("a.b-c_d"));
    }

    #[test]
    fn a_token_cannot_inject_attributes() {
        for text in ["", "a; Domain=evil.org", "a\r\nX: y", "a,b", "a b", "é"] {
            let token = RefreshToken::new(text.to_owned());
            assert_eq!(secure().set(&token, Duration::from_secs(1)), None, "{text:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_in_one_header_or_several() {
        for (cookie, values) in [
            (secure(), &[&b"x=1; __Host-aquaware-refresh=a.b.c; y=2"[..]][..]),
            (secure(), &[b"x=1", b"__Host-aquaware-refresh=a.b.c"]),
            (secure(), &[b"x=\xff;__Host-aquaware-refresh = a.b.c ;;"]),
            (below(), &[b"__Secure-aquaware-refresh=a.b.c"]),
            (plain(), &[b"aquaware-refresh=a.b.c"]),
        ] {
            assert_eq!(read(&cookie, values), ["a.b.c"]);
        }
    }

    #[test]
    fn an_absent_or_empty_cookie_or_another_name_is_none() {
        for text in [
            &b""[..],
            b"__Host-aquaware-refresh=",
            b"__Host-aquaware-refresh",
            b"__Secure-aquaware-refresh=a.b.c",
            b"aquaware-refresh=a.b.c",
            b"__host-aquaware-refresh=a.b.c",
        ] {
            assert!(read(&secure(), &[text]).is_empty(), "{text:?}");
        }
        assert!(read(&plain(), &[b"__Host-aquaware-refresh=a.b.c"]).is_empty());
    }

    #[test]
    fn all_cookies_of_the_name_are_found() {
        let twice = b"__Host-aquaware-refresh=a; __Host-aquaware-refresh=b";
        assert_eq!(read(&secure(), &[twice]), ["a", "b"]);
        let one = b"__Host-aquaware-refresh=a";
        assert_eq!(read(&secure(), &[one, b"__Host-aquaware-refresh=", one]), ["a", "a"]);
        assert_eq!(read(&secure(), &[b"__Host-aquaware-refresh=\xff"]), ["\u{fffd}"]);
    }
}
