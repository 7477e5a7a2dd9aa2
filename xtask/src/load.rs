//! Load for measurements: clients with connections that stay open, each of which follows the chain of
//! refreshes of its own session.
//!
//! A blocking client of a hundred lines costs less CPU than a library, which matters on a machine
//! that it shares with the server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::TaskError;

const PASSWORD: &str = "quartz otter 7319 ladder";
/// Longer than the server lets any request wait.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, TaskError> {
        let failed = || TaskError::io("cannot connect to the server");
        let stream = TcpStream::connect(address).map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(failed())?;
        Ok(Self { address, stream: BufReader::new(stream) })
    }

    /// Sends a POST request and returns the status and the body.
    pub(crate) fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<(u16, Value), TaskError> {
        self.exchange(path, headers, body).map_err(TaskError::io(format!("POST {path}")))
    }

    fn exchange(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> std::io::Result<(u16, Value)> {
        let body = body.to_string();
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let invalid = || std::io::Error::other("the response is not HTTP");
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or_else(invalid)?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| invalid())?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn succeed(&mut self, path: &str, body: &Value) -> Result<Value, TaskError> {
        match self.post(path, &[], body)? {
            (200..=299, body) => Ok(body),
            (status, body) => Err(TaskError::Message(format!("POST {path}: {status} {body}"))),
        }
    }

    /// The body of a login to the account of this number.
    pub(crate) fn credentials(number: u64) -> Value {
        json!({ "email": format!("keeper.{number}@example.com"), "password": PASSWORD })
    }

    /// Creates the account of this number.
    pub(crate) fn sign_up(&mut self, number: u64) -> Result<(), TaskError> {
        self.succeed("/auth/signup", &Self::credentials(number)).map(drop)
    }

    /// Opens a session of the account of this number.
    pub(crate) fn log_in(&mut self, number: u64) -> Result<Tokens, TaskError> {
        Tokens::of(&self.succeed("/auth/login", &Self::credentials(number))?)
    }

    pub(crate) fn refresh(&mut self, tokens: &mut Tokens) -> Result<(), TaskError> {
        let body = json!({ "refresh_token": tokens.refresh });
        *tokens = Tokens::of(&self.succeed("/auth/refresh", &body)?)?;
        Ok(())
    }
}

/// The tokens of a session.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(body: &Value) -> Result<Self, TaskError> {
        let text = |name: &str| body.get(name)?.as_str().map(str::to_owned);
        let tokens = text("access_token").zip(text("refresh_token"));
        let (access, refresh) =
            tokens.ok_or_else(|| TaskError::Message("a response without tokens".to_owned()))?;
        Ok(Self { access, refresh })
    }
}

/// A client with a session.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Connection,
    tokens: Tokens,
}

/// Clients of one account, each with its session and its connection.
pub(crate) fn clients(
    address: SocketAddr,
    account: u64,
    count: usize,
) -> Result<Vec<Client>, TaskError> {
    let open = |_| {
        let mut connection = Connection::open(address)?;
        let tokens = connection.log_in(account)?;
        Ok(Client { connection, tokens })
    };
    (0..count).map(open).collect()
}

/// The response times of some seconds of load.
#[derive(Debug)]
pub(crate) struct Sample {
    /// In ascending order.
    times: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Sample {
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.count()) / self.took.as_secs_f64()
    }

    /// The response time that this share of the requests do not exceed, in per mille.
    pub(crate) fn quantile(&self, per_mille: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get(last * per_mille / 1000).copied().unwrap_or_default()
    }
}

/// Lets every client refresh as fast as it can, for about `time`.
pub(crate) fn refresh(clients: &mut [Client], time: Duration) -> Result<Sample, TaskError> {
    let start = Instant::now();
    let times: Result<Vec<Vec<Duration>>, TaskError> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(|| refresh_until(client, start + time)))
            .collect();
        let panicked = |_| TaskError::Message("a client panicked".to_owned());
        threads.into_iter().map(|thread| thread.join().map_err(panicked)?).collect()
    });
    let took = start.elapsed();
    let mut times = times?.concat();
    times.sort_unstable();
    Ok(Sample { times, took })
}

fn refresh_until(client: &mut Client, end: Instant) -> Result<Vec<Duration>, TaskError> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        client.connection.refresh(&mut client.tokens)?;
        times.push(start.elapsed());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_response_times() {
        let times = (1..=1000).map(Duration::from_micros).collect();
        let sample = Sample { times, took: Duration::from_secs(2) };
        assert_eq!(sample.quantile(500), Duration::from_micros(500));
        assert_eq!(sample.quantile(990), Duration::from_micros(990));
        assert!((sample.rate() - 500.0).abs() < 1e-9);
        let none = Sample { times: Vec::new(), took: Duration::from_secs(1) };
        assert_eq!(none.quantile(990), Duration::ZERO);
    }
}
