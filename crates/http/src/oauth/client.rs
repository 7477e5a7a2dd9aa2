//! The client of a request: HTTP Basic, parameters in the body, or an id alone (RFC 6749 §2.3,
//! §3.2.1).

use actix_web::HttpRequest;
use actix_web::http::header;
use aquaware_core::id::ClientId;
use aquaware_core::secret::Password;
use aquaware_core::service::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::body::oauth::OauthForm;
use crate::body::{Text, query_has};
use crate::oauth_error::{OauthError, OauthErrorCode};

/// The credentials in the request, if it names a client.
///
/// # Errors
/// `invalid_request` for more than one way of authenticating and for credentials in the query;
/// `invalid_client` for malformed ids.
pub(super) fn credentials(
    request: &HttpRequest,
    form: &mut OauthForm,
) -> Result<Option<Credentials>, OauthError> {
    let query = request.query_string();
    if query_has(query, "client_secret") || query_has(query, "client_id") {
        return Err(OauthError::new(
            OauthErrorCode::InvalidRequest,
            "Credentials must not be in the query.",
        ));
    }
    let (id, secret) = (form.take("client_id"), form.take("client_secret"));
    let found = match (basic(request)?, id, secret) {
        (Some(_), _, Some(_)) => {
            return Err(OauthError::new(
                OauthErrorCode::InvalidRequest,
                "The client used more than one authentication method.",
            ));
        }
        (Some((id, _)), Some(named), None) if *id != *named => {
            return Err(OauthError::new(
                OauthErrorCode::InvalidRequest,
                "The request names two clients.",
            ));
        }
        (Some((id, secret)), _, None) => (id, Some(secret)),
        (None, Some(id), secret) => (id, secret),
        (None, None, Some(_)) => return Err(OauthError::missing("client_id")),
        (None, None, None) => return Ok(None),
    };
    let (id, secret) = found;
    let id = ClientId::new(id.as_str()).map_err(|_| OauthError::invalid_client())?;
    Ok(Some(Credentials { id, secret: secret.map(password) }))
}

/// [`credentials`] of a request that must name a client.
///
/// # Errors
/// As [`credentials`]; `invalid_client` if there are none.
pub(super) fn required(
    request: &HttpRequest,
    form: &mut OauthForm,
) -> Result<Credentials, OauthError> {
    credentials(request, form)?.ok_or_else(OauthError::invalid_client)
}

/// Moves a secret or password into its own type, without a copy.
pub(super) fn password(mut text: Text) -> Password {
    Password::new(std::mem::take(&mut *text))
}

/// HTTP Basic, both parts form-encoded first (RFC 6749 §2.3.1).
fn basic(request: &HttpRequest) -> Result<Option<(Text, Text)>, OauthError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OauthError::new(
            OauthErrorCode::InvalidRequest,
            "There is more than one Authorization header.",
        ));
    }
    let Some((scheme, rest)) = value.as_bytes().split_at_checked(6) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Ok(None);
    }
    decode(rest.trim_ascii()).map(Some).ok_or_else(OauthError::invalid_client)
}

fn decode(encoded: &[u8]) -> Option<(Text, Text)> {
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<Text> {
    crate::body::form_decoded(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn decoded(text: &str) -> Option<(String, String)> {
        let (id, secret) = decode(STANDARD.encode(text).as_bytes())?;
        Some((id.to_string(), secret.to_string()))
    }

    #[test]
    fn both_parts_of_basic_are_form_decoded() {
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(decoded("web:secret"), pair("web", "secret"));
        assert_eq!(decoded("a%3Ab:c%2Bd+e"), pair("a:b", "c+d e"));
        assert_eq!(decoded("web:a:b"), pair("web", "a:b"));
        assert_eq!(decoded("web"), None);
        assert_eq!(decoded("web:%ff"), None);
        assert!(decode(b"***").is_none());
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    /// The id and secret in a request, or the error code.
    async fn shown(
        headers: &[&str],
        query: &str,
        body: &'static str,
    ) -> Result<Option<(String, Option<String>)>, String> {
        let mut request = TestRequest::with_uri(&format!("/oauth2/token?{query}"))
            .insert_header((header::CONTENT_TYPE, FORM))
            .set_payload(body);
        for value in headers {
            request = request.append_header((header::AUTHORIZATION, *value));
        }
        let (request, payload) = request.to_http_parts();
        let mut form = OauthForm::read(&request, payload).await.unwrap();
        let pair = |it: Credentials| {
            (it.id.to_string(), it.secret.map(|secret| secret.expose().to_owned()))
        };
        credentials(&request, &mut form).map(|it| it.map(pair)).map_err(|it| it.to_string())
    }

    fn pair(id: &str, secret: Option<&str>) -> Option<(String, Option<String>)> {
        Some((id.to_owned(), secret.map(str::to_owned)))
    }

    /// `shop` and `a+b`.
    const BASIC: &str = "Basic c2hvcDphJTJCYg==";

    #[actix_web::test]
    async fn a_client_is_named_in_one_of_three_ways_or_not_at_all() {
        assert_eq!(shown(&[], "", "x=1").await, Ok(None));
        assert_eq!(shown(&[], "", "client_id=&client_secret=").await, Ok(None));
        assert_eq!(shown(&[], "", "client_id=web").await, Ok(pair("web", None)));
        assert_eq!(shown(&[], "", "client_id=web&client_secret=").await, Ok(pair("web", None)));
        let post = shown(&[], "", "client_id=shop&client_secret=a%2Bb").await;
        assert_eq!(post, Ok(pair("shop", Some("a+b"))));
        for body in ["", "client_id=shop", "client_id=&client_secret="] {
            assert_eq!(shown(&[BASIC], "", body).await, Ok(pair("shop", Some("a+b"))), "{body}");
        }
    }

    #[actix_web::test]
    async fn other_schemes_name_no_client() {
        for value in ["Bearer a.b.c", "Basically c2hvcDph", "Bas", ""] {
            assert_eq!(
                shown(&[value], "", "client_id=web").await,
                Ok(pair("web", None)),
                "{value}"
            );
        }
    }

    #[actix_web::test]
    async fn more_than_one_authentication_method_is_an_invalid_request() {
        for (headers, query, body) in [
            (&[BASIC][..], "", "client_secret=a%2Bb"),
            (&[BASIC], "", "client_id=shop&client_secret=a%2Bb"),
            (&[BASIC], "", "client_id=web"),
            (&[BASIC, BASIC], "", ""),
            (&["Bearer x", BASIC], "", ""),
            (&[], "", "client_secret=x"),
            (&[], "client_id=web", ""),
            (&[BASIC], "client_secret=x", ""),
            (&[BASIC], "x=1&client%5fsecret", ""),
        ] {
            let rejected = shown(headers, query, body).await;
            assert_eq!(rejected, Err("invalid_request".to_owned()), "{headers:?} {query} {body}");
        }
    }

    #[actix_web::test]
    async fn malformed_client_credentials_are_an_invalid_client() {
        for value in ["Basic ", "Basic ***", "Basic c2hvcA==", "Basic Og==", "Basic c2hvcDol"] {
            let rejected = shown(&[value], "", "").await;
            assert_eq!(rejected, Err("invalid_client".to_owned()), "{value}");
        }
        for body in ["client_id=a%20b", "client_id=%C3%A9", "client_id=a%00"] {
            assert_eq!(shown(&[], "", body).await, Err("invalid_client".to_owned()), "{body}");
        }
    }
}
