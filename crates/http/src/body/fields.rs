//! The fields of a body of `/auth/*`, whichever of three types it came in, and taking them.
//!
//! All that is wrong is told at once: taking a field never fails, [`Fields::finish`] does.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::{
    Malformed, Media, PATIENCE, Text, has_control, json, multipart, read_whole, urlencoded,
};
use crate::problem::{Code, FieldError, Problem};

/// What stands in a field.
pub(super) enum Value {
    /// JSON's `null`.
    Null,
    /// A text.
    Text(Text),
    /// Something no field of ours is; this says what, with its article.
    Other(&'static str),
}

/// The fields of a body.
///
/// A field that is empty, or `null` in JSON, counts as absent. Unknown fields are ignored in forms
/// and errors in JSON, where they can't come from a browser's own devices.
pub(crate) struct Fields {
    entries: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
    strict: bool,
}

impl Fields {
    /// Reads the body of `request`. No body at all has no fields.
    ///
    /// # Errors
    /// [`Code::PayloadTooLarge`] above 16 KiB, [`Code::UnsupportedMediaType`] for other types than
    /// JSON, URL-encoded and multipart forms, [`Code::InvalidRequest`] for what can't be parsed,
    /// a field given twice (named), a file (named).
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> Result<Self, Problem> {
        let media = Media::of(request.headers())?;
        let whole = read_whole(request, payload, PATIENCE).await?;
        let entries = match media {
            Media::Unnamed if whole.is_empty() => Vec::new(),
            Media::Unnamed => return Err(Problem::from(Code::UnsupportedMediaType)),
            Media::Json => json::parse(&whole)?,
            Media::Urlencoded => texts(urlencoded::parse(&whole)?),
            Media::Multipart => texts(multipart::parse(request.headers(), whole).await?),
        };
        Malformed::check_names(entries.iter().map(|(name, _)| name.as_str()))?;
        let entries = entries.into_iter().collect();
        Ok(Self { entries, errors: Vec::new(), strict: media == Media::Json })
    }

    /// Takes a field that must be there. Where it isn't, this is an empty text, worth nothing, and
    /// [`Fields::finish`] says so.
    pub(crate) fn required(&mut self, name: &str) -> Text {
        let known = self.errors.len();
        let value = self.optional(name);
        if value.is_none() && self.errors.len() == known {
            self.reject(name, "is missing");
        }
        value.unwrap_or_default()
    }

    /// Takes a field that may be there.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Text> {
        self.sent(name).filter(|text| !text.is_empty())
    }

    /// Takes a field that may be there and may be empty: for what must equal something if sent.
    pub(crate) fn sent(&mut self, name: &str) -> Option<Text> {
        match self.entries.remove(name)? {
            Value::Null => None,
            Value::Text(text) => Some(text),
            Value::Other(kind) => {
                self.reject(name, format!("must be a string, not {kind}"));
                None
            }
        }
    }

    /// Takes an optional text of one line: no control characters, at most `most` characters.
    pub(crate) fn line(&mut self, name: &str, most: usize) -> Option<String> {
        let mut text = self.optional(name)?;
        if has_control(&text) {
            self.reject(name, "must not contain control characters");
            return None;
        }
        if text.chars().count() > most {
            self.reject(name, format!("must have at most {most} characters"));
            return None;
        }
        Some(std::mem::take(&mut *text))
    }

    /// Takes a line, as [`Fields::line`] does, that must be there, as [`Fields::required`] has it.
    pub(crate) fn required_line(&mut self, name: &str, most: usize) -> String {
        let known = self.errors.len();
        let line = self.line(name, most);
        if line.is_none() && self.errors.len() == known {
            self.reject(name, "is missing");
        }
        line.unwrap_or_default()
    }

    /// Notes what else is wrong with a field.
    pub(crate) fn reject(
        &mut self,
        name: &str,
        message: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(name, message));
    }

    /// Whether the body has this field and nobody took it yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] naming every field that is missing, malformed or, in JSON, unknown.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        if self.strict {
            let unknown = self.entries.keys();
            let errors =
                unknown.map(|name| FieldError::new(name, "is not a field of this request"));
            self.errors.extend(errors);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

