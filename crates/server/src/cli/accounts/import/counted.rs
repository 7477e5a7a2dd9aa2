//! How much of a file has been read.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Counts the bytes that are read. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Rc<Cell<u64>>);

impl Count {
    pub(super) fn bytes(&self) -> u64 {
        self.0.get()
    }

    /// `stream`, and counts its bytes.
    pub(super) fn of<R: Read>(&self, stream: R) -> Counted<R> {
        Counted { stream, count: self.clone() }
    }
}

/// A stream that counts the bytes read from it.
pub(super) struct Counted<R> {
    stream: R,
    count: Count,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        let read = u64::try_from(length).unwrap_or(u64::MAX);
        self.count.0.set(self.count.bytes().saturating_add(read));
        Ok(length)
    }
}
