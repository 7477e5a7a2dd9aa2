//! What was observed on the wire: whether anything was sent, and the code of an error.
//!
//! Both decide what an error means, and diesel reports neither: of an error it keeps only the text,
//! which is in the server's language. The messages from the server are therefore parsed here, after
//! decryption, but only as far as frames and error codes (PostgreSQL, "Message Formats": a kind, a
//! length that includes itself, a body).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// An SQLSTATE.
pub(super) type Code = [u8; 5];

/// What was observed on one connection; shared by the stream and the connection.
#[derive(Debug, Default)]
pub(super) struct WireState {
    sent: AtomicBool,
    code: Mutex<Option<Code>>,
}

impl WireState {
    /// Starts an operation: forgets what was observed before.
    pub(super) fn begin(&self) {
        self.sent.store(false, Ordering::Release);
        self.note(None);
    }

    /// Whether anything was passed to the operating system since then.
    pub(super) fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// The code of the last error since then.
    pub(super) fn code(&self) -> Option<Code> {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, code: Option<Code>) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }
}

/// Both directions of a connection, encrypted or not.
pub(super) type Stream = Box<dyn TlsStream + Send + Unpin>;

/// A stream that records what is observed on it.
pub(super) struct ObservedStream {
    stream: Stream,
    parser: FrameParser,
    wire: Arc<WireState>,
}

impl ObservedStream {
    pub(super) fn new(stream: Stream, wire: Arc<WireState>) -> Self {
        Self { stream, parser: FrameParser::default(), wire }
    }
}

impl TlsStream for ObservedStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl AsyncRead for ObservedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if let Some(code) = this.parser.parse(new) {
            this.wire.note(Some(code));
        }
        polled
    }
}

impl AsyncWrite for ObservedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Recorded before the attempt: whatever may have left counts as sent.
        self.wire.sent.store(true, Ordering::Release);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A stream without encryption.
pub(super) struct PlainStream<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for PlainStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PlainStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PlainStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// How much of an error is kept. Its code is near the start, after two short fields.
const MAX_ERROR_BYTES: usize = 64;

/// The position in the stream of messages.
#[derive(Debug, Default)]
struct FrameParser {
    /// The part of the current message's kind and length that has arrived.
    head: Vec<u8>,
    /// The number of bytes of its body that have not arrived.
    left: usize,
    /// The start of its body, if the message is an error.
    body: Vec<u8>,
}

impl FrameParser {
    /// Parses the next bytes of the stream; returns the code of the last error that ends in them.
    fn parse(&mut self, mut bytes: &[u8]) -> Option<Code> {
        let mut last = None;
        while !bytes.is_empty() {
            bytes = if self.head.len() < 5 { self.read_head(bytes) } else { self.read_body(bytes) };
            if self.head.len() == 5 && self.left == 0 {
                if self.head.first() == Some(&b'E') {
                    last = code_of(&self.body).or(last);
                }
                self.head.clear();
                self.body.clear();
            }
        }
        last
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (part, rest) = bytes.split_at(bytes.len().min(5 - self.head.len()));
        self.head.extend_from_slice(part);
        if let [_, length @ ..] = self.head.as_slice()
            && let Ok(length) = <[u8; 4]>::try_from(length)
        {
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0).saturating_sub(4);
        }
        rest
    }

    fn read_body<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (part, rest) = bytes.split_at(bytes.len().min(self.left));
        self.left -= part.len();
        if self.head.first() == Some(&b'E') {
            let room = MAX_ERROR_BYTES.saturating_sub(self.body.len());
            self.body.extend(part.iter().take(room));
        }
        rest
    }
}

/// The code in the body of an error, which consists of fields: a letter, and a text that ends with a
/// zero byte.
fn code_of(body: &[u8]) -> Option<Code> {
    body.split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"C"))
        .and_then(|code| code.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn error(code: &str) -> Vec<u8> {
        let long = "x".repeat(500);
        let body = format!("SFEHLER\0VERROR\0C{code}\0MTabelle {long} gibt es nicht\0\0");
        message(b'E', body.as_bytes())
    }

    fn parse_chunks(stream: &[u8], chunk: usize) -> Option<Code> {
        let mut parser = FrameParser::default();
        stream.chunks(chunk).filter_map(|bytes| parser.parse(bytes)).last()
    }

    #[test]
    fn the_code_is_found_however_the_stream_is_split() {
        let stream =
            [message(b'1', b""), message(b'D', &[b'E'; 70]), error("42P01"), message(b'Z', b"I")]
                .concat();
        for chunk in 1..stream.len() {
            assert_eq!(parse_chunks(&stream, chunk), Some(*b"42P01"), "{chunk}");
        }
    }

    #[test]
    fn the_last_of_several_codes_counts_and_notices_do_not() {
        let stream = [error("40001"), message(b'N', b"SNOTICE\0C00000\0\0"), error("40P01")];
        assert_eq!(parse_chunks(&stream.concat(), 7), Some(*b"40P01"));
        assert_eq!(parse_chunks(&message(b'N', b"SWARNING\0C57P02\0\0"), 3), None);
        assert_eq!(parse_chunks(&message(b'E', b"SERROR\0Cno\0\0"), 3), None);
    }

    #[test]
    fn an_operation_starts_without_earlier_observations() {
        let wire = WireState::default();
        wire.sent.store(true, Ordering::Release);
        wire.note(Some(*b"42P01"));
        assert!(wire.has_sent() && wire.code() == Some(*b"42P01"));
        wire.begin();
        assert!(!wire.has_sent() && wire.code().is_none());
    }
}
