//! The refresh cookie: setting, clearing and reading it.
//!
//! Written by hand, since it is one cookie with fixed attributes and a value that needs no
//! escaping; a jar would keep copies of the token.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use aquaware_core::secret::RefreshToken;
use zeroize::Zeroizing;

use super::problem::{Code, Problem};

/// How the refresh cookie is written: with the `__Secure-` prefix and `Secure`, or without both
/// for development on plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefreshCookie {
    insecure: bool,
}

impl RefreshCookie {
    /// The cookie; `insecure` is `cookies.insecure` of the configuration.
    pub(crate) const fn new(insecure: bool) -> Self {
        Self { insecure }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        if self.insecure { "aquaware-refresh" } else { "__Secure-aquaware-refresh" }
    }

    /// The `Set-Cookie` that hands out `token` for `life`, in whole seconds, rounded down so that
    /// the cookie never outlives its token. `None` for what can't stand in a cookie, which no token
    /// of ours is.
    pub(crate) fn set(self, token: &RefreshToken, life: Duration) -> Option<HeaderValue> {
        let token = token.expose();
        if token.is_empty() || !token.bytes().all(is_cookie_octet) {
            return None;
        }
        self.header(token, life.as_secs())
    }

    /// The `Set-Cookie` that makes the browser forget it.
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

    /// The token a request brings in this cookie, if it does. An empty one is none.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] when it comes more than once: nobody could say which one counts.
    pub(crate) fn read(self, headers: &HeaderMap) -> Result<Option<RefreshToken>, Problem> {
        let pairs =
            headers.get_all(header::COOKIE).flat_map(|it| it.as_bytes().split(is_semicolon));
        let mut values = pairs.filter_map(|pair| self.value_of(pair));
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::new(Code::InvalidRequest, "The refresh cookie came twice."));
        }
        let text = first.filter(|value| !value.is_empty()).map(std::str::from_utf8);
        match text.transpose() {
            Ok(token) => Ok(token.map(|token| RefreshToken::new(token.to_owned()))),
            Err(_) => Err(Problem::new(Code::InvalidRequest, "The refresh cookie is malformed.")),
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

    fn read(cookie: RefreshCookie, values: &[&[u8]]) -> Result<Option<String>, Code> {
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
    fn the_cookie_has_every_attribute_of_the_contract() {
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
    fn a_cleared_cookie_is_empty_and_over() {
        assert_eq!(
            SECURE.clear().unwrap(),
            "__Secure-aquaware-refresh=; Path=/auth; HttpOnly; Secure; SameSite=Strict; Max-Age=0"
        );
    }

    #[test]
    fn the_header_is_never_formatted() {
        let header = SECURE.set(&token(), Duration::from_secs(1)).unwrap();
        assert!(!format!("{header:?}").contains("a.b-c_d"));
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_attributes() {
        for text in ["", "a; Domain=evil.org", "a\r\nX: y", "a,b", "a b", "é"] {
            let token = RefreshToken::new(text.to_owned());
            assert_eq!(SECURE.set(&token, Duration::from_secs(1)), None, "{text:?}");
        }
    }

    #[test]
    fn it_is_found_among_others_in_one_header_or_several() {
        let found = Ok(Some("a.b.c".to_owned()));
        assert_eq!(read(SECURE, &[b"x=1; __Secure-aquaware-refresh=a.b.c; y=2"]), found);
        assert_eq!(read(SECURE, &[b"x=1", b"__Secure-aquaware-refresh=a.b.c"]), found);
        assert_eq!(read(SECURE, &[b"x=\xff;__Secure-aquaware-refresh = a.b.c ;;"]), found);
        assert_eq!(read(PLAIN, &[b"aquaware-refresh=a.b.c"]), found);
    }

    #[test]
    fn absent_empty_or_under_the_other_name_it_is_none() {
        assert_eq!(read(SECURE, &[]), Ok(None));
        assert_eq!(read(SECURE, &[b"__Secure-aquaware-refresh="]), Ok(None));
        assert_eq!(read(SECURE, &[b"__Secure-aquaware-refresh"]), Ok(None));
        assert_eq!(read(SECURE, &[b"aquaware-refresh=a.b.c"]), Ok(None));
        assert_eq!(read(SECURE, &[b"__secure-aquaware-refresh=a.b.c"]), Ok(None));
        assert_eq!(read(PLAIN, &[b"__Secure-aquaware-refresh=a.b.c"]), Ok(None));
    }

    #[test]
    fn two_of_them_are_ambiguous_even_when_alike() {
        let twice = b"__Secure-aquaware-refresh=a; __Secure-aquaware-refresh=a";
        assert_eq!(read(SECURE, &[twice]), Err(Code::InvalidRequest));
        let one = b"__Secure-aquaware-refresh=a";
        assert_eq!(read(SECURE, &[one, one]), Err(Code::InvalidRequest));
        assert_eq!(read(SECURE, &[one, b"__Secure-aquaware-refresh="]), Err(Code::InvalidRequest));
    }

    #[test]
    fn bytes_that_are_no_text_are_malformed() {
        assert_eq!(read(PLAIN, &[b"aquaware-refresh=\xff\xfe"]), Err(Code::InvalidRequest));
    }
}
