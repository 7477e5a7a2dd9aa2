//! A bad network: an HTTP proxy that loses, delays, duplicates and truncates answers, and sometimes
//! answers itself. What happens to a request follows from the seed and the number of the request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::chaos::order::Order;
use crate::error::TaskError;

/// How long the proxy waits for either side.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A longer message is not one of the server.
const MAX_MESSAGE: usize = 64 * 1024;
/// Longer than clients wait for an answer.
const LONG: u64 = 2_500;

/// A proxy; it accepts connections as long as the process runs.
#[derive(Debug)]
pub(super) struct Network {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

/// What happens to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    /// The server never receives the request.
    RequestLost,
    AnswerLost,
    /// This share of the answer arrives, in percent.
    Truncated(u64),
    /// The answer arrives after so many milliseconds; answers of other connections overtake it.
    Delayed(u64),
    /// The answer arrives twice.
    AnswerTwice,
    /// The server receives the request twice, one after the other.
    RequestTwice,
    /// The proxy answers with this status, after the server has processed the request or without
    /// asking it.
    Proxy {
        status: u16,
        asked: bool,
    },
}

impl Fate {
    /// More than half of all exchanges go well.
    const fn of(random: u64) -> Self {
        let detail = random >> 32;
        match random % 100 {
            0..56 => Self::Delivered,
            56..62 => Self::RequestLost,
            62..70 => Self::AnswerLost,
            70..76 => Self::Truncated(detail % 100),
            76..83 => Self::Delayed(detail % 150),
            83 => Self::Delayed(LONG),
            84..87 => Self::AnswerTwice,
            87..90 => Self::RequestTwice,
            _ => {
                let status = match detail % 10 {
                    0 => 200,
                    1 => 401,
                    2 => 429,
                    3 => 500,
                    4 | 5 => 502,
                    6 | 7 => 503,
                    8 => 504,
                    _ => 522,
                };
                Self::Proxy { status, asked: detail & 0x100 == 0 }
            }
        }
    }
}

impl Network {
    /// A proxy to the server at this address, which may stop and start.
    ///
    /// # Errors
    /// It cannot listen.
    pub(super) fn before(server: SocketAddr, seed: u64) -> Result<Self, TaskError> {
        let failed = || TaskError::io("cannot listen");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        let order = Arc::new(Order::default());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (count, order) = (Arc::clone(&count), Arc::clone(&order));
                thread::spawn(move || {
                    // An error is one more fault.
                    let _ = carry(&client, server, &order, || {
                        Fate::of(mixed(seed.wrapping_add(count.fetch_add(1, Ordering::Relaxed))))
                    });
                });
            }
        });
        Ok(Self { address, requests })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have arrived.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Vigna's `SplitMix64`, for one number.
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Serves a connection of a client until one side or a fault ends it.
fn carry(
    mut client: &TcpStream,
    server: SocketAddr,
    order: &Order,
    next: impl Fn() -> Fate,
) -> io::Result<()> {
    client.set_read_timeout(Some(TIMEOUT))?;
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client.try_clone()?);
    while let Some(request) = message(&mut reader)? {
        let fate = next();
        let running = order.enter(&request);
        let answer = match fate {
            Fate::RequestLost | Fate::Proxy { asked: false, .. } => Vec::new(),
            Fate::RequestTwice => {
                let _ = ask(server, &request)?;
                ask(server, &request)?
            }
            _ => ask(server, &request)?,
        };
        drop(running);
        match fate {
            Fate::RequestLost | Fate::AnswerLost => return Ok(()),
            Fate::Truncated(percent) => {
                let length = answer.len() as u64 * percent / 100;
                return client.write_all(answer.get(..length as usize).unwrap_or_default());
            }
            Fate::Delayed(span) => pause(span),
            Fate::AnswerTwice => client.write_all(&answer)?,
            Fate::Proxy { status, .. } => {
                client.write_all(own_answer(status).as_bytes())?;
                continue;
            }
            Fate::Delivered | Fate::RequestTwice => {}
        }
        client.write_all(&answer)?;
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a network takes time")]
fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// What a proxy or a captive portal would say.
fn own_answer(status: u16) -> String {
    let body = "<html>This is not the server.</html>";
    let length = body.len();
    let again = if matches!(status, 429 | 503) { "retry-after: 0\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/html\r\n{again}content-length: {length}\r\n\r\n{body}"
    )
}

/// The server's answer to the request, over a new connection.
fn ask(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request)?;
    let answer = message(&mut BufReader::new(stream))?;
    answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The next message with its body; `None` at the end of the connection.
fn message(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let (mut text, mut length) = (Vec::new(), 0);
    loop {
        let start = text.len();
        if reader.by_ref().take(MAX_MESSAGE as u64).read_until(b'\n', &mut text)? == 0 {
            return if text.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        let line = String::from_utf8_lossy(text.get(start..).unwrap_or_default()).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
        if text.len() + length > MAX_MESSAGE {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let start = text.len();
    text.resize(start + length, 0);
    reader.read_exact(text.get_mut(start..).unwrap_or_default())?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_fate_occurs_and_most_exchanges_go_well() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for number in 0..10_000 {
            let fate = format!("{:?}", Fate::of(mixed(number)));
            let name = fate.split(['(', ' ']).next().unwrap().to_owned();
            *counts.entry(name).or_default() += 1;
        }
        assert_eq!(counts.len(), 8, "{counts:?}");
        assert!(counts.values().all(|count| *count > 200), "{counts:?}");
        assert!(counts["Delivered"] > 5_000, "{counts:?}");
    }

    /// A server that echoes the bodies of its requests.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let request = message(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
                let request = String::from_utf8(request.unwrap()).unwrap();
                let body = request.split_once("\r\n\r\n").unwrap().1;
                let length = body.len();
                let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        address
    }

    /// What a client receives for a request with this fate.
    fn received(fate: Fate) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        client.write_all(b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nfish").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        carry(&accepted, echo(), &Order::default(), || fate).unwrap();
        drop(accepted);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn answers_are_delivered_lost_truncated_and_doubled() {
        let whole = received(Fate::Delivered);
        assert!(whole.ends_with("\r\n\r\nfish"), "{whole}");
        assert_eq!(received(Fate::RequestTwice), whole);
        assert_eq!(received(Fate::Delayed(5)), whole);
        assert_eq!(received(Fate::AnswerTwice), whole.repeat(2));
        for fate in [Fate::RequestLost, Fate::AnswerLost, Fate::Truncated(0)] {
            assert_eq!(received(fate), "", "{fate:?}");
        }
        let half = received(Fate::Truncated(50));
        assert!(whole.starts_with(&half) && half.len() == whole.len() / 2);
        let own = received(Fate::Proxy { status: 502, asked: true });
        assert!(own.starts_with("HTTP/1.1 502 ") && own.ends_with("</html>"), "{own}");
    }
}
