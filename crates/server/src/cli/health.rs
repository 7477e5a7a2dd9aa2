//! `aquaware health`: asks a running server whether it is ready, for the health checks of
//! containers, whose images have no HTTP client.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::error::CommandError;
use super::output::Output;
use crate::config::{Request, load};

/// Readiness may wait for two stores.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest response that is read: readiness names a few things that failed.
const MAX_RESPONSE: u64 = 16 * 1024;

/// Runs the command.
///
/// # Errors
/// The server does not answer, or is not ready.
pub(super) fn run(request: &Request, output: &mut Output<'_>) -> Result<(), CommandError> {
    let address = reachable(load(request)?.config.listen.management);
    if address.port() == 0 {
        let what = "listen.management has port 0, so the port of the server is unknown";
        return Err(CommandError::Usage(what.to_owned()));
    }
    let (status, body) = ask(address, "/health/ready")
        .map_err(|error| CommandError::Failed(format!("no answer from {address}: {error}")))?;
    if status == 200 {
        return Ok(output.line("ready")?);
    }
    Err(CommandError::Failed(format!("the server at {address} is not ready: {body}")))
}

/// The address at which this machine reaches a listener on `bound`.
pub(super) fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// The status and the body of a GET over plain HTTP. The status of something that is not HTTP is 0.
pub(super) fn ask(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    Ok((status.unwrap_or(0), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_is_reached_over_the_loopback() {
        for (bound, expected) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            let expected: SocketAddr = expected.parse().unwrap();
            assert_eq!(reachable(bound.parse().unwrap()), expected);
        }
    }
}
