//! Finding the access token of a request: `Authorization: Bearer`, and nowhere else.
//!
//! Whether the token is any good is the core's to say. Here it is only found, and a request that
//! presents a token in two ways is refused (RFC 6750 §2 and §3.1). A token in the query string is
//! as good as none (RFC 9700 §4.3.2).

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use aquaware_core::secret::AccessToken;

use super::body::query_has;
use super::problem::{Challenge, Code, Problem};

/// The name a token has in a form or a query (RFC 6750 §2.2 and §2.3).
pub(crate) const FIELD: &str = "access_token";

/// Where else than in the header a request may carry a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// The query has an `access_token`.
    pub(crate) query: bool,
    /// The form body has an `access_token`.
    pub(crate) form: bool,
}

/// The access token that `request` presents, if it presents one.
///
/// `form_has_token` is whether a form body, where one was read, has a field [`FIELD`].
///
/// # Errors
/// [`Code::InvalidRequest`] for two ways of presenting a token, or more than one `Authorization`;
/// [`Code::InvalidToken`] for a bearer credential that isn't written like one.
pub(crate) fn access_token(
    request: &HttpRequest,
    form_has_token: bool,
) -> Result<Option<AccessToken>, Problem> {
    let query = query_has(request.query_string(), FIELD);
    find(request.headers(), Elsewhere { query, form: form_has_token })
}

/// The access token that these headers present, as [`access_token`] has it.
///
/// # Errors
/// As [`access_token`].
pub(crate) fn find(
    headers: &HeaderMap,
    elsewhere: Elsewhere,
) -> Result<Option<AccessToken>, Problem> {
    let mut credentials = headers.get_all(header::AUTHORIZATION);
    let Some(first) = credentials.next() else { return Ok(None) };
    if credentials.next().is_some() {
        return Err(two_ways());
    }
    let Some(token) = bearer_credential(first.as_bytes()) else { return Ok(None) };
    if elsewhere.query || elsewhere.form {
        return Err(two_ways());
    }
    match std::str::from_utf8(token) {
        Ok(token) if is_b64token(token) => Ok(Some(AccessToken::new(token.to_owned()))),
        _ => Err(Problem::invalid_token()),
    }
}

fn two_ways() -> Problem {
    Problem::new(Code::InvalidRequest, "The token is presented in more than one way.")
        .challenged(Challenge::InvalidRequest)
}

/// What follows the scheme, if the scheme is `Bearer` in any case (RFC 9110 §11.1).
fn bearer_credential(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let ends = rest.first().is_none_or(|byte| *byte == b' ' || *byte == b'\t');
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then(|| rest.trim_ascii())
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn read(values: &[&[u8]], elsewhere: Elsewhere) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        find(&headers, elsewhere)
            .map(|token| token.map(|token| token.expose().to_owned()))
            .map_err(|problem| problem.code().status().as_u16())
    }

    fn alone(value: &str) -> Result<Option<String>, u16> {
        read(&[value.as_bytes()], Elsewhere::default())
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c", "bEaReR a.b-c"] {
            assert_eq!(alone(value), Ok(Some("a.b-c".to_owned())), "{value}");
        }
        assert_eq!(alone("Bearer abc+/~_=="), Ok(Some("abc+/~_==".to_owned())));
    }

    #[test]
    fn another_scheme_is_no_token() {
        for value in ["Basic YTpi", "Bearers a.b.c", "a.b.c", "Bear", ""] {
            assert_eq!(alone(value), Ok(None), "{value}");
        }
        assert_eq!(read(&[], Elsewhere::default()), Ok(None));
    }

    #[test]
    fn what_is_no_b64token_is_an_invalid_token() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b"] {
            assert_eq!(alone(value), Err(401), "{value}");
        }
        assert_eq!(read(&[b"Bearer \xff\xfe"], Elsewhere::default()), Err(401));
        assert_eq!(read(&["Bearer é".as_bytes()], Elsewhere::default()), Err(401));
    }

    #[test]
    fn two_ways_of_presenting_a_token_are_one_too_many() {
        assert_eq!(read(&[b"Bearer a", b"Bearer a"], Elsewhere::default()), Err(400));
        assert_eq!(read(&[b"Basic YTpi", b"Bearer a"], Elsewhere::default()), Err(400));
        for elsewhere in
            [Elsewhere { query: true, form: false }, Elsewhere { query: false, form: true }]
        {
            assert_eq!(read(&[b"Bearer a"], elsewhere), Err(400));
        }
    }

    #[test]
    fn a_token_in_the_query_alone_is_no_token() {
        let request = TestRequest::with_uri("/auth/me?access_token=a.b.c").to_http_request();
        assert!(matches!(access_token(&request, false), Ok(None)));
    }

    #[test]
    fn the_query_s_name_is_found_however_it_is_written() {
        for query in ["access_token=x", "a=1&access_token", "access%5Ftoken=x", "access%5ftoken="] {
            let request = TestRequest::with_uri(&format!("/auth/me?{query}"))
                .insert_header((header::AUTHORIZATION, "Bearer a.b.c"))
                .to_http_request();
            assert!(access_token(&request, false).is_err(), "{query}");
        }
    }
}
