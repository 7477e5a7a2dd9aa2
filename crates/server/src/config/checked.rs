//! The checked configuration: a [`Config`] contains no invalid values.
//!
//! Paths are joined with the data directory, a zero that means "one per core" is replaced by the
//! number of cores, and "never" and "unlimited" are `None`.

mod clients;
mod compat;
mod mail;
mod sections;
mod warnings;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquaware_core::id::Issuer;
use aquaware_core::jwt::Algorithm;
use aquaware_core::origin::OriginRecord;
use aquaware_core::policy::{ClientProfile, TokenPolicy};
use aquaware_http::{EventKind, Limits, Origin};
use ipnet::IpNet;

pub(crate) use self::compat::{SIMPLEJWT_CLIENT, SimpleJwt};
pub(crate) use self::mail::Mail;
pub(super) use self::warnings::warnings;
use super::problem::Problem;
use super::raw::Raw;
use super::reader::Reader;
use super::secret::SecretText;
pub(crate) use super::types::{Engine, LogFormat, Signup, StoreUrl};
use crate::webhook::SigningSecret;

/// All settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    issuer: Option<Issuer>,
    /// The base of relative paths. It may not exist yet.
    pub(crate) data_dir: PathBuf,
    /// Whether `/openapi.json` and `/docs` are served.
    pub(crate) documents: bool,
    /// Whether `/account` is served.
    pub(crate) pages: bool,
    pub(crate) listen: Listen,
    pub(crate) store: Stores,
    pub(crate) keys: Keys,
    pub(crate) accounts: Accounts,
    clients: Vec<ClientProfile>,
    pub(crate) limits: Limits,
    /// Mail to users; `None` without a mail server.
    pub(crate) mail: Option<Mail>,
    /// The name of the refresh cookie after its prefix.
    pub(crate) cookie_name: String,
    pub(crate) sessions: Sessions,
    /// Cookies without `Secure` and without the prefix, for development over plain HTTP.
    pub(crate) insecure_cookies: bool,
    /// The web origins that may send credentials, besides that of the issuer.
    pub(crate) allow_origins: Vec<Origin>,
    /// `[compat.simplejwt]`; `None` if its doors are closed.
    pub(crate) simplejwt: Option<SimpleJwt>,
    pub(crate) log: Log,
    pub(crate) webhook: Option<Webhook>,
    /// Where traces are sent. Secret, because a URL may contain a key.
    pub(crate) otlp_endpoint: Option<SecretText>,
}

/// `[listen]`.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// The public address. Port 0 selects a free port.
    pub(crate) public: SocketAddr,
    /// The management address. Its port differs from that of `public` unless both are 0.
    pub(crate) management: SocketAddr,
    /// The number of threads that serve requests.
    pub(crate) workers: NonZeroUsize,
    /// The proxies that may set `X-Forwarded-For`.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The longest time without a byte of progress on a connection.
    pub(crate) idle_timeout: Duration,
    /// How many connections may be open; `None` derives it from the limit on descriptors.
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// TLS of the public listener; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
}

/// `[listen.tls]`: PEM files. They may not exist.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) sessions: StoreUrl,
    pub(crate) accounts: StoreUrl,
    /// The number of connections to each store.
    pub(crate) pool_size: NonZeroU32,
    /// The deadline of an operation, including the wait for a connection; never zero.
    pub(crate) timeout: Duration,
    /// Whether the server migrates the tables when it starts.
    pub(crate) migrate: bool,
}

impl Stores {
    /// Whether replicas count limits together, in the store of the sessions.
    pub(crate) const fn shares_limits(&self) -> bool {
        matches!(self.sessions, StoreUrl::Server(Engine::Redis, _))
    }
}

/// `[keys]`.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// The directory of the key files. It may not exist yet.
    pub(crate) directory: PathBuf,
    pub(crate) algorithm: Algorithm,
    /// How long a key signs, at least an hour; `None` for rotation by hand only.
    pub(crate) rotate_every: Option<Duration>,
}

