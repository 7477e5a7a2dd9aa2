//! The media types of request bodies.

use actix_web::http::header::{self, HeaderMap};

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// The media types that some resource accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// Without `Content-Type`.
    Unnamed,
    Json,
    Urlencoded,
    Multipart,
}

impl Media {
    /// The type in `Content-Type`.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedMediaType`] for other types, charsets and content codings.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let unsupported = || Problem::from(ErrorCode::UnsupportedMediaType);
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(
                ErrorCode::UnsupportedMediaType,
                "Content codings of bodies are not supported.",
            ));
        }
        let mut values = headers.get_all(header::CONTENT_TYPE);
        let Some(value) = values.next() else { return Ok(Self::Unnamed) };
        if values.next().is_some() {
            return Err(unsupported());
        }
        let value = value.to_str().map_err(|_| unsupported())?;
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !parts.all(is_utf8_if_charset) {
            return Err(Problem::new(
                ErrorCode::UnsupportedMediaType,
                "The charset of bodies must be UTF-8.",
            ));
        }
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Urlencoded),
            "multipart/form-data" => Ok(Self::Multipart),
            _ => Err(unsupported()),
        }
    }
}

fn is_utf8_if_charset(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn media(values: &[&'static str]) -> Result<Media, ErrorCode> {
        let mut request = TestRequest::default();
        for value in values {
            request = request.append_header((header::CONTENT_TYPE, *value));
        }
        Media::of(request.to_http_request().headers()).map_err(|problem| problem.code())
    }

    #[test]
    fn three_media_types_are_accepted_in_any_spelling() {
        assert_eq!(media(&["application/json"]), Ok(Media::Json));
        assert_eq!(media(&["Application/JSON; charset=\"UTF-8\""]), Ok(Media::Json));
        assert_eq!(media(&["application/x-www-form-urlencoded ;x=y"]), Ok(Media::Urlencoded));
        assert_eq!(media(&["multipart/form-data; boundary=x"]), Ok(Media::Multipart));
        assert_eq!(media(&[]), Ok(Media::Unnamed));
    }

    #[test]
    fn other_types_charsets_and_codings_are_rejected() {
        for bad in [
            "text/plain",
            "",
            "application/jsonp",
            "application/json+x",
            "application/json; charset=latin1",
            "application/xml",
            "json",
        ] {
            assert_eq!(media(&[bad]), Err(ErrorCode::UnsupportedMediaType), "{bad}");
        }
        let twice = ["application/json", "application/json"];
        assert_eq!(media(&twice), Err(ErrorCode::UnsupportedMediaType));
        let zipped = TestRequest::default()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::CONTENT_ENCODING, "gzip"))
            .to_http_request();
        assert!(Media::of(zipped.headers()).is_err());
    }
}
