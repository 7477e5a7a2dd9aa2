//! The part of the Redis protocol (RESP2) that starting and disturbing servers needs.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::ServersError;

/// The timeout for a reply to a question that is asked again.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// The timeout for other replies: a busy machine takes seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The maximum depth of nested replies.
const DEPTH: u8 = 8;

/// A reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status or a string.
    Text(String),
    /// A number.
    Number(i64),
    /// A null value.
    Nil,
    /// A list of replies.
    List(Vec<Reply>),
}

impl Reply {
    /// The text, if it is a status or a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is a number.
    #[must_use]
    pub const fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The replies in it; none if it is not a list.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }
}

/// Executes one command on a new connection, within the time of a poll.
pub(super) fn request(
    address: SocketAddr,
    password: Option<&str>,
    words: &[&str],
) -> Result<Reply, ServersError> {
    request_within(POLL, address, password, words)
}

/// Executes one command on a new connection.
pub(super) fn request_within(
    timeout: Duration,
    address: SocketAddr,
    password: Option<&str>,
    words: &[&str],
) -> Result<Reply, ServersError> {
    let command = || words.join(" ").chars().take(60).collect::<String>();
    let answer = exchange(timeout, address, password, words).map_err(|source| {
        ServersError::io(format!("send a command to {address}: {}", command()), source)
    })?;
    answer.map_err(|reply| ServersError::Reply { command: command(), reply })
}

fn exchange(
    timeout: Duration,
    address: SocketAddr,
    password: Option<&str>,
    words: &[&str],
) -> io::Result<Result<Reply, String>> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        stream.write_all(&encoded(&["AUTH", password]))?;
        if let Err(refused) = read(&mut reader, DEPTH)? {
            return Ok(Err(refused));
        }
    }
    stream.write_all(&encoded(words))?;
    read(&mut reader, DEPTH)
}

fn encoded(words: &[&str]) -> Vec<u8> {
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), strings.collect::<String>()).into_bytes()
}

fn read(reader: &mut BufReader<TcpStream>, depth: u8) -> io::Result<Result<Reply, String>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    Ok(Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => return Ok(Err(rest.to_owned())),
        ":" => Reply::Number(number()?),
        "$" => match usize::try_from(number()?) {
            Ok(length) => Reply::Text(read_string(reader, length)?),
            Err(_) => Reply::Nil,
        },
        "*" if depth > 0 => {
            let mut items = Vec::new();
            for _ in 0..number()? {
                // An error inside a list is a reply like others.
                items.push(read(reader, depth - 1)?.unwrap_or_else(Reply::Text));
            }
            Reply::List(items)
        }
        _ => return Err(io::Error::other(format!("not an answer: {line}"))),
    }))
}

fn read_string(reader: &mut BufReader<TcpStream>, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Parses a reply.
    fn reply(text: &'static str) -> Result<Reply, ServersError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 14];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"*1\r\n$4\r\nPING\r\n");
            stream.write_all(text.as_bytes()).unwrap();
        });
        let result = request_within(PATIENCE, address, None, &["PING"]);
        server.join().unwrap();
        result
    }

    #[test]
    fn each_kind_of_reply_is_parsed() {
        assert_eq!(reply("+PONG\r\n").unwrap(), Reply::Text("PONG".into()));
        assert_eq!(reply(":-3\r\n").unwrap(), Reply::Number(-3));
        assert_eq!(reply("$4\r\na\r\nb\r\n").unwrap(), Reply::Text("a\r\nb".into()));
        assert_eq!(reply("$-1\r\n").unwrap(), Reply::Nil);
        let list = reply("*2\r\n*1\r\n:1\r\n$0\r\n\r\n").unwrap();
        let inner = Reply::List(vec![Reply::Number(1)]);
        assert_eq!(list, Reply::List(vec![inner, Reply::Text(String::new())]));
    }

    #[test]
    fn errors_and_truncated_replies_are_not_replies() {
        let error = reply("-LOADING wait\r\n").unwrap_err();
        assert_eq!(error.to_string(), "the server replied LOADING wait to PING");
        for bad in ["", "$9\r\nshort", "?\r\n"] {
            assert!(matches!(reply(bad), Err(ServersError::Io { .. })), "{bad}");
        }
    }
}
