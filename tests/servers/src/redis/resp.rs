//! As much of the Redis protocol (RESP2) as starting and disturbing servers needs.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::ServersError;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Answers nest only so deep.
const DEPTH: u8 = 8;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status or a string.
    Text(String),
    /// A number.
    Number(i64),
    /// Nothing there.
    Nil,
    /// Several answers.
    List(Vec<Reply>),
}

impl Reply {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The answers in it; none if it isn't a list.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }
}

/// Carries out one command on a connection of its own.
pub(super) fn ask(
    address: SocketAddr,
    password: Option<&str>,
    words: &[&str],
) -> Result<Reply, ServersError> {
    let command = || words.join(" ").chars().take(60).collect::<String>();
    let answer = exchange(address, password, words)
        .map_err(|source| ServersError::io(format!("ask {address} to {}", command()), source))?;
    answer.map_err(|answer| ServersError::Answer { command: command(), answer })
}

fn exchange(
    address: SocketAddr,
    password: Option<&str>,
    words: &[&str],
) -> io::Result<Result<Reply, String>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
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
                // An error inside a list is an answer like others.
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

    /// What is made of an answer.
    fn answer(text: &'static str) -> Result<Reply, ServersError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"*1\r\n$4\r\nPING\r\n");
            stream.write_all(text.as_bytes()).unwrap();
        });
        let result = ask(address, None, &["PING"]);
        server.join().unwrap();
        result
    }

    #[test]
    fn each_kind_of_answer_is_understood() {
        assert_eq!(answer("+PONG\r\n").unwrap(), Reply::Text("PONG".into()));
        assert_eq!(answer(":-3\r\n").unwrap(), Reply::Number(-3));
        assert_eq!(answer("$4\r\na\r\nb\r\n").unwrap(), Reply::Text("a\r\nb".into()));
        assert_eq!(answer("$-1\r\n").unwrap(), Reply::Nil);
        let list = answer("*2\r\n*1\r\n:1\r\n$0\r\n\r\n").unwrap();
        let inner = Reply::List(vec![Reply::Number(1)]);
        assert_eq!(list, Reply::List(vec![inner, Reply::Text(String::new())]));
    }

    #[test]
    fn an_error_or_a_cut_is_no_answer() {
        let error = answer("-LOADING wait\r\n").unwrap_err();
        assert_eq!(error.to_string(), "the server answered LOADING wait to PING");
        for bad in ["", "$9\r\nshort", "?\r\n"] {
            assert!(matches!(answer(bad), Err(ServersError::Io { .. })), "{bad}");
        }
    }
}
