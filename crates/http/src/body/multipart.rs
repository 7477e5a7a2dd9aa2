//! Multipart forms (RFC 7578) of text fields.

use actix_multipart::{Field, Multipart};
use actix_web::error::PayloadError;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::{StreamExt as _, stream};
use zeroize::Zeroizing;

use super::malformed::Malformed;
use super::media::{is_accepted, unsupported_charset};
use super::read::{MAX_BODY, Text};
use crate::problem::Problem;

/// The fields of the form, in order, with duplicates.
pub(super) async fn parse(
    headers: &HeaderMap,
    whole: Zeroizing<Vec<u8>>,
) -> Result<Vec<(String, Text)>, Problem> {
    let body = stream::iter([Ok::<_, PayloadError>(Bytes::from_owner(whole))]);
    let mut parts = Multipart::new(headers, body);
    let mut fields = Vec::new();
    while let Some(part) = parts.next().await {
        fields.push(field(part.map_err(|_| malformed())?).await?);
    }
    Ok(fields)
}

fn malformed() -> Problem {
    Malformed::new("The body is not a valid multipart form.").into()
}

async fn field(mut part: Field) -> Result<(String, Text), Problem> {
    let name = part.name().ok_or_else(malformed)?.to_owned();
    let disposition = part.content_disposition();
    let is_file = disposition
        .is_some_and(|it| it.get_filename().or(it.get_filename_ext().map(|_| "")).is_some());
    if is_file {
        return Err(Malformed::field(&name, "must be text, not a file").into());
    }
    if let Some(media) = part.content_type() {
        if media.essence_str() != "text/plain" {
            return Err(Malformed::field(&name, "must be plain text").into());
        }
        if media.get_param("charset").is_some_and(|charset| !is_accepted(charset.as_str())) {
            return Err(unsupported_charset());
        }
    }
    let bytes = part.bytes(MAX_BODY).await.map_err(|_| malformed())?.map_err(|_| malformed())?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok((name, Zeroizing::new(text.to_owned()))),
        Err(_) => Err(Malformed::field(&name, "is not valid UTF-8").into()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderValue};

    use super::*;
    use crate::error_code::ErrorCode;

    async fn read(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
        let mut headers = HeaderMap::new();
        let media = HeaderValue::from_static("multipart/form-data; boundary=XX");
        headers.insert(header::CONTENT_TYPE, media);
        let fields = parse(&headers, Zeroizing::new(body.to_vec())).await?;
        Ok(fields.into_iter().map(|(name, text)| (name, text.to_string())).collect())
    }

    fn part(headers: &str, value: &[u8]) -> Vec<u8> {
        let head = format!("--XX\r\nContent-Disposition: form-data; {headers}\r\n\r\n");
        [head.as_bytes(), value, b"\r\n--XX--\r\n"].concat()
    }

    #[actix_web::test]
    async fn a_text_field_may_declare_its_type() {
        for headers in [
            "name=\"a\"",
            "name=\"a\"\r\nContent-Type: text/plain",
            "name=\"a\"\r\nContent-Type: text/plain; charset=UTF-8",
            "name=\"a\"\r\nContent-Type: text/plain; charset=utf8",
            "name=\"a\"\r\nContent-Type: text/plain; charset=US-ASCII",
            "name=\"a\"\r\nContent-Type: text/plain; charset=\"iso-8859-1\"",
        ] {
            let fields = read(&part(headers, "é\r\n-- XX".as_bytes())).await.unwrap();
            assert_eq!(fields, [("a".to_owned(), "é\r\n-- XX".to_owned())], "{headers}");
        }
        assert_eq!(
            read(&part("name=\"a\"", b"")).await.unwrap(),
            [("a".to_owned(), String::new())]
        );
    }

    #[actix_web::test]
    async fn files_and_other_types_are_rejected_by_name() {
        for headers in [
            "name=\"a\"; filename=\"x.txt\"",
            "name=\"a\"; filename=\"\"",
            "name=\"a\"; filename*=UTF-8''x.txt",
            "name=\"a\"\r\nContent-Type: application/json",
        ] {
            let problem = read(&part(headers, b"x")).await.unwrap_err();
            assert_eq!(problem.errors()[0].field, "a", "{headers}");
        }
        let problem = read(&part("name=\"a\"", b"\xff\xfe")).await.unwrap_err();
        assert_eq!(problem.errors()[0].message, "is not valid UTF-8");
    }

    #[actix_web::test]
    async fn a_text_field_in_another_charset_is_an_unsupported_media_type() {
        for charset in ["latin1", "utf-16", "windows-1252"] {
            let headers = format!("name=\"a\"\r\nContent-Type: text/plain; charset={charset}");
            let problem = read(&part(&headers, b"x")).await.unwrap_err();
            assert_eq!(problem.code(), ErrorCode::UnsupportedMediaType, "{charset}");
        }
    }

    #[actix_web::test]
    async fn malformed_forms_are_rejected() {
        let valid = part("name=\"a\"", b"value");
        let bodies = [
            &b""[..],
            b"garbage",
            b"--YY\r\n\r\n",
            &valid[..valid.len() - 12],
            &valid[..20],
            b"--XX\r\n\r\nvalue\r\n--XX--\r\n",
            b"--XX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nvalue\r\n--XX--\r\n",
            b"--XX\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--XX--\r\n",
        ];
        for body in bodies {
            assert!(read(body).await.is_err(), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[actix_web::test]
    async fn a_form_without_a_boundary_is_rejected() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data"));
        assert!(parse(&headers, Zeroizing::new(b"--XX--".to_vec())).await.is_err());
    }
}
