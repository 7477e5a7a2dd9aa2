//! The parameters of a request to `/oauth2/*`: one URL-encoded form (RFC 6749, appendix B).
//!
//! Repeated parameters are rejected, empty ones count as omitted, and unknown ones are ignored
//! (RFC 6749 §3.2).

use std::collections::BTreeMap;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::fields::split_resources;
use super::malformed::Malformed;
use super::media::Media;
use super::read::{TIMEOUT, Text, read_whole};
use super::urlencoded;
use crate::error_code::ErrorCode;
use crate::oauth_error::{OauthError, OauthErrorCode};
use crate::problem::Problem;

impl From<Malformed> for OauthError {
    fn from(malformed: Malformed) -> Self {
        Self::Code(
            OauthErrorCode::InvalidRequest,
            match malformed.errors.first() {
                Some(error) if is_describable(&error.field) => {
                    format!("The parameter {} {}.", error.field, error.message)
                }
                _ => "A parameter is malformed or given more than once.".to_owned(),
            },
        )
    }
}

/// Errors of reading the body, of which RFC 6749 has a code only for 400.
fn unreadable(problem: Problem) -> OauthError {
    match problem.code() {
        ErrorCode::InvalidRequest => {
            OauthError::new(OauthErrorCode::InvalidRequest, "The body could not be read.")
        }
        _ => problem.into(),
    }
}

/// Whether `text` is a non-empty description in RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`.
fn is_describable(text: &str) -> bool {
    let plain = |b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    !text.is_empty() && text.bytes().all(plain)
}

/// The parameters of an OAuth request.
pub(crate) struct OauthForm {
    parameters: BTreeMap<String, Text>,
    /// The values of `resource`, which may be repeated (RFC 8707 §2).
    pub(crate) resources: Vec<Text>,
}

impl OauthForm {
    /// Reads the body of `request`.
    ///
    /// # Errors
    /// 413 above 16 KiB, 415 for other media types, and `invalid_request` for malformed bodies and
    /// repeated parameters.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> Result<Self, OauthError> {
        let media = Media::of(request.headers()).map_err(unreadable)?;
        let whole = read_whole(request, payload, TIMEOUT).await.map_err(unreadable)?;
        let is_form = media == Media::Urlencoded || media == Media::Unnamed && whole.is_empty();
        if !is_form {
            return Err(Problem::from(ErrorCode::UnsupportedMediaType).into());
        }
        let (pairs, resources) = split_resources(urlencoded::parse(&whole)?);
        Malformed::check_names(pairs.iter().map(|(name, _)| name.as_str()))?;
        let parameters = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(Self { parameters, resources })
    }

    /// Takes a parameter, if it is present and not empty.
    pub(crate) fn take(&mut self, name: &str) -> Option<Text> {
        self.parameters.remove(name)
    }

    /// Whether a parameter is present, not empty, and not yet taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }
}

impl fmt::Debug for OauthForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.parameters.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::body::read::MAX_BODY;

    async fn read(media: &str, body: impl Into<Bytes>) -> Result<OauthForm, OauthError> {
        let (request, payload) = TestRequest::post()
            .insert_header((header::CONTENT_TYPE, media))
            .set_payload(body.into())
            .to_http_parts();
        OauthForm::read(&request, payload).await
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[actix_web::test]
    async fn an_empty_parameter_is_omitted_and_an_unknown_one_ignored() {
        let mut form = read(FORM, "grant_type=refresh_token&scope=&x=1").await.unwrap();
        assert_eq!(form.take("grant_type").unwrap().as_str(), "refresh_token");
        assert!(!form.has("scope") && form.take("scope").is_none());
        assert!(form.has("x"));
        let form = read(FORM, "resource=a&resource=&resource=b").await.unwrap();
        assert_eq!(form.resources.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[actix_web::test]
    async fn malformed_and_repeated_parameters_are_invalid_requests() {
        for (body, expected) in [
            ("a=1&a=1", "The parameter a is given more than once."),
            ("a=&a=1", "The parameter a is given more than once."),
            ("%22=1&%22=2", "A parameter is malformed or given more than once."),
            ("a=%ff", "The parameter a is not valid percent-encoded UTF-8."),
        ] {
            let error = read(FORM, body).await.unwrap_err();
            assert!(
                matches!(error, OauthError::Code(OauthErrorCode::InvalidRequest, text) if text == expected),
                "{body}"
            );
        }
    }

    #[actix_web::test]
    async fn other_media_types_and_large_bodies_are_problems() {
        for media in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
            let error = read(media, "a=1").await.unwrap_err();
            assert!(
                matches!(error, OauthError::Problem(it) if it.code() == ErrorCode::UnsupportedMediaType)
            );
        }
        let error = read(FORM, "a".repeat(MAX_BODY + 1)).await.unwrap_err();
        assert!(
            matches!(error, OauthError::Problem(it) if it.code() == ErrorCode::PayloadTooLarge)
        );
    }

    #[actix_web::test]
    async fn values_are_never_formatted() {
        let form = read(FORM, "client_secret=horse").await.unwrap();
        assert_eq!(format!("{form:?}"), r#"{"client_secret"}"#);
    }
}
