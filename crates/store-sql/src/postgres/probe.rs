//! The state of an idle connection's socket, read without waiting.
//!
//! The driver task learns that a server closed a connection only when it is scheduled. Until then
//! the pool would hand the connection out, a statement would be sent into it, and its outcome would
//! be unknown, although it never had a chance to run.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;

use socket2::{SockRef, Socket};

/// A second handle of a connection's socket, only for peeking. It is dropped with the connection.
#[derive(Debug)]
pub(super) struct Probe(Socket);

/// The state of a socket on which no response is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketState {
    /// Open, with nothing to read.
    Quiet,
    /// The driver has not read everything yet.
    Unread,
    /// Closed or broken.
    Closed,
}

impl Probe {
    /// A probe of `socket`.
    pub(super) fn new<'s, S>(socket: &'s S) -> io::Result<Self>
    where
        SockRef<'s>: From<&'s S>,
    {
        SockRef::from(socket).try_clone().map(Self)
    }

    pub(super) fn state(&self) -> SocketState {
        match self.0.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => SocketState::Closed,
            Ok(_) => SocketState::Unread,
            Err(error) if error.kind() == ErrorKind::WouldBlock => SocketState::Quiet,
            // A signal interrupted the call, so the state is not known yet.
            Err(error) if error.kind() == ErrorKind::Interrupted => SocketState::Unread,
            Err(_) => SocketState::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_closed_socket_is_detected_before_anything_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let probe = Probe::new(&ours).unwrap();
        assert_eq!(probe.state(), SocketState::Quiet);
        theirs.write_all(b"Z").unwrap();
        assert_eq!(probe.state(), SocketState::Unread);
        assert_eq!(probe.state(), SocketState::Unread, "peeking consumes nothing");
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let probe = Probe::new(&ours).unwrap();
        drop(theirs);
        assert_eq!(probe.state(), SocketState::Closed);
    }
}
