//! One document, fetched: in time, of a bounded size, unpacked to a bound.
//!
//! What it says is for its reader to judge: `origin.rs` for keys, `lists/` for status lists.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{Problem, RefreshError};
use crate::fetch::{Fetch, Request, Response, TIMEOUT};

/// Gets an answer, whatever it is.
pub(crate) async fn get(fetch: &dyn Fetch, request: &Request) -> Result<Response, RefreshError> {
    match timeout(TIMEOUT, fetch.get(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(at(request, Problem::Fetch(error))),
        Err(_) => Err(at(request, Problem::TimedOut)),
    }
}

/// Whether the answer is that the document with the `ETag` asked about is the right one.
pub(crate) const fn is_unchanged(request: &Request, answer: &Response) -> bool {
    answer.status == 304 && request.if_none_match.is_some()
}

/// The body of an answer that has the document.
pub(crate) fn body(request: &Request, answer: Response) -> Result<Vec<u8>, RefreshError> {
    if answer.status != 200 {
        return Err(at(request, Problem::Status(answer.status)));
    }
    if answer.body.len() > request.max_bytes {
        return Err(at(request, Problem::TooLong));
    }
    let coding = answer.content_encoding.as_deref().map(str::trim).unwrap_or_default();
    if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
        return Ok(answer.body);
    }
    let gzip = ["gzip", "x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name));
    if !(gzip && request.gzip) {
        return Err(at(request, Problem::Coding));
    }
    gunzipped(&answer.body, request.max_bytes).map_err(|problem| at(request, problem))
}

/// Reads JSON as a `T`.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Says that this was wrong with what was asked for.
pub(crate) fn at(request: &Request, problem: Problem) -> RefreshError {
    RefreshError { url: request.url.clone(), problem }
}

/// Never makes more than one byte above `most`, however much there would be.
fn gunzipped(packed: &[u8], most: usize) -> Result<Vec<u8>, Problem> {
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(packed).take(bound).read_to_end(&mut bytes);
    match read {
        Err(_) => Err(Problem::Coding),
        Ok(length) if length > most => Err(Problem::TooLong),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(request: &Request, coding: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let content_encoding = coding.map(str::to_owned);
        let answer = Response { status: 200, content_encoding, body, ..Response::default() };
        super::body(request, answer).map_err(|error| error.problem)
    }

    #[test]
    fn a_packed_body_is_unpacked_where_that_was_asked_for() {
        let list = Request::status_list(String::new());
        for coding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(read(&list, Some(coding), gzipped(b"list")).unwrap(), b"list");
        }
        for coding in [None, Some(""), Some("identity")] {
            assert_eq!(read(&list, coding, b"list".to_vec()).unwrap(), b"list");
        }
        let json = Request::json(String::new());
        for (request, coding) in [(&list, "br"), (&list, "gzip, gzip"), (&json, "gzip")] {
            let refused = read(request, Some(coding), gzipped(b"list"));
            assert!(matches!(refused, Err(Problem::Coding)), "{coding}");
        }
        let mut cut = gzipped(b"list");
        cut.pop();
        assert!(matches!(read(&list, Some("gzip"), cut), Err(Problem::Coding)));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let list = Request::status_list(String::new());
        let most = gzipped(&vec![b' '; list.max_bytes]);
        assert_eq!(read(&list, Some("gzip"), most).unwrap().len(), list.max_bytes);
        // A gigabyte, without having one to pack: the same member over and over.
        let bomb = gzipped(&vec![0; 1 << 24]).repeat(60);
        assert!(bomb.len() < list.max_bytes);
        assert!(matches!(read(&list, Some("gzip"), bomb), Err(Problem::TooLong)));
        // What comes after the bound isn't even looked at.
        let bomb = [gzipped(&vec![0; 1 << 21]), b"garbage".to_vec()].concat();
        assert!(matches!(read(&list, Some("gzip"), bomb), Err(Problem::TooLong)));
    }
}