/// `[accounts]`.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) signup: Signup,
    /// The minimum length in characters, from 8 to 128.
    pub(crate) password_min_length: usize,
    /// Whether only accounts with a verified address can log in.
    pub(crate) require_verified_email: bool,
    pub(crate) argon2: Argon2,
}

/// `[accounts.argon2]`, within the ranges of the algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Argon2 {
    /// The memory of one hash in KiB.
    pub(crate) memory_kib: u32,
    /// The number of passes over the memory.
    pub(crate) iterations: u32,
    pub(crate) parallelism: u32,
    /// The maximum number of concurrent hashes.
    pub(crate) max_concurrent: NonZeroUsize,
    /// The maximum number of queued hashes. Further requests receive 503.
    pub(crate) max_waiting: usize,
}

/// `[sessions]`, and the limit of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sessions {
    /// What is stored about the origin of logins and refreshes.
    pub(crate) record: OriginRecord,
    /// How many sessions an account may have with one client; `None` for any number.
    pub(crate) per_account: Option<NonZeroU32>,
}

/// `[webhook]`.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    /// The receiver. Secret, because it may contain a key.
    pub(crate) url: SecretText,
    pub(crate) secret: SigningSecret,
    /// The events that it gets.
    pub(crate) events: BTreeSet<EventKind>,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// A level or directives of `tracing_subscriber::EnvFilter`.
    pub(crate) level: String,
}

impl Config {
    /// The configured issuer, otherwise the URL of the public listener at `bound`.
    pub(crate) fn issuer(&self, bound: SocketAddr) -> Option<Issuer> {
        let scheme = if self.listen.tls.is_some() { "https" } else { "http" };
        self.issuer.clone().or_else(|| Issuer::new(format!("{scheme}://{bound}")).ok())
    }

    /// The token policy of a server with the public listener at `bound`.
    ///
    /// `None` only if no issuer is configured and the address has an IPv6 scope id, which a URL
    /// cannot contain.
    pub(crate) fn policy(&self, bound: SocketAddr) -> Option<TokenPolicy> {
        Some(TokenPolicy::new(self.issuer(bound)?, self.clients.iter().cloned()))
    }
}

/// Checks the raw values. A relative data directory starts at `directory`.
pub(super) fn check(raw: &Raw, directory: &Path) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader::new(raw, directory.to_owned());
    let config = sections::config(&mut reader, directory);
    let (problems, _) = reader.finish();
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

#[cfg(test)]
mod tests {
    use super::super::schema::{CLIENT_SETTINGS, Key, SETTINGS};
    use super::*;

    #[test]
    fn every_setting_of_the_schema_is_read() {
        let raw = Raw::new();
        let mut reader = Reader::new(&raw, PathBuf::new());
        sections::config(&mut reader, Path::new("")).unwrap();
        let (problems, read) = reader.finish();
        assert_eq!(problems, []);
        let plain = SETTINGS.iter().map(|setting| Key::plain(setting.path));
        let of = |id| CLIENT_SETTINGS.iter().map(move |setting| Key::of_client(id, setting.path));
        let all: BTreeSet<Key> = plain.chain(of("web")).chain(of("device")).collect();
        assert_eq!(read, all);
    }

    #[test]
    fn the_issuer_is_the_bound_address_unless_configured() {
        let bound: SocketAddr = "[::1]:4711".parse().unwrap();
        let issuer = |file: &str| {
            let mut raw = Raw::new();
            raw.add_file("a.toml", file.as_bytes());
            let config = check(&raw, Path::new("")).unwrap();
            config.policy(bound).unwrap().issuer().to_string()
        };
        assert_eq!(issuer(""), "http://[::1]:4711");
        assert_eq!(issuer("issuer = 'https://a.example/'"), "https://a.example/");
        let tls = "[listen.tls]\ncertificate = 'c'\nprivate_key = 'k'";
        assert_eq!(issuer(tls), "https://[::1]:4711");
    }
}
