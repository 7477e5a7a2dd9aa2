//! Extraction of the bearer token from a request (RFC 6750 §2). Header values come in as bytes, so
//! that no framework's types are involved.

use super::rejection::RejectionKind;

/// The token in the values of `Authorization`; `None` without a bearer token.
///
/// A token in the query is ignored (RFC 9700 §4.3.2), but rejected next to one in a header.
pub(crate) fn bearer_token<'a>(
    authorizations: impl IntoIterator<Item = &'a [u8]>,
    query: Option<&str>,
) -> Result<Option<&'a str>, RejectionKind> {
    let mut values = authorizations.into_iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(RejectionKind::RepeatedToken);
    }
    let Some(credentials) = bearer_credentials(first) else { return Ok(None) };
    if query.is_some_and(has_token) {
        return Err(RejectionKind::RepeatedToken);
    }
    match std::str::from_utf8(credentials) {
        Ok(token) if is_b64token(token) => Ok(Some(token)),
        _ => Err(RejectionKind::MalformedToken),
    }
}

/// The credentials after the scheme `Bearer`, which is case-insensitive (RFC 9110 §11.1).
fn bearer_credentials(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let ends = rest.first().is_none_or(|byte| *byte == b' ' || *byte == b'\t');
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then(|| rest.trim_ascii())
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// Whether the query has an `access_token` (RFC 6750 §2.3), percent-encoded or not.
fn has_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(value: &str) -> Result<Option<&str>, RejectionKind> {
        bearer_token([value.as_bytes()], None)
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for value in ["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c", "bEaReR a.b-c "] {
            assert_eq!(single(value), Ok(Some("a.b-c")), "{value}");
        }
        assert_eq!(single("Bearer abc+/~_=="), Ok(Some("abc+/~_==")));
    }

    #[test]
    fn other_schemes_are_not_bearer_tokens() {
        for value in ["Basic YTpi", "DPoP a.b.c", "Bearers a.b.c", "a.b.c", "Bear", ""] {
            assert_eq!(single(value), Ok(None), "{value}");
        }
        assert_eq!(bearer_token([], None), Ok(None));
    }

    #[test]
    fn credentials_that_are_not_a_b64token_are_rejected() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b"] {
            assert_eq!(single(value), Err(RejectionKind::MalformedToken), "{value}");
        }
        assert_eq!(
            bearer_token([&b"Bearer \xff\xfe"[..]], None),
            Err(RejectionKind::MalformedToken)
        );
    }

    #[test]
    fn a_token_presented_twice_is_rejected() {
        assert_eq!(
            bearer_token([&b"Bearer a"[..], b"Bearer a"], None),
            Err(RejectionKind::RepeatedToken)
        );
        assert_eq!(
            bearer_token([&b"Basic YTpi"[..], b"Bearer a"], None),
            Err(RejectionKind::RepeatedToken)
        );
        for query in ["access_token=x", "a=1&access_token", "access%5Ftoken=x", "access%5ftoken="] {
            assert_eq!(
                bearer_token([&b"Bearer a"[..]], Some(query)),
                Err(RejectionKind::RepeatedToken)
            );
            assert_eq!(bearer_token([], Some(query)), Ok(None), "never accepted");
        }
        assert_eq!(bearer_token([&b"Bearer a"[..]], Some("x=access_token")), Ok(Some("a")));
    }
}
