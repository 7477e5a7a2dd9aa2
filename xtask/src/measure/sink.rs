//! A collector and a receiver that accept everything.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A listener that answers every request with 200, until the process ends.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self { address: listener.local_addr()?, bytes: Arc::default() };
        let bytes = Arc::clone(&sink.bytes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bytes = Arc::clone(&bytes);
                // A peer that closes its connection is no failure.
                thread::spawn(move || serve(stream, &bytes).unwrap_or_default());
            }
        });
        Ok(sink)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bytes of all bodies so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, bytes: &AtomicU64) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().unwrap_or_default();
                }
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let read = io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        bytes.fetch_add(read, Ordering::Relaxed);
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}