fn texts(pairs: Vec<(String, Text)>) -> Vec<(String, Value)> {
    pairs.into_iter().map(|(name, text)| (name, Value::Text(text))).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::body::LIMIT;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=XX";

    async fn read(media: &str, body: impl Into<Bytes>) -> Result<Fields, Problem> {
        let (request, payload) = TestRequest::post()
            .insert_header((header::CONTENT_TYPE, media))
            .set_payload(body.into())
            .to_http_parts();
        Fields::read(&request, payload).await
    }

    /// The fields that a problem names, with what it says of them.
    fn named(problem: &Problem) -> Vec<(&str, &str)> {
        assert_eq!(problem.code(), Code::InvalidRequest);
        problem.errors().iter().map(|it| (it.field.as_str(), &*it.message)).collect()
    }

    fn part(name: &str, value: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[actix_web::test]
    async fn the_three_types_are_read_alike() {
        let multipart =
            part("email", "ann@example.com") + &part("password", "ä b+%") + "--XX--\r\n";
        for (media, body) in [
            (JSON, r#"{"email": "ann@example.com", "password": "\u00e4 b+%", "x": null}"#),
            (FORM, "email=ann%40example.com&password=%C3%A4+b%2b%25&x=&other=1"),
            (MULTIPART, &multipart),
        ] {
            let mut fields = read(media, body.to_owned()).await.unwrap();
            assert_eq!(*fields.required("email"), "ann@example.com", "{media}");
            assert_eq!(*fields.required("password"), "ä b+%", "{media}");
            assert!(fields.optional("x").is_none(), "{media}");
            assert!(fields.finish().is_ok(), "{media}");
        }
    }

    #[actix_web::test]
    async fn no_body_has_no_fields_and_an_unnamed_one_is_refused() {
        let (request, payload) = TestRequest::post().to_http_parts();
        assert!(Fields::read(&request, payload).await.unwrap().finish().is_ok());
        let (request, payload) = TestRequest::post().set_payload("a=b").to_http_parts();
        let problem = Fields::read(&request, payload).await.unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType);
    }

    #[actix_web::test]
    async fn all_that_is_wrong_is_told_at_once() {
        let body =
            r#"{"email": 5, "password": "", "scope": ["a"], "extra": {}, "name": "a\u0000"}"#;
        let mut fields = read(JSON, body).await.unwrap();
        let _ = (fields.required("email"), fields.required("password"), fields.optional("scope"));
        assert_eq!(fields.line("name", 10), None);
        assert_eq!(
            named(&fields.finish().unwrap_err()),
            [
                ("email", "must be a string, not a number"),
                ("password", "is missing"),
                ("scope", "must be a string, not an array"),
                ("name", "must not contain control characters"),
                ("extra", "is not a field of this request"),
            ]
        );
    }

    #[actix_web::test]
    async fn unknown_fields_are_ignored_in_forms_and_named_in_json() {
        assert!(read(FORM, "csrf=1").await.unwrap().finish().is_ok());
        let body = part("csrf", "1") + "--XX--\r\n";
        assert!(read(MULTIPART, body).await.unwrap().finish().is_ok());
        let problem = read(JSON, r#"{"csrf": null}"#).await.unwrap().finish().unwrap_err();
        assert_eq!(named(&problem), [("csrf", "is not a field of this request")]);
    }

    #[actix_web::test]
    async fn a_field_given_twice_is_named_in_every_type() {
        let multipart = part("a", "1") + &part("b", "2") + &part("a", "1") + "--XX--\r\n";
        for (media, body) in [
            (JSON, r#"{"a": "1", "b": "2", "\u0061": "1"}"#),
            (FORM, "a=1&b=2&%61=1&a=3"),
            (MULTIPART, &multipart),
        ] {
            let problem = read(media, body.to_owned()).await.unwrap_err();
            assert_eq!(named(&problem), [("a", "is given more than once")], "{media}");
        }
    }

    #[actix_web::test]
    async fn a_sent_field_may_be_empty_and_a_line_has_a_bound() {
        let mut fields = read(FORM, "password2=&name=abc&tab=a%09b").await.unwrap();
        assert_eq!(fields.sent("password2").unwrap().as_str(), "");
        assert_eq!(fields.line("name", 2), None);
        assert_eq!(fields.line("tab", 3), None);
        assert_eq!(
            named(&fields.finish().unwrap_err()),
            [
                ("name", "must have at most 2 characters"),
                ("tab", "must not contain control characters"),
            ]
        );
    }

    #[actix_web::test]
    async fn a_required_line_is_missing_when_it_is_empty_or_null_and_wrong_only_once() {
        let body = r#"{"a": null, "b": "", "c": "x\n", "d": 1, "e": "good"}"#;
        let mut fields = read(JSON, body).await.unwrap();
        let lines = ["a", "b", "c", "d", "e", "f"].map(|name| fields.required_line(name, 9));
        assert_eq!(lines, ["", "", "", "", "good", ""]);
        assert_eq!(
            named(&fields.finish().unwrap_err()),
            [
                ("a", "is missing"),
                ("b", "is missing"),
                ("c", "must not contain control characters"),
                ("d", "must be a string, not a number"),
                ("f", "is missing"),
            ]
        );
    }

    #[actix_web::test]
    async fn sixty_five_fields_are_too_many() {
        let body: Vec<_> = (0..65).map(|n| format!("f{n}=1")).collect();
        assert!(read(FORM, body.join("&")).await.is_err());
        assert!(read(FORM, body[..64].join("&")).await.is_ok());
    }

    #[actix_web::test]
    async fn sixteen_kibibytes_are_read_and_one_byte_more_is_not() {
        let body = format!("a={}", "x".repeat(LIMIT - 2));
        assert!(read(FORM, body.clone()).await.is_ok());
        let problem = read(FORM, body + "x").await.unwrap_err();
        assert_eq!(problem.code(), Code::PayloadTooLarge);
    }

    #[actix_web::test]
    async fn no_value_is_ever_formatted() {
        let fields = read(FORM, "password=horse").await.unwrap();
        assert_eq!(format!("{fields:?}"), r#"{"password"}"#);
    }
}
