//! A bad network: a proxy that loses requests and responses in an order determined by its seed.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::random::Random;
use crate::raw::{connect, read_message};

/// A proxy in front of a server. It handles one connection at a time and one request per
/// connection, so the seed alone determines what one client's requests encounter.
#[derive(Debug)]
pub struct LossyProxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// How an exchange ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// The response is delivered.
    Complete,
    /// The server never receives the request.
    RequestLost,
    /// The server processes the request, but the response is lost.
    ResponseLost,
    /// The same, but the beginning of the response is delivered.
    ResponseCut,
}

impl Delivery {
    const fn drawn(random: &mut Random) -> Self {
        match random.below(10) {
            0 => Self::RequestLost,
            1..=3 => Self::ResponseLost,
            4 => Self::ResponseCut,
            _ => Self::Complete,
        }
    }
}

impl LossyProxy {
    /// A proxy to `server` that loses half of all exchanges.
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
                let delivery = Delivery::drawn(&mut random);
                let done = stream.is_ok_and(|stream| carry(stream, server, delivery).is_some());
                if delivery != Delivery::Complete || !done {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, stopped, lost, thread: Some(thread) }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of lost exchanges.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which is waiting for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(mut client: TcpStream, server: SocketAddr, delivery: Delivery) -> Option<()> {
    let request = read_message(&mut client, false)?;
    if delivery == Delivery::RequestLost {
        return client.shutdown(Shutdown::Both).ok();
    }
    let mut upstream = connect(server).ok()?;
    upstream.write_all(&request.bytes()).ok()?;
    let response = read_message(&mut upstream, false)?.bytes();
    let delivered = match delivery {
        Delivery::Complete => response.as_slice(),
        Delivery::ResponseCut => response.get(..response.len() / 2)?,
        Delivery::ResponseLost | Delivery::RequestLost => &[],
    };
    client.write_all(delivered).ok()?;
    client.shutdown(Shutdown::Both).ok()
}
