//! A bad network: a proxy that loses requests and answers, in an order that its seed decides.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::random::Random;
use crate::raw::{connect, read_message};

/// A proxy in front of a server. One connection at a time and one request per connection, so the
/// fates of one client's requests follow from the seed alone.
#[derive(Debug)]
pub struct LossyProxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// All goes well.
    Arrives,
    /// The server never sees it.
    RequestLost,
    /// The server has done its work, and nobody learns of it.
    AnswerLost,
    /// The same, with the beginning of the answer delivered.
    AnswerCut,
}

impl Fate {
    const fn drawn(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::RequestLost,
            1..=3 => Self::AnswerLost,
            4 => Self::AnswerCut,
            _ => Self::Arrives,
        }
    }
}

impl LossyProxy {
    /// A proxy to `server` that loses half of what it is given.
    #[must_use]
    pub fn to(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (stopped, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, counter) = (Arc::clone(&stopped), Arc::clone(&lost));
        let thread = std::thread::spawn(move || {
            let mut random = Random::seeded(seed);
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let fate = Fate::drawn(&mut random);
                let done = stream.is_ok_and(|stream| carry(stream, server, fate).is_some());
                if fate != Fate::Arrives || !done {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, stopped, lost, thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many exchanges it lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(mut client: TcpStream, server: SocketAddr, fate: Fate) -> Option<()> {
    let request = read_message(&mut client, false)?;
    if fate == Fate::RequestLost {
        return client.shutdown(Shutdown::Both).ok();
    }
    let mut upstream = connect(server).ok()?;
    upstream.write_all(&request.bytes()).ok()?;
    let answer = read_message(&mut upstream, false)?.bytes();
    let delivered = match fate {
        Fate::Arrives => answer.as_slice(),
        Fate::AnswerCut => answer.get(..answer.len() / 2)?,
        Fate::AnswerLost | Fate::RequestLost => &[],
    };
    client.write_all(delivered).ok()?;
    client.shutdown(Shutdown::Both).ok()
}
