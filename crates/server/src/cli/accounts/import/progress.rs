//! The progress of an import at a terminal.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{bar:40} {percent:>3} %  {msg}  {eta} left";

/// A bar on standard error, if that is a terminal. Nothing is shown before [`Progress::show`].
pub(super) struct Progress {
    bar: ProgressBar,
    read: Rc<Cell<u64>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bar: ProgressBar::hidden(), read: Rc::default() }
    }
}

impl Progress {
    /// Shows how much of `length` bytes has been read.
    pub(super) fn show(&self, length: u64) {
        self.bar.set_length(length);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            self.bar.set_style(style);
        }
        self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }

    /// `stream`, and counts its bytes.
    pub(super) fn counted<R: Read>(&self, stream: R) -> Counted<R> {
        Counted { stream, read: Rc::clone(&self.read) }
    }

    /// The accounts that are stored, and the lines that were rejected.
    pub(super) fn update(&self, accounts: u64, rejected: usize) {
        self.bar.set_position(self.read.get());
        self.bar.set_message(format!("{accounts} accounts, {rejected} lines rejected"));
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Counts the bytes that are read.
pub(super) struct Counted<R> {
    stream: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.read.set(self.read.get().saturating_add(read));
        Ok(count)
    }
}
