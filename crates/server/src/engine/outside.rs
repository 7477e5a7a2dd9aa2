//! Responses to requests that no route ever saw: what cannot be parsed, and what did not arrive.

use std::time::{Duration, UNIX_EPOCH};

use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::UnroutedResponse;

/// RFC 9110 §15.5.9.
pub(super) const REQUEST_TIMEOUT: u16 = 408;

/// hyper's own error heads are shorter.
const MAX_BARE_HEAD: usize = 160;

/// A whole response for `status`, as bytes. It announces that the connection closes.
pub(super) fn response(status: u16) -> Vec<u8> {
    let UnroutedResponse { status, request_id, body, .. } = UnroutedResponse::new(status);
    let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
    tracing::info!(
        target: "aquaware::access",
        method = "unknown",
        route = "unknown",
        status = code,
        %request_id,
        "answered"
    );
    let now = u64::try_from(SystemClock.now().seconds()).unwrap_or_default();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\n\
         content-type: application/problem+json\r\n\
         content-length: {}\r\n\
         cache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n\
         x-request-id: {request_id}\r\n\
         connection: close\r\n\
         date: {date}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Whether `bytes`, written while no request is handled, end in an error response that hyper made:
/// what comes before it, and its status. Responses of the application carry an `X-Request-Id`.
pub(super) fn find(bytes: &[u8]) -> Option<(&[u8], u16)> {
    const START: &[u8] = b"HTTP/1.1 4";
    let head = bytes.strip_suffix(b"\r\n\r\n")?;
    let tail = head.len().saturating_sub(MAX_BARE_HEAD);
    let at = tail + head.get(tail..)?.windows(START.len()).rposition(|it| it == START)?;
    let (before, bare) = bytes.split_at_checked(at)?;
    let names = bare.to_ascii_lowercase();
    if names.windows(12).any(|it| it == b"x-request-id") {
        return None;
    }
    let status = std::str::from_utf8(bare.get(9..12)?).ok()?.parse().ok()?;
    Some((before, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_head_of_the_library_is_found_behind_what_was_written_before() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 30 Nov 2026 13:00:00 GMT\r\n\r\n";
        assert_eq!(find(bare), Some((&b""[..], 431)));
        let ours = b"HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 2\r\n\r\n{}";
        let both = [&ours[..], bare].concat();
        assert_eq!(find(&both), Some((&ours[..], 431)));
        assert_eq!(find(ours), None);
    }

    #[test]
    fn responses_of_the_application_are_left_alone() {
        let ours = b"HTTP/1.1 404 Not Found\r\nX-Request-Id: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(find(ours), None);
        assert_eq!(find(&response(REQUEST_TIMEOUT)), None);
    }
}
