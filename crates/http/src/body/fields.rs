//! The fields of a body of `/auth/*`, in any of the three media types.
//!
//! All errors are reported together: taking a field never fails, but [`Fields::finish`] does.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::json::Value;
use super::malformed::Malformed;
use super::media::Media;
use super::read::{TIMEOUT, Text, has_control, read_whole};
use super::{json, multipart, urlencoded};
use crate::error_code::ErrorCode;
use crate::problem::{FieldError, Problem};

/// Maximum length of an e-mail address, in characters (RFC 5321 §4.5.3.1.3).
const MAX_EMAIL_LENGTH: usize = 254;

/// The field of RFC 8707, the only one that may be repeated.
const RESOURCE: &str = "resource";

/// Separates the resources from the other fields of a form. Empty ones count as absent.
pub(super) fn split_resources(pairs: Vec<(String, Text)>) -> (Vec<(String, Text)>, Vec<Text>) {
    let is_resource = |pair: &(String, Text)| pair.0 == RESOURCE;
    let (resources, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_resource);
    let resources = resources.into_iter().map(|pair| pair.1).filter(|text| !text.is_empty());
    (others, resources.collect())
}

/// The fields of a body.
///
/// A field that is empty, or `null` in JSON, counts as absent. Unknown fields are ignored in forms,
/// to which browsers and frameworks add fields, and rejected in JSON.
pub(crate) struct Fields {
    entries: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
    strict: bool,
}

impl Fields {
    /// Reads the body of `request`. An absent or empty body has no fields, in every media type.
    ///
    /// # Errors
    /// [`ErrorCode::PayloadTooLarge`] above 16 KiB; [`ErrorCode::UnsupportedMediaType`] for types
    /// other than JSON, URL-encoded and multipart forms; [`ErrorCode::InvalidRequest`] for
    /// malformed bodies, repeated fields and files.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> Result<Self, Problem> {
        let media = Media::of(request.headers())?;
        let whole = read_whole(request, payload, TIMEOUT).await?;
        let entries = match media {
            _ if is_empty(&whole, media) => Vec::new(),
            Media::Unnamed => return Err(Problem::from(ErrorCode::UnsupportedMediaType)),
            Media::Json => json::parse(&whole)?,
            Media::Urlencoded => texts(urlencoded::parse(&whole)?),
            Media::Multipart => texts(multipart::parse(request.headers(), whole).await?),
        };
        Malformed::check_names(entries.iter().map(|(name, _)| name.as_str()))?;
        let entries = entries.into_iter().collect();
        Ok(Self { entries, errors: Vec::new(), strict: media == Media::Json })
    }

    /// Takes a required field. If it is missing, returns an empty text, and [`Fields::finish`]
    /// reports it.
    pub(crate) fn required(&mut self, name: &str) -> Text {
        let known = self.errors.len();
        let value = self.optional(name);
        if value.is_none() && self.errors.len() == known {
            self.reject(name, "is missing");
        }
        value.unwrap_or_default()
    }

    /// Takes an optional field.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Text> {
        self.sent(name).filter(|text| !text.is_empty())
    }

    /// Takes an optional field that may be empty, such as a repeated password.
    pub(crate) fn sent(&mut self, name: &str) -> Option<Text> {
        match self.entries.remove(name)? {
            Value::Null => None,
            Value::Text(text) => Some(text),
            Value::Texts(_) => {
                self.reject(name, "must be a string, not an array");
                None
            }
            Value::Other(kind) => {
                self.reject(name, format!("must be a string, not {kind}"));
                None
            }
        }
    }

    /// Takes a required text, or says in the words of Django REST framework why there is none.
    #[cfg(feature = "passwords")]
    pub(crate) fn given(&mut self, name: &str) -> Result<Text, &'static str> {
        match self.entries.remove(name) {
            None => Err("This field is required."),
            Some(Value::Null) => Err("This field may not be null."),
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Texts(_) | Value::Other(_)) => Err("Not a valid string."),
        }
    }

    /// Takes an optional text of one line: no control characters, at most `max` characters.
    pub(crate) fn line(&mut self, name: &str, max: usize) -> Option<String> {
        let mut text = self.optional(name)?;
        if has_control(&text) {
            self.reject(name, "must not contain control characters");
            return None;
        }
        if text.chars().count() > max {
            self.reject(name, format!("must have at most {max} characters"));
            return None;
        }
        Some(std::mem::take(&mut *text))
    }

    /// Takes a required text of one line; see [`Fields::line`] and [`Fields::required`].
    pub(crate) fn required_line(&mut self, name: &str, max: usize) -> String {
        let known = self.errors.len();
        let line = self.line(name, max);
        if line.is_none() && self.errors.len() == known {
            self.reject(name, "is missing");
        }
        line.unwrap_or_default()
    }

    /// Takes a required e-mail address. White space around it does not count.
    pub(crate) fn email(&mut self, name: &str) -> String {
        if let Some(Value::Text(text)) = self.entries.get_mut(name) {
            *text = Text::new(text.trim().to_owned());
        }
        self.required_line(name, MAX_EMAIL_LENGTH)
    }

    /// Takes the resources for which an access token is requested (RFC 8707): a string or an array
    /// of strings in JSON, a repeatable field in forms.
    pub(crate) fn resources(&mut self) -> Vec<Text> {
        match self.entries.remove(RESOURCE) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Text(text)) if text.is_empty() => Vec::new(),
            Some(Value::Text(text)) => vec![text],
            Some(Value::Texts(texts)) => texts,
            Some(Value::Other(kind)) => {
                self.reject(
                    RESOURCE,
                    format!("must be a string or an array of strings, not {kind}"),
                );
                Vec::new()
            }
        }
    }

    /// Reports another error of a field.
    pub(crate) fn reject(
        &mut self,
        name: &str,
        message: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.errors.push(FieldError::new(name, message));
    }

    /// Whether the body has this field, not yet taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Reports all errors, after every known field was taken.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] naming every field that is missing, malformed or, in JSON,
    /// unknown.
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

