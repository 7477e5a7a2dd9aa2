//! What a server connects to besides its stores: it must accept a connection.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::Duration;

use url::Url;

use super::Finding;
use crate::cli::severity::Severity;
use crate::config::Config;

/// How long one address may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 3;

/// A receiver of connections, and what to do if it is away.
struct Receiver {
    setting: &'static str,
    host: String,
    port: u16,
    severity: Severity,
    consequence: &'static str,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mail = config.mail.as_ref().map(|mail| mail.server.address());
    let mail = mail.map(|(host, port)| Receiver {
        setting: "mail.url",
        host: host.to_owned(),
        port,
        severity: Severity::Error,
        consequence: "messages to users wait in the outbox for a day at most",
    });
    let webhook = config.webhook.as_ref().and_then(|webhook| of_url(webhook.url.expose()));
    let webhook = webhook.map(|(host, port)| Receiver {
        setting: "webhook.url",
        host,
        port,
        severity: Severity::Error,
        consequence: "events wait in the outbox for a day at most; `aquaware webhook test` tries it",
    });
    let collector = config.otlp_endpoint.as_ref().and_then(|url| of_url(url.expose()));
    let collector = collector.map(|(host, port)| Receiver {
        setting: "telemetry.otlp_endpoint",
        host,
        port,
        severity: Severity::Warning,
        consequence: "traces are dropped",
    });
    let receivers: Vec<Receiver> = [mail, webhook, collector].into_iter().flatten().collect();
    thread::scope(|scope| {
        let tried: Vec<_> =
            receivers.iter().map(|receiver| scope.spawn(|| receiver.check())).collect();
        tried.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn of_url(text: &str) -> Option<(String, u16)> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), url.port_or_known_default()?))
}

impl Receiver {
    /// The text contains the host, but not the rest of the URL, which may be secret.
    fn check(&self) -> Finding {
        let Self { setting, host, port, .. } = self;
        match self.connect() {
            Ok(()) => Finding::ok(*setting, format!("{host}:{port} accepts connections")),
            Err(cause) => {
                let text = format!("{host}:{port}: {cause}; {}", self.consequence);
                Finding::new(self.severity, *setting, text)
            }
        }
    }

    fn connect(&self) -> Result<(), String> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("the host is not found ({error})"))?;
        let mut cause = "the host has no address".to_owned();
        for address in addresses.take(MAX_ADDRESSES) {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(_) => return Ok(()),
                Err(error) => cause = format!("no connection ({error})"),
            }
        }
        Err(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn hosts_and_ports_are_those_of_the_url() {
        assert_eq!(of_url("https://hooks.example/x?y"), Some(("hooks.example".to_owned(), 443)));
        assert_eq!(of_url("http://[::1]:4318"), Some(("::1".to_owned(), 4318)));
        assert_eq!(of_url("collector"), None);
    }

    #[test]
    fn a_receiver_that_is_away_is_a_finding_with_its_consequence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Receiver {
            setting: "webhook.url",
            host: "127.0.0.1".to_owned(),
            port,
            severity: Severity::Error,
            consequence: "events wait",
        };
        assert_eq!(receiver.check().severity, Severity::Ok);
        drop(listener);
        let found = receiver.check();
        assert_eq!(found.severity, Severity::Error);
        assert!(found.text.contains("events wait"), "{found:?}");
    }
}
