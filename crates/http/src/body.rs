//! Reading request bodies: at most 16 KiB, of the types a path takes, into fields by name.
//!
//! A body is read whole before anything is made of it, since 16 KiB is less than a parser's state
//! machine is worth. Passwords and tokens come this way, so the buffer and every value are
//! overwritten when dropped; what the HTTP library keeps of its own buffers is beyond us.

mod fields;
mod json;
mod multipart;
pub(crate) mod oauth;
mod urlencoded;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};
use zeroize::Zeroizing;

pub(crate) use self::fields::Fields;
pub(crate) use self::urlencoded::{decoded as form_decoded, has_name as query_has};
use super::problem::{Code, FieldError, Problem};

/// The value of a field. Don't format it: unlike the secrets of the core it would print itself.
pub(crate) type Text = Zeroizing<String>;

/// The largest body there is.
pub(crate) const LIMIT: usize = 16 * 1024;

/// The most fields a body may have.
const MOST_FIELDS: usize = 64;

/// How long a body may take to arrive. A head has its own deadline in the HTTP library.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that can't be read as what it says it is.
#[derive(Debug)]
struct Malformed {
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
}

impl Malformed {
    fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), errors: Vec::new() }
    }

    fn field(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: "Some fields are missing or malformed.".into(),
            errors: vec![FieldError::new(name, message)],
        }
    }

    /// `Err` when a name is given more than once, or too many are.
    fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Self> {
        let mut names: Vec<_> = names.collect();
        if names.len() > MOST_FIELDS {
            return Err(Self::new("The body has more than 64 fields."));
        }
        names.sort_unstable();
        let mut twice: Vec<_> = names
            .windows(2)
            .filter_map(|two| (two.first() == two.last()).then(|| two.first())?)
            .collect();
        twice.dedup();
        if twice.is_empty() {
            return Ok(());
        }
        let error = |name: &&&str| FieldError::new(name, "is given more than once");
        let errors = twice.iter().map(error).collect();
        Err(Self { detail: "Some fields are given more than once.".into(), errors })
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::new(Code::InvalidRequest, malformed.detail).with_errors(malformed.errors)
    }
}

/// The types of bodies that some path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Unnamed,
    Json,
    Urlencoded,
    Multipart,
}

impl Media {
    /// What `Content-Type` says.
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let refused = || Problem::from(Code::UnsupportedMediaType);
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "Bodies are read without content encoding only.",
            ));
        }
        let mut values = headers.get_all(header::CONTENT_TYPE);
        let Some(value) = values.next() else { return Ok(Self::Unnamed) };
        if values.next().is_some() {
            return Err(refused());
        }
        let value = value.to_str().map_err(|_| refused())?;
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !parts.all(is_utf8_if_charset) {
            return Err(Problem::new(Code::UnsupportedMediaType, "Bodies are read as UTF-8 only."));
        }
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Urlencoded),
            "multipart/form-data" => Ok(Self::Multipart),
            _ => Err(refused()),
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

/// The whole body, in a buffer that is overwritten when dropped.
///
/// Stops at the first byte too many, and before the first one where `Content-Length` says so.
async fn read_whole(
    request: &HttpRequest,
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    patience: Duration,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let announced = announced_length(request.headers());
    if announced.is_some_and(|length| length > LIMIT) {
        return Err(Problem::from(Code::PayloadTooLarge));
    }
    // Never grown, so no copy is left behind in memory that was given back.
    let mut whole = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(LIMIT)));
    let collect = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| match error {
                PayloadError::Overflow => Problem::from(Code::PayloadTooLarge),
                _ => Problem::new(Code::InvalidRequest, "The body ended early or is broken."),
            })?;
            if whole.len().saturating_add(chunk.len()) > LIMIT {
                return Err(Problem::from(Code::PayloadTooLarge));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(patience, collect).await {
        Ok(done) => done.map(|()| whole),
        Err(_) => Err(Problem::new(Code::InvalidRequest, "The body did not arrive in time.")),
    }
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    const NAME: HeaderName = header::CONTENT_LENGTH;
    headers.get(NAME)?.to_str().ok()?.parse().ok()
}

/// Whether `text` has a control character, NUL and line breaks among them.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use futures_util::stream;

    use super::*;

    fn media(values: &[&'static str]) -> Result<Media, Code> {
        let mut request = TestRequest::default();
        for value in values {
            request = request.append_header((header::CONTENT_TYPE, *value));
        }
        Media::of(request.to_http_request().headers()).map_err(|problem| problem.code())
    }

    #[test]
    fn three_types_are_read_in_any_spelling() {
        assert_eq!(media(&["application/json"]), Ok(Media::Json));
        assert_eq!(media(&["Application/JSON; charset=\"UTF-8\""]), Ok(Media::Json));
        assert_eq!(media(&["application/x-www-form-urlencoded ;x=y"]), Ok(Media::Urlencoded));
        assert_eq!(media(&["multipart/form-data; boundary=x"]), Ok(Media::Multipart));
        assert_eq!(media(&[]), Ok(Media::Unnamed));
    }

    #[test]
    fn other_types_charsets_and_encodings_are_not() {
        for bad in [
            "text/plain",
            "",
            "application/jsonp",
            "application/json+x",
            "application/json; charset=latin1",
            "application/xml",
            "json",
        ] {
            assert_eq!(media(&[bad]), Err(Code::UnsupportedMediaType), "{bad}");
        }
        let twice = ["application/json", "application/json"];
        assert_eq!(media(&twice), Err(Code::UnsupportedMediaType));
        let zipped = TestRequest::default()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::CONTENT_ENCODING, "gzip"))
            .to_http_request();
        assert!(Media::of(zipped.headers()).is_err());
    }

    async fn whole(length: Option<usize>, chunks: &[usize]) -> Result<usize, Code> {
        let mut request = TestRequest::default();
        if let Some(length) = length {
            request = request.insert_header((header::CONTENT_LENGTH, length));
        }
        let chunks = chunks.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size])));
        // Whoever reads on after the last chunk waits for ever, and the test with them.
        let payload = stream::iter(chunks.collect::<Vec<_>>()).chain(stream::pending());
        let payload = payload.take(if length.is_some() { 100 } else { 3 });
        let request = request.to_http_request();
        let read = read_whole(&request, payload, Duration::from_millis(50));
        read.await.map(|bytes| bytes.len()).map_err(|problem| problem.code())
    }

    #[actix_web::test]
    async fn too_much_is_refused_before_or_while_it_is_read() {
        assert_eq!(whole(Some(LIMIT + 1), &[]).await, Err(Code::PayloadTooLarge));
        assert_eq!(whole(None, &[LIMIT, 1]).await, Err(Code::PayloadTooLarge));
        assert_eq!(whole(None, &[LIMIT + 1]).await, Err(Code::PayloadTooLarge));
        assert_eq!(whole(Some(3), &[LIMIT, 1]).await, Err(Code::PayloadTooLarge));
        assert_eq!(whole(None, &[LIMIT - 1, 1, 0]).await, Ok(LIMIT));
    }

    #[actix_web::test]
    async fn a_body_that_never_comes_is_not_awaited_for_ever() {
        assert_eq!(whole(Some(10), &[5]).await, Err(Code::InvalidRequest));
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_is_the_client_s_mistake() {
        let payload = stream::iter([Ok(Bytes::from("{")), Err(PayloadError::Incomplete(None))]);
        let request = TestRequest::default().to_http_request();
        let problem = read_whole(&request, payload, PATIENCE).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidRequest);
    }
}