/// Whether a body has no content. JSON may begin with a byte order mark.
fn is_empty(body: &[u8], media: Media) -> bool {
    body.is_empty() || media == Media::Json && json::without_mark(body).is_empty()
}

fn texts(pairs: Vec<(String, Text)>) -> Vec<(String, Value)> {
    let (pairs, resources) = split_resources(pairs);
    let resources = Some(resources).filter(|resources| !resources.is_empty());
    let resources = resources.map(|texts| (RESOURCE.to_owned(), Value::Texts(texts)));
    let texts = pairs.into_iter().map(|(name, text)| (name, Value::Text(text)));
    texts.chain(resources).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::body::read::MAX_BODY;

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

    /// The fields that a problem names, with their messages.
    fn named(problem: &Problem) -> Vec<(&str, &str)> {
        assert_eq!(problem.code(), ErrorCode::InvalidRequest);
        problem.errors().iter().map(|it| (it.field.as_str(), &*it.message)).collect()
    }

    fn part(name: &str, value: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[actix_web::test]
    async fn the_three_media_types_are_equivalent() {
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
    async fn an_absent_body_has_no_fields_and_one_without_a_type_is_rejected() {
        let (request, payload) = TestRequest::post().to_http_parts();
        assert!(Fields::read(&request, payload).await.unwrap().finish().is_ok());
        let (request, payload) = TestRequest::post().set_payload("a=b").to_http_parts();
        let problem = Fields::read(&request, payload).await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::UnsupportedMediaType);
    }

    #[actix_web::test]
    async fn white_space_around_an_email_address_is_removed() {
        let body = r#"{"a": " ann@example.com\t\r\n", "b": " \n", "c": "a\nb@example.com"}"#;
        let mut fields = read(JSON, body).await.unwrap();
        assert_eq!(fields.email("a"), "ann@example.com");
        let _ = (fields.email("b"), fields.email("c"));
        assert_eq!(
            named(&fields.finish().unwrap_err()),
            [("b", "is missing"), ("c", "must not contain control characters")]
        );
    }

    #[actix_web::test]
    async fn an_empty_body_has_no_fields_in_every_media_type() {
        for media in [JSON, FORM, MULTIPART, "multipart/form-data"] {
            assert!(read(media, "").await.unwrap().finish().is_ok(), "{media}");
        }
        assert!(read(JSON, "\u{feff}").await.unwrap().finish().is_ok());
        let problem = read("text/plain", "").await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::UnsupportedMediaType);
    }

    #[actix_web::test]
    async fn a_byte_order_mark_before_json_is_skipped() {
        let mut fields = read(JSON, "\u{feff}{\"a\": \"1\"}").await.unwrap();
        assert_eq!(fields.required("a").as_str(), "1");
        assert!(read(JSON, "\u{feff}\u{feff}{}").await.is_err());
    }

    #[actix_web::test]
    async fn the_text_of_a_form_is_utf_8_whatever_charset_it_declares() {
        for charset in ["utf8", "us-ascii", "iso-8859-1"] {
            let media = format!("{FORM}; charset={charset}");
            let mut fields = read(&media, "a=%C3%A9").await.unwrap();
            assert_eq!(fields.required("a").as_str(), "é", "{charset}");
            assert!(read(&media, "a=%E9").await.is_err(), "{charset}");
        }
    }

    #[actix_web::test]
    async fn resources_are_a_string_or_an_array_in_json_and_repeatable_in_forms() {
        let multipart = part("resource", "a") + &part("resource", "b") + "--XX--\r\n";
        for (media, body, expected) in [
            (JSON, r#"{"resource": "a"}"#, &["a"][..]),
            (JSON, r#"{"resource": ["a", "b"]}"#, &["a", "b"]),
            (JSON, r#"{"resource": ["a", ""]}"#, &["a", ""]),
            (JSON, r#"{"resource": []}"#, &[]),
            (JSON, r#"{"resource": null}"#, &[]),
            (JSON, r#"{"resource": ""}"#, &[]),
            (JSON, "{}", &[]),
            (FORM, "resource=a", &["a"]),
            (FORM, "resource=a&resource=b&resource=", &["a", "b"]),
            (FORM, "resource=", &[]),
            (MULTIPART, &multipart, &["a", "b"]),
        ] {
            let mut fields = read(media, body.to_owned()).await.unwrap();
            let resources = fields.resources();
            let resources: Vec<&str> = resources.iter().map(|it| it.as_str()).collect();
            assert_eq!(resources, expected, "{media} {body}");
            assert!(fields.finish().is_ok(), "{media} {body}");
        }
        for body in [r#"{"resource": 5}"#, r#"{"resource": ["a", 5]}"#, r#"{"resource": [["a"]]}"#]
        {
            let mut fields = read(JSON, body).await.unwrap();
            assert!(fields.resources().is_empty());
            let problem = fields.finish().unwrap_err();
            assert_eq!(named(&problem).first().map(|it| it.0), Some("resource"), "{body}");
        }
        assert!(read(JSON, r#"{"resource": "a", "resource": "b"}"#).await.is_err());
    }

    #[actix_web::test]
    async fn all_errors_are_reported_together() {
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
    async fn unknown_fields_are_ignored_in_forms_and_rejected_in_json() {
        assert!(read(FORM, "csrf=1").await.unwrap().finish().is_ok());
        let body = part("csrf", "1") + "--XX--\r\n";
        assert!(read(MULTIPART, body).await.unwrap().finish().is_ok());
        let problem = read(JSON, r#"{"csrf": null}"#).await.unwrap().finish().unwrap_err();
        assert_eq!(named(&problem), [("csrf", "is not a field of this request")]);
    }

    #[actix_web::test]
    async fn a_repeated_field_is_named_in_every_media_type() {
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
    async fn a_sent_field_may_be_empty_and_a_line_has_a_maximum_length() {
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
    async fn a_required_line_is_missing_if_it_is_empty_or_null_and_is_reported_once() {
        let body = r#"{"a": null, "b": "", "c": "x\n", "d": 1, "e": "fine"}"#;
        let mut fields = read(JSON, body).await.unwrap();
        let lines = ["a", "b", "c", "d", "e", "f"].map(|name| fields.required_line(name, 9));
        assert_eq!(lines, ["", "", "", "", "fine", ""]);
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
    async fn more_than_sixty_four_fields_are_rejected() {
        let body: Vec<_> = (0..65).map(|n| format!("f{n}=1")).collect();
        assert!(read(FORM, body.join("&")).await.is_err());
        assert!(read(FORM, body[..64].join("&")).await.is_ok());
    }

    #[actix_web::test]
    async fn bodies_of_more_than_sixteen_kibibytes_are_rejected() {
        let body = format!("a={}", "x".repeat(MAX_BODY - 2));
        assert!(read(FORM, body.clone()).await.is_ok());
        let problem = read(FORM, body + "x").await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::PayloadTooLarge);
    }

    #[actix_web::test]
    async fn values_are_never_formatted() {
        let fields = read(FORM, "password=horse").await.unwrap();
        assert_eq!(format!("{fields:?}"), r#"{"password"}"#);
    }
}
