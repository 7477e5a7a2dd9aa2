//! Reading a body into memory, within a size and a time limit.

use std::io::ErrorKind;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};
use zeroize::Zeroizing;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// The value of a field. Do not format it: unlike the secret types of the core, it would print its
/// content.
pub(crate) type Text = Zeroizing<String>;

/// The maximum size of a body, in bytes.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// How long a body may take to arrive. The server that owns the connection may be stricter.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// Reads the whole body into a buffer that is overwritten when dropped.
///
/// # Errors
/// [`ErrorCode::PayloadTooLarge`], before anything is read if `Content-Length` already exceeds the
/// limit; [`ErrorCode::RequestTimeout`] for a body that takes too long; [`ErrorCode::InvalidRequest`] for
/// one that is incomplete.
pub(super) async fn read_whole(
    request: &HttpRequest,
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    timeout: Duration,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let announced = announced_length(request.headers());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(Problem::from(ErrorCode::PayloadTooLarge));
    }
    // The buffer never grows: growing would leave a copy of its content in freed memory.
    let mut whole = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(MAX_BODY)));
    let collect = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| match error {
                PayloadError::Overflow => Problem::from(ErrorCode::PayloadTooLarge),
                PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => {
                    Problem::from(ErrorCode::RequestTimeout)
                }
                _ => {
                    Problem::new(ErrorCode::InvalidRequest, "The body is incomplete or malformed.")
                }
            })?;
            if whole.len().saturating_add(chunk.len()) > MAX_BODY {
                return Err(Problem::from(ErrorCode::PayloadTooLarge));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(timeout, collect).await {
        Ok(done) => done.map(|()| whole),
        Err(_) => Err(Problem::from(ErrorCode::RequestTimeout)),
    }
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether `text` contains a control character, including NUL and line breaks.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use futures_util::stream;

    use super::*;

    async fn whole(length: Option<usize>, chunks: &[usize]) -> Result<usize, ErrorCode> {
        let mut request = TestRequest::default();
        if let Some(length) = length {
            request = request.insert_header((header::CONTENT_LENGTH, length));
        }
        let chunks = chunks.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size])));
        // Reading past the last chunk never ends, and neither does the test.
        let payload = stream::iter(chunks.collect::<Vec<_>>()).chain(stream::pending());
        let payload = payload.take(if length.is_some() { 100 } else { 3 });
        let request = request.to_http_request();
        let read = read_whole(&request, payload, Duration::from_millis(50));
        read.await.map(|bytes| bytes.len()).map_err(|problem| problem.code())
    }

    #[actix_web::test]
    async fn large_bodies_are_rejected_before_or_while_they_are_read() {
        assert_eq!(whole(Some(MAX_BODY + 1), &[]).await, Err(ErrorCode::PayloadTooLarge));
        assert_eq!(whole(None, &[MAX_BODY, 1]).await, Err(ErrorCode::PayloadTooLarge));
        assert_eq!(whole(None, &[MAX_BODY + 1]).await, Err(ErrorCode::PayloadTooLarge));
        assert_eq!(whole(Some(3), &[MAX_BODY, 1]).await, Err(ErrorCode::PayloadTooLarge));
        assert_eq!(whole(None, &[MAX_BODY - 1, 1, 0]).await, Ok(MAX_BODY));
    }

    #[actix_web::test]
    async fn a_body_that_never_arrives_times_out() {
        assert_eq!(whole(Some(10), &[5]).await, Err(ErrorCode::RequestTimeout));
    }

    #[actix_web::test]
    async fn an_incomplete_body_is_an_invalid_request() {
        let payload = stream::iter([Ok(Bytes::from("{")), Err(PayloadError::Incomplete(None))]);
        let request = TestRequest::default().to_http_request();
        let problem = read_whole(&request, payload, TIMEOUT).await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::InvalidRequest);
    }
}
