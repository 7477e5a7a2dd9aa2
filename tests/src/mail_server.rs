//! A mail server that keeps what it receives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a test waits for a mail.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The recipient of the envelope.
    pub to: String,
    /// The header and the body.
    pub text: String,
}

impl Mail {
    /// The token in the mail.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn token(&self) -> String {
        let is_token = |word: &&str| word.starts_with("eyJ") && word.matches('.').count() == 2;
        let words = self.text.split(|c: char| c.is_whitespace() || c == '=');
        let token = words.into_iter().find(is_token);
        token.unwrap_or_else(|| panic!("no token: {}", self.text)).to_owned()
    }
}

/// A mail server on the loopback. Its thread ends with the process.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    inbox: Arc<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    mails: Mutex<Vec<Mail>>,
    arrived: Condvar,
}

impl MailServer {
    /// Starts a server.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let inbox = Arc::new(Inbox::default());
        let kept = Arc::clone(&inbox);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let inbox = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, &inbox));
            }
        });
        Self { address, inbox }
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits until there are `count` mails to `address`, and returns them in the order of arrival.
    ///
    /// # Panics
    /// If they do not arrive.
    #[must_use]
    #[track_caller]
    pub fn mails(&self, address: &str, count: usize) -> Vec<Mail> {
        let theirs = |mails: &[Mail]| -> Vec<Mail> {
            mails.iter().filter(|mail| mail.to == address).cloned().collect()
        };
        let mails = self.inbox.mails.lock().expect("the inbox");
        let waiting = |mails: &mut Vec<Mail>| theirs(mails).len() < count;
        let arrived = self.inbox.arrived.wait_timeout_while(mails, PATIENCE, waiting);
        let (mails, _) = arrived.expect("the inbox");
        let found = theirs(&mails);
        assert!(found.len() >= count, "{} of {count} mails to {address}: {mails:?}", found.len());
        found
    }

    /// The last of `count` mails to `address`.
    ///
    /// # Panics
    /// If they do not arrive.
    #[must_use]
    #[track_caller]
    pub fn last(&self, address: &str, count: usize) -> Mail {
        self.mails(address, count).pop().expect("a mail")
    }
}

/// Speaks as much of RFC 5321 as a client needs.
fn serve(stream: &TcpStream, inbox: &Inbox) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    let mut answer = |text: &str| writer.write_all(format!("{text}\r\n").as_bytes()).ok();
    let mut line = String::new();
    let mut to = String::new();
    answer("220 mail.example ESMTP")?;
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" => {
                let path = line.split(['<', '>']).nth(1)?;
                path.clone_into(&mut to);
                answer("250 OK")?;
            }
            "DATA" => {
                answer("354 Go on")?;
                let mut text = String::new();
                loop {
                    line.clear();
                    if reader.read_line(&mut line).ok()? == 0 {
                        return None;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(&line);
                }
                inbox.mails.lock().expect("the inbox").push(Mail { to: to.clone(), text });
                inbox.arrived.notify_all();
                answer("250 OK")?;
            }
            "EHLO" => answer("250-mail.example\r\n250 AUTH PLAIN")?,
            // Any password is right.
            "AUTH" => answer("235 OK")?,
            "QUIT" => {
                answer("221 Bye")?;
                return Some(());
            }
            _ => answer("250 mail.example")?,
        }
    }
}
