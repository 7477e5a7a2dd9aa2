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
        let mut codings = headers.get_all(header::CONTENT_ENCODING);
        if !codings.all(|it| is_identity(it.as_bytes())) {
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
        let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            // The parameter has no meaning there (RFC 8259 §11).
            "application/json" => return Ok(Self::Json),
            "application/x-www-form-urlencoded" => Self::Urlencoded,
            "multipart/form-data" => Self::Multipart,
            _ => return Err(unsupported()),
        };
        let charset = |parameter: &'_ str| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"').to_owned();
            name.trim().eq_ignore_ascii_case("charset").then_some(value)
        };
        if parts.filter_map(charset).all(|charset| is_accepted(&charset)) {
            Ok(media)
        } else {
            Err(unsupported_charset())
        }
    }
}

/// Whether a list of content codings leaves the body unchanged.
fn is_identity(codings: &[u8]) -> bool {
    let mut codings = codings.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// Whether a form may declare this charset. Its text must be valid UTF-8 whatever it declares:
/// libraries name their default charset even if they percent-encode UTF-8.
pub(super) fn is_accepted(charset: &str) -> bool {
    let accepted = ["utf-8", "utf8", "us-ascii", "iso-8859-1"];
    accepted.iter().any(|it| charset.eq_ignore_ascii_case(it))
}

/// The 415 for every other charset.
pub(super) fn unsupported_charset() -> Problem {
    Problem::new(ErrorCode::UnsupportedMediaType, "The charset of bodies must be UTF-8.")
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
    fn the_charset_of_json_has_no_effect() {
        for charset in ["utf-8", "utf8", "latin1", "utf-16", "\"x\"", ""] {
            let value = format!("application/json; charset={charset}").leak();
            assert_eq!(media(&[value]), Ok(Media::Json), "{charset}");
        }
    }

    #[test]
    fn forms_may_declare_four_charsets() {
        for (charset, accepted) in [
            ("utf-8", true),
            ("UTF8", true),
            ("US-ASCII", true),
            ("\"ISO-8859-1\"", true),
            ("latin1", false),
            ("utf-16", false),
            ("windows-1252", false),
            ("", false),
        ] {
            for essence in ["application/x-www-form-urlencoded", "multipart/form-data"] {
                let value = format!("{essence}; boundary=x ; Charset={charset}").leak();
                assert_eq!(media(&[value]).is_ok(), accepted, "{value}");
            }
        }
    }

    #[test]
    fn the_identity_coding_is_no_coding() {
        let of = |coding: &'static str| {
            let request = TestRequest::default()
                .insert_header((header::CONTENT_TYPE, "application/json"))
                .insert_header((header::CONTENT_ENCODING, coding))
                .to_http_request();
            Media::of(request.headers()).is_ok()
        };
        assert!(["identity", "Identity", "", "identity, identity"].into_iter().all(of));
        assert!(!["gzip", "identity, gzip", "br", "x"].into_iter().any(of));
    }

    #[test]
    fn other_types_and_charsets_are_rejected() {
        for bad in [
            "text/plain",
            "",
            "application/jsonp",
            "application/json+x",
            "application/x-www-form-urlencoded; charset=latin1",
            "application/xml",
            "json",
        ] {
            assert_eq!(media(&[bad]), Err(ErrorCode::UnsupportedMediaType), "{bad}");
        }
        let twice = ["application/json", "application/json"];
        assert_eq!(media(&twice), Err(ErrorCode::UnsupportedMediaType));
    }
}
