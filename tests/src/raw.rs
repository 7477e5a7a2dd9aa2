//! Raw bytes on the wire, which no well-behaved client would send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::response::Response;

/// Longer than any response takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends these bytes and returns one response; `None` if the server closes the connection first.
///
/// A server may respond before it has read everything, so a failed write is not an error.
#[must_use]
pub fn exchange(address: SocketAddr, request: &[u8]) -> Option<Response> {
    let mut stream = connect(address).expect("the server takes connections");
    let _ = stream.write_all(request);
    let head_only = request.starts_with(b"HEAD ");
    let message = read_message(&mut stream, head_only)?;
    Some(Response::parse(&message.head, message.body))
}

/// Sends these bytes and closes the connection before a response can arrive.
pub fn hang_up(address: SocketAddr, request: &[u8]) {
    let mut stream = connect(address).expect("the server takes connections");
    stream.write_all(request).expect("a request fits the buffers");
}

/// A connection with timeouts.
pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request or response.
pub(crate) struct Message {
    /// The first line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n\r\n", &self.body].concat()
    }
}

/// Reads one message with `Content-Length`, or without a body.
pub(crate) fn read_message(stream: &mut TcpStream, head_only: bool) -> Option<Message> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = whole(&bytes, head_only) {
            return Some(message);
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn whole(bytes: &[u8], head_only: bool) -> Option<Message> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = if head_only { 0 } else { content_length(&head) };
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Message { head, body })
}

fn content_length(head: &str) -> usize {
    let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, value)| value.trim().parse().expect("a length is a number"))
}
