//! A receiver of webhooks, which answers as a test tells it to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::time::{pause, wait_for};

/// The secret of [`Receiver`]s: `whsec_` and 32 bytes.
pub const WEBHOOK_SECRET: &str = "whsec_QXF1YXdhcmUgc2lnbnMgbWVzc2FnZXMgd2l0aCBpdC4=";

/// How long a receiver that hangs keeps a connection open.
const HANGS: Duration = Duration::from_secs(60);

/// How a receiver answers a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// Not at all.
    Hang,
}

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`.
    pub timestamp: String,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body, byte by byte.
    pub body: String,
}

impl Message {
    /// The member of the body with this name.
    ///
    /// # Panics
    /// Panics if the body is not JSON.
    #[must_use]
    pub fn member(&self, name: &str) -> Value {
        let body: Value = serde_json::from_str(&self.body).expect("a body in JSON");
        body[name].clone()
    }

    /// The `type`.
    #[must_use]
    pub fn kind(&self) -> String {
        self.member("type").as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is a message that the application sends to a user.
    #[must_use]
    pub fn is_for_a_user(&self) -> bool {
        self.member("data").get("token").is_some()
    }

    /// The account that the message is about.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        self.member("data")["account_id"].as_str().map(str::to_owned)
    }
}

type Decide = dyn Fn(&Message) -> Answer + Send + Sync;

/// A receiver on the loopback.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<Message>>>,
    decide: Arc<Mutex<Arc<Decide>>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Receiver {
    /// A receiver that answers each message as `decide` says.
    ///
    /// # Panics
    /// Panics if no port is free.
    #[must_use]
    pub fn start(decide: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let decide: Arc<Decide> = Arc::new(decide);
        let receiver =
            Self { address, messages: Arc::default(), decide: Arc::new(Mutex::new(decide)) };
        let accepting = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = accepting.clone();
                thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    /// A receiver that confirms every message.
    #[must_use]
    pub fn new() -> Self {
        Self::start(|_| Answer::Status(204))
    }

    /// The URL of the webhook.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on, answers as `decide` says.
    pub fn answer(&self, decide: impl Fn(&Message) -> Answer + Send + Sync + 'static) {
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(decide);
    }

    /// The events that arrived so far, confirmed or not.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = self.all();
        messages.retain(|message| !message.is_for_a_user());
        messages
    }

    /// The messages to users that arrived so far, which carry a token.
    #[must_use]
    pub fn messages_to_users(&self) -> Vec<Message> {
        let mut messages = self.all();
        messages.retain(Message::is_for_a_user);
        messages
    }

    fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many messages arrived.
    #[must_use]
    pub fn wait_for(&self, count: usize) -> Vec<Message> {
        wait_for("messages of the webhook", Duration::from_secs(30), || {
            Some(self.messages()).filter(|messages| messages.len() >= count)
        })
    }

    /// Requests of one connection, until it is closed.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(message) = read(&mut reader) {
            let decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let answer = decide(&message);
            self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            match answer {
                Answer::Hang => return pause(HANGS),
                Answer::Status(status) => {
                    let head = format!(
                        "HTTP/1.1 {status} Any\r\nLocation: http://{}/elsewhere\r\n\
                         Content-Length: 0\r\n\r\n",
                        self.address
                    );
                    if reader.get_mut().write_all(head.as_bytes()).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

/// The next request; `None` at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Message> {
    let (mut line, mut headers) = (String::new(), Vec::new());
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    assert!(line.starts_with("POST /hook HTTP/1.1"), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Message {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body).ok()?,
    })
}
