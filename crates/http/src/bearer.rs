//! Extracts the access token of a request from `Authorization: Bearer`.
//!
//! The token is not checked here. A request that presents a token in two ways is rejected
//! (RFC 6750 §2 and §3.1); a token in the query string alone is ignored (RFC 9700 §4.3.2).

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use aquaware_core::secret::AccessToken;

use crate::body::query_has;
use crate::error_code::ErrorCode;
use crate::problem::{Challenge, Problem};

/// The name of a token in a form or a query (RFC 6750 §2.2 and §2.3).
pub(crate) const FIELD: &str = "access_token";

/// The access token that `request` presents, if any. `form_has_token` is whether a form body that
/// was read has a field [`FIELD`].
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] for a token presented in two ways or more than one
/// `Authorization`; [`ErrorCode::InvalidToken`] for a malformed bearer credential.
pub(crate) fn access_token(
    request: &HttpRequest,
    form_has_token: bool,
) -> Result<Option<AccessToken>, Problem> {
    let is_elsewhere = form_has_token || query_has(request.query_string(), FIELD);
    find(request.headers(), is_elsewhere)
}

/// `is_elsewhere`: whether the query or the form has a token too.
fn find(headers: &HeaderMap, is_elsewhere: bool) -> Result<Option<AccessToken>, Problem> {
    let mut credentials = headers.get_all(header::AUTHORIZATION);
    let Some(first) = credentials.next() else { return Ok(None) };
    if credentials.next().is_some() {
        return Err(two_ways());
    }
    let Some(token) = bearer_credential(first.as_bytes()) else { return Ok(None) };
    if is_elsewhere {
        return Err(two_ways());
    }
    match std::str::from_utf8(token) {
        Ok(token) if is_b64token(token) => Ok(Some(AccessToken::new(token.to_owned()))),
        _ => Err(Problem::invalid_token()),
    }
}

fn two_ways() -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "The token is presented in more than one way.")
        .with_challenge(Challenge::InvalidRequest)
}

/// The credential after the scheme `Bearer`, which is case-insensitive (RFC 9110 §11.1).
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

    fn read(values: &[&[u8]], is_elsewhere: bool) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        find(&headers, is_elsewhere)
            .map(|token| token.map(|token| token.expose().to_owned()))
            .map_err(|problem| problem.code().status().as_u16())
    }

    fn alone(value: &str) -> Result<Option<String>, u16> {
        read(&[value.as_bytes()], false)
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for value in ["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c", "bEaReR a.b-c"] {
            assert_eq!(alone(value), Ok(Some("a.b-c".to_owned())), "{value}");
        }
        assert_eq!(alone("Bearer abc+/~_=="), Ok(Some("abc+/~_==".to_owned())));
    }

    #[test]
    fn other_schemes_carry_no_token() {
        for value in ["Basic YTpi", "Bearers a.b.c", "a.b.c", "Bear", ""] {
            assert_eq!(alone(value), Ok(None), "{value}");
        }
        assert_eq!(read(&[], false), Ok(None));
    }

    #[test]
    fn malformed_bearer_credentials_are_invalid_tokens() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b"] {
            assert_eq!(alone(value), Err(401), "{value}");
        }
        assert_eq!(read(&[b"Bearer \xff\xfe"], false), Err(401));
        assert_eq!(read(&["Bearer é".as_bytes()], false), Err(401));
    }

    #[test]
    fn a_token_presented_in_two_ways_is_rejected() {
        assert_eq!(read(&[b"Bearer a", b"Bearer a"], false), Err(400));
        assert_eq!(read(&[b"Basic YTpi", b"Bearer a"], false), Err(400));
        assert_eq!(read(&[b"Bearer a"], true), Err(400));
        for (uri, form_has_token) in [("/auth/me?access_token=a", false), ("/auth/me", true)] {
            let request = TestRequest::with_uri(uri)
                .insert_header((header::AUTHORIZATION, "Bearer a"))
                .to_http_request();
            assert!(access_token(&request, form_has_token).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_token_in_the_query_alone_is_ignored() {
        let request = TestRequest::with_uri("/auth/me?access_token=a.b.c").to_http_request();
        assert!(matches!(access_token(&request, false), Ok(None)));
    }

    #[test]
    fn a_token_in_the_query_is_found_in_every_spelling() {
        for query in ["access_token=x", "a=1&access_token", "access%5Ftoken=x", "access%5ftoken="] {
            let request = TestRequest::with_uri(&format!("/auth/me?{query}"))
                .insert_header((header::AUTHORIZATION, "Bearer a.b.c"))
                .to_http_request();
            assert!(access_token(&request, false).is_err(), "{query}");
        }
    }
}
