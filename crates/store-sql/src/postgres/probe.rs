//! What the operating system knows of an idle connection, read without waiting.
//!
//! The driver task learns that a server closed a connection only when it is scheduled. Until then
//! the pool would hand the connection out, a statement would be sent into it, and its outcome would
//! be unknown, although it never had a chance to run.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use socket2::{SockRef, Socket};

/// A second handle of a connection's socket that only looks. It is dropped with the connection.
#[derive(Debug)]
pub(super) struct Probe(Socket);

/// The state of a connection on which no response is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// Open, with nothing to read.
    Quiet,
    /// The driver has not read everything yet.
    Unread,
    /// Closed or broken.
    Closed,
}

impl Probe {
    /// A probe of `socket`.
    pub(super) fn of(socket: &impl AsFd) -> io::Result<Self> {
        SockRef::from(socket).try_clone().map(Self)
    }

    pub(super) fn state(&self) -> Idle {
        match self.0.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => Idle::Closed,
            Ok(_) => Idle::Unread,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Idle::Quiet,
            // Another signal arrived first: the next look will tell.
            Err(error) if error.kind() == ErrorKind::Interrupted => Idle::Unread,
            Err(_) => Idle::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_closed_connection_is_seen_before_anything_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let probe = Probe::of(&ours).unwrap();
        assert_eq!(probe.state(), Idle::Quiet);
        theirs.write_all(b"Z").unwrap();
        assert_eq!(probe.state(), Idle::Unread);
        assert_eq!(probe.state(), Idle::Unread, "looking takes nothing away");
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let probe = Probe::of(&ours).unwrap();
        drop(theirs);
        assert_eq!(probe.state(), Idle::Closed);
    }
}
