//! The queue between the threads that log and the thread that writes to standard output.
//!
//! A log that is read slowly, or cannot be written at all, must never delay a request or the end of
//! the process. Logging therefore only queues a line. If the queue is full or writing fails, the
//! line is dropped, and the next line that is written carries the number of dropped lines.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of queued lines: some megabytes.
const MAX_QUEUED: usize = 8192;
/// How long the end of the process waits until the queued lines are written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a write is tried again if standard output is non-blocking and not ready.
const RETRY_EVERY: Duration = Duration::from_millis(10);

enum Message {
    Line(Vec<u8>),
    /// Asks for a signal once all lines before it are written.
    Flush(SyncSender<()>),
}

/// Queues log lines for the thread that writes them.
#[derive(Clone, Debug)]
pub(crate) struct LogQueue {
    sender: SyncSender<Message>,
    dropped: Arc<Dropped>,
}

/// The number of dropped lines.
#[derive(Debug, Default)]
struct Dropped {
    /// Since the start.
    total: AtomicU64,
    /// Since the last line that was written.
    unreported: AtomicU64,
}

impl Dropped {
    fn add_one(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }
}

impl LogQueue {
    /// Starts a thread that writes lines to `output`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(MAX_QUEUED);
        let dropped = Arc::<Dropped>::default();
        let lines = LineWriter { output, dropped: Arc::clone(&dropped), incomplete: false };
        thread::Builder::new().name("log".to_owned()).spawn(move || lines.run(&receiver))?;
        Ok(Self { sender, dropped })
    }

    /// Reads how many lines have been dropped since the start.
    pub(crate) fn dropped(&self) -> impl Fn() -> u64 + Send + use<> {
        let dropped = Arc::clone(&self.dropped);
        move || dropped.total.load(Ordering::Relaxed)
    }

    /// Waits until all queued lines are written, but only for a moment.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let (written, done) = mpsc::sync_channel(1);
        let mut message = Message::Flush(written);
        while let Err(TrySendError::Full(returned)) = self.sender.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = returned;
            thread::park_timeout(RETRY_EVERY);
        }
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// `tracing` writes each line with one call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.add_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Writes lines, and counts those that cannot be written.
struct LineWriter<W> {
    output: W,
    dropped: Arc<Dropped>,
    /// Whether a part of a line was written before writing failed.
    incomplete: bool,
}

impl<W: Write> LineWriter<W> {
    fn run(mut self, messages: &Receiver<Message>) {
        for message in messages {
            match message {
                Message::Line(line) => self.line(line),
                Message::Flush(written) => {
                    let _ = written.try_send(());
                }
            }
        }
    }

    fn line(&mut self, mut line: Vec<u8>) {
        let dropped = self.dropped.unreported.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            add_count(&mut line, dropped);
        }
        if self.incomplete {
            line.insert(0, b'\n');
        }
        if self.write(&line).is_err() {
            self.dropped.unreported.fetch_add(dropped, Ordering::Relaxed);
            self.dropped.add_one();
        }
    }

    fn write(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.incomplete = !rest.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::park_timeout(RETRY_EVERY)
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Adds the number of dropped lines to a line, which is a JSON object or text.
fn add_count(line: &mut Vec<u8>, dropped: u64) {
    let field = if line.ends_with(b"}\n") && line.starts_with(b"{") {
        line.truncate(line.len() - 2);
        format!(",\"dropped\":{dropped}}}\n")
    } else {
        line.truncate(line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len));
        format!(" dropped={dropped}\n")
    };
    line.extend_from_slice(field.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Writes nothing while it is locked, and fails while `broken`.
    #[derive(Clone, Default)]
    struct Output {
        written: Arc<Mutex<Vec<u8>>>,
        broken: Arc<AtomicU64>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.written.lock().unwrap();
            match self.broken.load(Ordering::SeqCst) {
                0 => written.write(bytes),
                // A disk that is nearly full takes a part of the line.
                1 => {
                    self.broken.store(2, Ordering::SeqCst);
                    written.write(&bytes[..2])
                }
                _ => Err(ErrorKind::StorageFull.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(output: &Output) -> String {
        String::from_utf8(output.written.lock().unwrap().clone()).unwrap()
    }

    fn log(queue: &LogQueue, line: &str) {
        let mut writer = queue.make_writer();
        writer.write_all(line.as_bytes()).unwrap();
    }

    /// Flushes, which takes a bounded time, until the queue is where the test needs it.
    fn flush_until(queue: &LogQueue, is_so: impl Fn() -> bool) {
        let end = Instant::now() + FLUSH_TIMEOUT * 30;
        while !is_so() {
            assert!(Instant::now() < end, "the lines were not written");
            queue.flush();
        }
    }

    #[test]
    fn a_log_that_is_not_read_blocks_no_thread_and_drops_lines() {
        let output = Output::default();
        let queue = LogQueue::start(output.clone()).unwrap();
        let unread = output.written.lock().unwrap();
        for _ in 0..MAX_QUEUED + 100 {
            log(&queue, "{\"a\":1}\n");
        }
        let start = Instant::now();
        queue.flush();
        assert!(start.elapsed() < FLUSH_TIMEOUT * 20);
        drop(unread);
        // What the thread held already, and what was queued.
        flush_until(&queue, || text(&output).lines().count() >= MAX_QUEUED);
        log(&queue, "{\"a\":2}\n");
        flush_until(&queue, || text(&output).contains("{\"a\":2"));
        let text = text(&output);
        let written = text.lines().count() as u64;
        let dropped: u64 = text
            .lines()
            .filter_map(|line| line.split_once("\"dropped\":")?.1.strip_suffix('}')?.parse().ok())
            .collect::<Vec<u64>>()
            .iter()
            .sum();
        assert!(dropped >= 98, "{dropped}");
        assert_eq!(written + dropped, MAX_QUEUED as u64 + 101);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_next_starts_on_a_line_of_its_own() {
        let output = Output::default();
        let queue = LogQueue::start(output.clone()).unwrap();
        output.broken.store(1, Ordering::SeqCst);
        log(&queue, "{\"a\":1}\n");
        log(&queue, "{\"a\":2}\n");
        flush_until(&queue, || queue.dropped()() == 2);
        output.broken.store(0, Ordering::SeqCst);
        log(&queue, "{\"a\":3}\n");
        log(&queue, "{\"a\":4}\n");
        flush_until(&queue, || text(&output).ends_with("{\"a\":4}\n"));
        assert_eq!(text(&output), "{\"\n{\"a\":3,\"dropped\":2}\n{\"a\":4}\n");
        assert_eq!(queue.dropped()(), 2, "a reported line stays counted");
    }

    #[test]
    fn the_count_of_a_text_line_is_its_last_field() {
        let mut line = b"stopped\n".to_vec();
        add_count(&mut line, 7);
        assert_eq!(line, b"stopped dropped=7\n");
    }
}
