//! Fetching one document: in time, of bounded size, decompressed up to a bound.
//!
//! Its content is checked by the caller: `key_source.rs` for keys, `lists/` for status lists.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{DocumentError, RefreshError};
use crate::fetch::{Fetch, Request, Response};
use crate::limits::FETCH_TIMEOUT;

/// Fetches a response, whatever its status.
pub(crate) async fn get(fetch: &dyn Fetch, request: &Request) -> Result<Response, RefreshError> {
    match timeout(FETCH_TIMEOUT, fetch.get(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(failed(request, DocumentError::Fetch(error))),
        Err(_) => Err(failed(request, DocumentError::TimedOut)),
    }
}

/// Whether the response to a conditional request is that the document has not changed.
pub(crate) const fn is_unchanged(request: &Request, response: &Response) -> bool {
    response.status == 304 && request.if_none_match.is_some()
}

/// The body of a successful response, decompressed.
pub(crate) fn body(request: &Request, response: Response) -> Result<Vec<u8>, RefreshError> {
    if response.status != 200 {
        return Err(failed(request, DocumentError::Status(response.status)));
    }
    if response.body.len() > request.max_bytes {
        return Err(failed(request, DocumentError::TooLarge));
    }
    let encoding = response.content_encoding.as_deref().map(str::trim).unwrap_or_default();
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return Ok(response.body);
    }
    let gzip = ["gzip", "x-gzip"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
    if !(gzip && request.gzip) {
        return Err(failed(request, DocumentError::Encoding));
    }
    decompress(&response.body, request.max_bytes).map_err(|error| failed(request, error))
}

/// Parses JSON.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Adds the URL of the request to an error.
pub(crate) fn failed(request: &Request, source: DocumentError) -> RefreshError {
    RefreshError { url: request.url.clone(), source }
}

/// Decompresses at most one byte more than `max`, however much the input would expand to.
fn decompress(input: &[u8], max: usize) -> Result<Vec<u8>, DocumentError> {
    let bound = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(input).take(bound).read_to_end(&mut bytes);
    match read {
        Err(_) => Err(DocumentError::Encoding),
        Ok(length) if length > max => Err(DocumentError::TooLarge),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(
        request: &Request,
        encoding: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, DocumentError> {
        let content_encoding = encoding.map(str::to_owned);
        let response = Response { status: 200, content_encoding, body, ..Response::default() };
        super::body(request, response).map_err(|error| error.source)
    }

    #[test]
    fn a_gzip_body_is_decompressed_only_if_gzip_was_requested() {
        let list = Request::status_list(String::new());
        for encoding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(read(&list, Some(encoding), compressed(b"list")).unwrap(), b"list");
        }
        for encoding in [None, Some(""), Some("identity")] {
            assert_eq!(read(&list, encoding, b"list".to_vec()).unwrap(), b"list");
        }
        let json = Request::json(String::new());
        for (request, encoding) in [(&list, "br"), (&list, "gzip, gzip"), (&json, "gzip")] {
            let result = read(request, Some(encoding), compressed(b"list"));
            assert!(matches!(result, Err(DocumentError::Encoding)), "{encoding}");
        }
        let mut cut = compressed(b"list");
        cut.pop();
        assert!(matches!(read(&list, Some("gzip"), cut), Err(DocumentError::Encoding)));
    }

    #[test]
    fn a_decompression_bomb_is_not_expanded() {
        let list = Request::status_list(String::new());
        let most = compressed(&vec![b' '; list.max_bytes]);
        assert_eq!(read(&list, Some("gzip"), most).unwrap().len(), list.max_bytes);
        // A gigabyte, made of the same member repeated.
        let bomb = compressed(&vec![0; 1 << 24]).repeat(60);
        assert!(bomb.len() < list.max_bytes);
        assert!(matches!(read(&list, Some("gzip"), bomb), Err(DocumentError::TooLarge)));
        // Bytes after the bound are not even read.
        let bomb = [compressed(&vec![0; 1 << 21]), b"garbage".to_vec()].concat();
        assert!(matches!(read(&list, Some("gzip"), bomb), Err(DocumentError::TooLarge)));
    }
}
