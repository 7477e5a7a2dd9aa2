//! What was observed on the wire: whether anything was sent, the code of an error, the state of the
//! transaction, and the server process that answered first.
//!
//! They decide what an error means and whether a pooler is in between, and diesel reports none of
//! them: of an error it keeps only the text, which is in the server's language. The messages from the
//! server are therefore parsed here, after decryption, but only as far as frames and these values
//! (PostgreSQL, "Message Formats": a kind, a length that includes itself, a body).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
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
    /// Whether what is sent now cannot change a record.
    harmless: AtomicBool,
    code: Mutex<Option<Code>>,
    /// The last `ReadyForQuery`.
    transaction: AtomicU8,
    /// The process that the server named when the connection began.
    process: Mutex<Option<i32>>,
}

/// The state in which no transaction is open.
const IDLE: u8 = b'I';

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

    /// Whether what follows cannot change a record, so that it does not count as sent.
    pub(super) fn set_harmless(&self, harmless: bool) {
        self.harmless.store(harmless, Ordering::Release);
    }

    /// Whether a transaction is open, failed or not.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.load(Ordering::Acquire) != IDLE
    }

    /// The server process that the connection began with, if the server named one.
    pub(super) fn process(&self) -> Option<i32> {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, code: Option<Code>) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }

    fn note_message(&self, kind: u8, body: &[u8]) {
        match kind {
            ERROR => {
                if let Some(code) = code_of(body) {
                    self.note(Some(code));
                }
            }
            READY => {
                if let Some(state) = body.first() {
                    self.transaction.store(*state, Ordering::Release);
                }
            }
            _ => {
                let id = body.first_chunk().map(|id| i32::from_be_bytes(*id));
                *self.process.lock().unwrap_or_else(PoisonError::into_inner) = id;
            }
        }
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
        this.parser.parse(new, |kind, body| this.wire.note_message(kind, body));
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
        if !self.wire.harmless.load(Ordering::Acquire) {
            self.wire.sent.store(true, Ordering::Release);
        }
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

/// `ErrorResponse`.
const ERROR: u8 = b'E';
/// `ReadyForQuery`.
const READY: u8 = b'Z';
/// `BackendKeyData`.
const PROCESS: u8 = b'K';
/// The kinds of messages that are kept whole.
const KEPT: [u8; 3] = [ERROR, READY, PROCESS];
/// How much of a body is kept. The code of an error is near the start, after two short fields.
const MAX_BODY_BYTES: usize = 64;

/// The position in the stream of messages.
#[derive(Debug, Default)]
struct FrameParser {
    /// The part of the current message's kind and length that has arrived.
    head: Vec<u8>,
    /// The number of bytes of its body that have not arrived.
    left: usize,
    /// The start of its body, if its kind is one of [`KEPT`].
    body: Vec<u8>,
}

impl FrameParser {
    /// Parses the next bytes of the stream; reports the kept messages that end in them.
    fn parse(&mut self, mut bytes: &[u8], mut report: impl FnMut(u8, &[u8])) {
        while !bytes.is_empty() {
            bytes = if self.head.len() < 5 { self.read_head(bytes) } else { self.read_body(bytes) };
            if self.head.len() == 5 && self.left == 0 {
                if let Some(kind) = self.kept() {
                    report(kind, &self.body);
                }
                self.head.clear();
                self.body.clear();
            }
        }
    }

    /// The kind of the current message, if its body is kept.
    fn kept(&self) -> Option<u8> {
        self.head.first().copied().filter(|kind| KEPT.contains(kind))
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
        if self.kept().is_some() {
            let room = MAX_BODY_BYTES.saturating_sub(self.body.len());
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

    fn observe(stream: &[u8], chunk: usize) -> WireState {
        let (mut parser, wire) = (FrameParser::default(), WireState::default());
        for bytes in stream.chunks(chunk) {
            parser.parse(bytes, |kind, body| wire.note_message(kind, body));
        }
        wire
    }

    fn parse_chunks(stream: &[u8], chunk: usize) -> Option<Code> {
        observe(stream, chunk).code()
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
    fn the_process_and_the_state_of_the_transaction_are_observed() {
        let process = message(b'K', &[0, 0, 1, 2, 9, 9, 9, 9]);
        let ready = |state| message(b'Z', &[state]);
        let stream = [process, ready(b'I'), error("42P01"), ready(b'E')].concat();
        for chunk in 1..stream.len() {
            let wire = observe(&stream, chunk);
            assert!(wire.is_in_transaction() && wire.process() == Some(258), "{chunk}");
        }
        assert!(observe(&ready(b'T'), 2).is_in_transaction());
        assert!(!observe(&[ready(b'T'), ready(b'I')].concat(), 3).is_in_transaction());
        assert_eq!(observe(&ready(b'I'), 1).process(), None);
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
