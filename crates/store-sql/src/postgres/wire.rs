//! What goes over the wire: whether anything was sent, and the code of an error.
//!
//! Both decide what a failure means, and diesel passes on neither: of an error it keeps the text,
//! which is in the language of whoever runs the server. So the messages from the server are
//! watched here, after decryption, for their frame and for errors alone (PostgreSQL, "Message
//! Formats": a kind, a length that counts itself, a body).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// An SQLSTATE.
pub(super) type Code = [u8; 5];

/// What was seen of one connection, shared between its two ends.
#[derive(Debug, Default)]
pub(super) struct Wire {
    sent: AtomicBool,
    code: Mutex<Option<Code>>,
}

impl Wire {
    /// Forgets what was seen.
    pub(super) fn begin(&self) {
        self.sent.store(false, Ordering::Release);
        self.note(None);
    }

    /// Whether anything was handed to the operating system since.
    pub(super) fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// The code of the last error since.
    pub(super) fn code(&self) -> Option<Code> {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, code: Option<Code>) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }
}

/// Both directions of a connection, encrypted or not.
pub(super) type Stream = Box<dyn TlsStream + Send + Unpin>;

/// A connection that is watched.
pub(super) struct Watched {
    stream: Stream,
    frames: Frames,
    wire: Arc<Wire>,
}

impl Watched {
    pub(super) fn new(stream: Stream, wire: Arc<Wire>) -> Self {
        Self { stream, frames: Frames::default(), wire }
    }
}

impl TlsStream for Watched {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if let Some(code) = this.frames.follow(new) {
            this.wire.note(Some(code));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Before the attempt: what may have left counts as sent.
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

/// A stream that isn't encrypted.
pub(super) struct Plain<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Plain<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
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

/// The code stands at the start of an error, behind two words.
const KEPT: usize = 64;

/// Where in the stream of messages a connection is.
#[derive(Debug, Default)]
struct Frames {
    /// What of the current message's kind and length has come.
    head: Vec<u8>,
    /// How much of its body is still to come.
    left: usize,
    /// The start of its body, if it is an error.
    body: Vec<u8>,
}

impl Frames {
    /// Follows the stream over `bytes`; gives the code of the last error that ended in them.
    fn follow(&mut self, mut bytes: &[u8]) -> Option<Code> {
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
            let room = KEPT.saturating_sub(self.body.len());
            self.body.extend(part.iter().take(room));
        }
        rest
    }
}

/// The code in the body of an error: fields, each a letter and a text that ends with a zero.
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

    fn followed(stream: &[u8], chunk: usize) -> Option<Code> {
        let mut frames = Frames::default();
        stream.chunks(chunk).filter_map(|bytes| frames.follow(bytes)).last()
    }

    #[test]
    fn the_code_is_found_however_the_stream_is_cut() {
        let stream =
            [message(b'1', b""), message(b'D', &[b'E'; 70]), error("42P01"), message(b'Z', b"I")]
                .concat();
        for chunk in 1..stream.len() {
            assert_eq!(followed(&stream, chunk), Some(*b"42P01"), "{chunk}");
        }
    }

    #[test]
    fn the_last_of_several_is_kept_and_notices_are_none() {
        let stream = [error("40001"), message(b'N', b"SNOTICE\0C00000\0\0"), error("40P01")];
        assert_eq!(followed(&stream.concat(), 7), Some(*b"40P01"));
        assert_eq!(followed(&message(b'N', b"SWARNING\0C57P02\0\0"), 3), None);
        assert_eq!(followed(&message(b'E', b"SERROR\0Cno\0\0"), 3), None);
    }

    #[test]
    fn what_was_seen_is_forgotten_when_a_step_begins() {
        let wire = Wire::default();
        wire.sent.store(true, Ordering::Release);
        wire.note(Some(*b"42P01"));
        assert!(wire.has_sent() && wire.code() == Some(*b"42P01"));
        wire.begin();
        assert!(!wire.has_sent() && wire.code().is_none());
    }
}
