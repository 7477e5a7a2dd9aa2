//! The refresh cookie: setting, clearing and reading it.
//!
//! Written by hand: it is one cookie with fixed attributes and a value that needs no escaping, and
//! a cookie jar would keep copies of the token.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use aquaware_core::secret::RefreshToken;
use zeroize::Zeroizing;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// The format of the refresh cookie: with the `__Secure-` prefix and `Secure`, or without both for
/// development over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefreshCookie {
    insecure: bool,
}

impl RefreshCookie {
    /// The cookie, without prefix and `Secure` if `insecure`.
    pub(crate) const fn new(insecure: bool) -> Self {
        Self { insecure }
    }

    /// The name of the cookie.
    pub(crate) const fn name(self) -> &'static str {
        if self.insecure { "aquaware-refresh" } else { "__Secure-aquaware-refresh" }
    }

    /// The `Set-Cookie` value for `token`. The lifetime is rounded down to whole seconds, so that
    /// the cookie never outlives its token. `None` for values that a cookie cannot carry; no token
    /// of this issuer is one.
    pub(crate) fn set(self, token: &RefreshToken, lifetime: Duration) -> Option<HeaderValue> {
        let token = token.expose();
        if token.is_empty() || !token.bytes().all(is_cookie_octet) {
            return None;
        }
        self.header(token, lifetime.as_secs())
    }

    /// The `Set-Cookie` value that deletes the cookie.
    pub(crate) fn clear(self) -> Option<HeaderValue> {
        self.header("", 0)
    }

    fn header(self, value: &str, max_age: u64) -> Option<HeaderValue> {
        let secure = if self.insecure { "" } else { " Secure;" };
        let name = self.name();
        let text = Zeroizing::new(format!(
            "{name}={value}; Path=/auth; HttpOnly;{secure} SameSite=Strict; Max-Age={max_age}"
        ));
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The token in the cookie, if the request has one. An empty cookie counts as absent.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] for more than one cookie of this name, which is ambiguous.
    pub(crate) fn read(self, headers: &HeaderMap) -> Result<Option<RefreshToken>, Problem> {
        let pairs =
            headers.get_all(header::COOKIE).flat_map(|it| it.as_bytes().split(is_semicolon));
        let mut values = pairs.filter_map(|pair| self.value_of(pair));
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::new(
                ErrorCode::InvalidRequest,
                "The refresh cookie was sent more than once.",
            ));
        }
        let text = first.filter(|value| !value.is_empty()).map(std::str::from_utf8);
        match text.transpose() {
            Ok(token) => Ok(token.map(|token| RefreshToken::new(token.to_owned()))),
            Err(_) => {
                Err(Problem::new(ErrorCode::InvalidRequest, "The refresh cookie is malformed."))
            }
        }
    }

    fn value_of(self, pair: &[u8]) -> Option<&[u8]> {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        (name.trim_ascii() == self.name().as_bytes())
            .then(|| value.get(1..).unwrap_or_default().trim_ascii())
    }
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

    const SECURE: RefreshCookie = RefreshCookie::new(false);
    const PLAIN: RefreshCookie = RefreshCookie::new(true);

    fn read(cookie: RefreshCookie, values: &[&[u8]]) -> Result<Option<String>, ErrorCode> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        let token = cookie.read(&headers).map_err(|problem| problem.code())?;
        Ok(token.map(|token| token.expose().to_owned()))
    }

    fn token() -> RefreshToken {
        RefreshToken::new("a.b-c_d".to_owned())
    }

    #[test]
    fn the_cookie_has_the_attributes_of_the_contract() {
        let life = Duration::from_millis(2_592_000_999);
        assert_eq!(
            SECURE.set(&token(), life).unwrap(),
            "__Secure-aquaware-refresh=a.b-c_d; Path=/auth; HttpOnly; Secure; SameSite=Strict; \
             Max-Age=2592000"
        );
        assert_eq!(
            PLAIN.set(&token(), life).unwrap(),
            "aquaware-refresh=a.b-c_d; Path=/auth; HttpOnly; SameSite=Strict; Max-Age=2592000"
        );
    }

    #[test]
    fn a_cleared_cookie_is_empty_and_expired() {
        assert_eq!(
            SECURE.clear().unwrap(),
            "__Secure-aquaware-refresh=; Path=/auth; HttpOnly; Secure; SameSite=Strict; Max-Age=0"
        );
    }

    #[test]
    fn the_token_is_never_formatted() {
        let header = SECURE.set(&token(), Duration::from_secs(1)).unwrap();
        assert!(!format!("{header:?}").contains("a.b-c_d"));
    }

    #[test]
    fn a_token_cannot_inject_attributes() {
        for text in ["", "a; Domain=evil.org", "a\r\nX: y", "a,b", "a b", "é"] {
            let token = RefreshToken::new(text.to_owned());
            assert_eq!(SECURE.set(&token, Duration::from_secs(1)), None, "{text:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_in_one_header_or_several() {
        let found = Ok(Some("a.b.c".to_owned()));
        assert_eq!(read(SECURE, &[b"x=1; __Secure-aquaware-refresh=a.b.c; y=2"]), found);
        assert_eq!(read(SECURE, &[b"x=1", b"__Secure-aquaware-refresh=a.b.c"]), found);
        assert_eq!(read(SECURE, &[b"x=\xff;__Secure-aquaware-refresh = a.b.c ;;"]), found);
        assert_eq!(read(PLAIN, &[b"aquaware-refresh=a.b.c"]), found);
    }

    #[test]
    fn an_absent_or_empty_cookie_or_another_name_is_none() {
        assert_eq!(read(SECURE, &[]), Ok(None));
        assert_eq!(read(SECURE, &[b"__Secure-aquaware-refresh="]), Ok(None));
        assert_eq!(read(SECURE, &[b"__Secure-aquaware-refresh"]), Ok(None));
        assert_eq!(read(SECURE, &[b"aquaware-refresh=a.b.c"]), Ok(None));
        assert_eq!(read(SECURE, &[b"__secure-aquaware-refresh=a.b.c"]), Ok(None));
        assert_eq!(read(PLAIN, &[b"__Secure-aquaware-refresh=a.b.c"]), Ok(None));
    }

    #[test]
    fn two_cookies_are_ambiguous_even_if_they_are_equal() {
        let twice = b"__Secure-aquaware-refresh=a; __Secure-aquaware-refresh=a";
        assert_eq!(read(SECURE, &[twice]), Err(ErrorCode::InvalidRequest));
        let one = b"__Secure-aquaware-refresh=a";
        assert_eq!(read(SECURE, &[one, one]), Err(ErrorCode::InvalidRequest));
        assert_eq!(
            read(SECURE, &[one, b"__Secure-aquaware-refresh="]),
            Err(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn a_cookie_that_is_not_utf_8_is_malformed() {
        assert_eq!(read(PLAIN, &[b"aquaware-refresh=\xff\xfe"]), Err(ErrorCode::InvalidRequest));
    }
}
