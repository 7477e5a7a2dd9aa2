//! Warnings: valid settings that are probably not intended.

use std::net::IpAddr;
use std::time::Duration;

use aquaware_core::id::Issuer;
use aquaware_core::policy::{ClientProfile, Grant, Transport};

use super::super::parse::host_and_port;
use super::super::problem::Problem;
use super::super::raw::Raw;
use super::super::schema::{Key, Secrecy};
use super::super::secret::display;
use super::super::source::Source;
use super::sections::is_wildcard;
use super::{Argon2, Config};

/// Longer windows give a thief more time to use a superseded token unnoticed.
const MAX_RETRY_WINDOW: Duration = Duration::from_secs(60);

/// The parameters that OWASP's Password Storage Cheat Sheet considers equally strong: memory in KiB
/// and iterations.
const OWASP_ARGON2: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// All warnings about a valid configuration.
pub(in crate::config) fn warnings(config: &Config, raw: &Raw) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut warn = |key: Key, what: &str| found.push(warning(raw, &key, what));
    if plain_http(config) {
        let what = "plain HTTP: tokens can be read on the network, and browsers discard Secure \
                    cookies; use https, or cookies.insecure = true for development";
        warn(Key::plain("issuer"), what);
    }
    if has_unknown_proxy(config) {
        let what = "requests seem to come through a reverse proxy, but none is trusted: all clients \
                    share the address of the proxy in limits and logs; add its address";
        warn(Key::plain("listen.trusted_proxies"), what);
    }
    if is_wildcard(config.listen.public) {
        let what = "a wildcard address: the server can be reached on every network interface";
        warn(Key::plain("listen.public"), what);
    }
    if is_wildcard(config.listen.management) {
        let what = "a wildcard address: health checks and metrics can be reached on every network \
                    interface, without authentication";
        warn(Key::plain("listen.management"), what);
    }
    if is_weak(&config.accounts.argon2) {
        let what = "weaker than the parameters that OWASP recommends, for example memory_kib = \
                    19456 with iterations = 2";
        warn(Key::plain("accounts.argon2.memory_kib"), what);
    }
    for client in &config.clients {
        let key = |name| Key::of_client(client.id().as_str(), name);
        if client.settings().grants.contains(&Grant::Password) {
            let what =
                "the password grant shows passwords to the client; RFC 9700 advises against it";
            warn(key("grants"), what);
        }
        if client.settings().retry_window > MAX_RETRY_WINDOW {
            let what = "longer than a minute: a stolen token that was replaced can be used \
                        unnoticed for as long";
            warn(key("retry_window"), what);
        }
    }
    found
}

fn warning(raw: &Raw, key: &Key, what: &str) -> Problem {
    let entry = raw.effective(key);
    let secrecy = key.setting().map_or(Secrecy::Secret, |setting| setting.secrecy);
    let value = entry.as_ref().map(|entry| display(&entry.value, secrecy));
    let source = entry.map_or(Source::Default, |entry| entry.source);
    Problem { key: Some(key.to_string()), value, source, what: what.to_owned() }
}

/// On the local host, only cookies are affected.
fn plain_http(config: &Config) -> bool {
    let transport = |client: &ClientProfile| client.settings().transport;
    let cookies = config.clients.iter().any(|it| transport(it) == Transport::Cookie);
    let (http, local) = match &config.issuer {
        Some(issuer) => (!is_https(issuer), is_local(issuer)),
        None => (config.listen.tls.is_none(), config.listen.public.ip().is_loopback()),
    };
    http && !config.insecure_cookies && (cookies || !local)
}

/// Whether the issuer shows that clients do not connect to this server directly.
fn has_unknown_proxy(config: &Config) -> bool {
    let Some(issuer) = config.issuer.as_ref().filter(|_| config.listen.trusted_proxies.is_empty())
    else {
        return false;
    };
    let loopback = config.listen.public.ip().to_canonical().is_loopback();
    let terminated = is_https(issuer) && config.listen.tls.is_none();
    terminated || (loopback && !is_local(issuer))
}

fn is_weak(argon2: &Argon2) -> bool {
    !OWASP_ARGON2.iter().any(|(memory_kib, iterations)| {
        argon2.memory_kib >= *memory_kib && argon2.iterations >= *iterations
    })
}

fn is_https(issuer: &Issuer) -> bool {
    let scheme = issuer.as_str().split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("https")
}

fn is_local(issuer: &Issuer) -> bool {
    let rest = issuer.as_str().split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = host_and_port(authority).map_or("", |(host, _)| host);
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    address.is_some_and(|address| address.to_canonical().is_loopback())
        || host.eq_ignore_ascii_case("localhost")
        || host.ends_with(".localhost")
}
