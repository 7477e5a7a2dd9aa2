//! The parameters of a request to `/oauth2/*`: one URL-encoded form (RFC 6749, appendix B).
//!
//! A parameter given twice is an error, an empty one counts as omitted, an unknown one is ignored
//! (RFC 6749 §3.2). What is malformed is told in the words of RFC 6749 §5.2, so this has an error
//! of its own.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::{Malformed, Media, PATIENCE, Text, read_whole, urlencoded};
use crate::problem::{Code, Problem};

/// Why an OAuth request could not be read.
#[derive(Debug)]
pub(crate) enum FormError {
    /// What RFC 6749 has no word for: 413 and 415.
    Refused(Problem),
    /// `invalid_request`, with a description in the characters of RFC 6749 §5.2.
    InvalidRequest(String),
}

impl From<Problem> for FormError {
    fn from(problem: Problem) -> Self {
        match problem.code() {
            Code::InvalidRequest => Self::InvalidRequest("The body could not be read.".to_owned()),
            _ => Self::Refused(problem),
        }
    }
}

impl From<Malformed> for FormError {
    fn from(malformed: Malformed) -> Self {
        Self::InvalidRequest(match malformed.errors.first() {
            Some(error) if is_describable(&error.field) => {
                format!("The parameter {} {}.", error.field, error.message)
            }
            _ => "A parameter is malformed or given more than once.".to_owned(),
        })
    }
}

/// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`, and here not empty.
fn is_describable(text: &str) -> bool {
    let plain = |b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    !text.is_empty() && text.bytes().all(plain)
}

/// The parameters of an OAuth request.
pub(crate) struct OauthForm(BTreeMap<String, Text>);

impl OauthForm {
    /// Reads the body of `request`.
    ///
    /// # Errors
    /// [`FormError::Refused`] for another type (415) or more than 16 KiB (413),
    /// [`FormError::InvalidRequest`] for what can't be parsed or a parameter given twice.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> Result<Self, FormError> {
        let media = Media::of(request.headers())?;
        let whole = read_whole(request, payload, PATIENCE).await?;
        let is_form = media == Media::Urlencoded || media == Media::Unnamed && whole.is_empty();
        if !is_form {
            return Err(FormError::Refused(Problem::from(Code::UnsupportedMediaType)));
        }
        let pairs = urlencoded::parse(&whole)?;
        Malformed::check_names(pairs.iter().map(|(name, _)| name.as_str()))?;
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    /// Takes a parameter, if it is there and not empty.
    pub(crate) fn take(&mut self, name: &str) -> Option<Text> {
        self.0.remove(name)
    }

    /// Whether a parameter is there, not empty, and not taken yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Debug for OauthForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::body::LIMIT;

    async fn read(media: &str, body: impl Into<Bytes>) -> Result<OauthForm, FormError> {
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
    }

    #[actix_web::test]
    async fn a_parameter_given_twice_is_an_invalid_request() {
        for (body, told) in [
            ("a=1&a=1", "The parameter a is given more than once."),
            ("a=&a=1", "The parameter a is given more than once."),
            ("%22=1&%22=2", "A parameter is malformed or given more than once."),
            ("a=%ff", "The parameter a is not valid percent-encoded UTF-8."),
        ] {
            let error = read(FORM, body).await.unwrap_err();
            assert!(matches!(error, FormError::InvalidRequest(text) if text == told), "{body}");
        }
    }

    #[actix_web::test]
    async fn other_types_and_sizes_are_problems() {
        for media in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
            let error = read(media, "a=1").await.unwrap_err();
            assert!(
                matches!(error, FormError::Refused(it) if it.code() == Code::UnsupportedMediaType)
            );
        }
        let error = read(FORM, "a".repeat(LIMIT + 1)).await.unwrap_err();
        assert!(matches!(error, FormError::Refused(it) if it.code() == Code::PayloadTooLarge));
    }

    #[actix_web::test]
    async fn no_value_is_ever_formatted() {
        let form = read(FORM, "client_secret=horse").await.unwrap();
        assert_eq!(format!("{form:?}"), r#"{"client_secret"}"#);
    }
}
