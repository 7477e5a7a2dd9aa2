//! The addresses of the listeners: free, or used by a server of this kind; and the number of
//! connections that they can have.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::Finding;
use crate::cli::health::{ask, reachable};
use crate::config::Config;
use crate::engine::{Limit, raise_descriptor_limit};
use crate::tls::TlsAcceptor;
use aquaware_core::error_chain;

const PUBLIC: &str = "listen.public";
const MANAGEMENT: &str = "listen.management";
/// Fewer connections than this are used up by one page of a busy site.
const FEW_CONNECTIONS: usize = 900;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let public = reachable(config.listen.public);
    let mut findings = vec![
        of_listener(PUBLIC, config.listen.public, || match &config.listen.tls {
            // The certificate is for the name of the issuer, so this does not go on.
            Some(_) => Ok("another process listens there, with TLS".to_owned()),
            None => match ask(public, "/.well-known/jwks.json") {
                Ok((200, body)) if body.contains("\"keys\"") => Ok("a server answers".to_owned()),
                _ => {
                    Err("another program uses the address; stop it or change the setting"
                        .to_owned())
                }
            },
        }),
        of_listener(MANAGEMENT, config.listen.management, || {
            match ask(reachable(config.listen.management), "/health/ready") {
                Ok((200, _)) => Ok("a server is ready".to_owned()),
                Ok((503, body)) => Err(format!("a server runs, but is not ready: {}", body.trim())),
                _ => {
                    Err("another program uses the address; stop it or change the setting"
                        .to_owned())
                }
            }
        }),
    ];
    if let Some(tls) = &config.listen.tls {
        findings.push(match TlsAcceptor::open(&tls.certificate, &tls.private_key) {
            Ok(_) => Finding::ok("listen.tls", "the certificate and its key can be used"),
            Err(error) => Finding::error("listen.tls", error_chain(&error)),
        });
    }
    findings
}

fn of_listener(
    setting: &str,
    address: SocketAddr,
    user: impl FnOnce() -> Result<String, String>,
) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(setting, format!("{address} is free; no server runs there")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match user() {
            Ok(text) => Finding::ok(setting, format!("{address}: {text}")),
            Err(text) => Finding::error(setting, format!("{address}: {text}")),
        },
        Err(error) => Finding::error(setting, format!("cannot listen on {address}: {error}")),
    }
}

/// Whether the limit of this process, which that of a server may differ from, leaves room for
/// connections.
pub(super) fn check_descriptors(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "file descriptors";
    let descriptors = match raise_descriptor_limit() {
        Ok(descriptors) => descriptors,
        Err(error) => return vec![Finding::error(ABOUT, error.to_string())],
    };
    let pooled = usize::try_from(config.store.pool_size.get()).unwrap_or(usize::MAX);
    let pooled = pooled.saturating_mul(2);
    let wanted = config.listen.max_connections;
    let possible = Limit::new(None, descriptors, pooled).max();
    let text = format!("{descriptors} allow {possible} connections");
    let few = match wanted {
        Some(wanted) => possible < wanted.get(),
        None => possible < FEW_CONNECTIONS,
    };
    vec![if few {
        let wanted = wanted.map_or_else(String::new, |it| format!(" of {it} that are configured"));
        let remedy = "raise the hard limit, such as LimitNOFILE of the systemd unit";
        Finding::warning(ABOUT, format!("{text}{wanted}; {remedy}"))
    } else {
        Finding::ok(ABOUT, text)
    }]
}
