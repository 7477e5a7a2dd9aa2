//! The configuration without invalid states: whoever holds a [`Config`] needs to check nothing.
//!
//! Paths are joined with the data directory, zeros that mean "one per core" are counted, and
//! "never" and "unlimited" are `None`.

mod clients;
mod sections;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquaware_core::id::Issuer;
use aquaware_core::jwt::Algorithm;
use aquaware_core::policy::{ClientProfile, TokenPolicy};
use aquaware_http::Limits;
use ipnet::IpNet;

use super::problem::Problem;
use super::raw::Raw;
use super::reader::Reader;
pub(crate) use super::types::{Engine, LogFormat, Origin, Signup, StoreUrl};

/// Everything an operator decides.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    issuer: Option<Issuer>,
    /// Where relative paths start. It may not exist yet.
    pub(crate) data_dir: PathBuf,
    /// The two listeners.
    pub(crate) listen: Listen,
    /// Where sessions and accounts are kept.
    pub(crate) store: Stores,
    /// The keys that sign.
    pub(crate) keys: Keys,
    /// Sign-up and passwords.
    pub(crate) accounts: Accounts,
    clients: Vec<ClientProfile>,
    /// How often somebody may ask.
    pub(crate) limits: Limits,
    /// Development on plain HTTP: cookies without `Secure` and without the prefix.
    pub(crate) insecure_cookies: bool,
    /// The web origins that may call with credentials, the issuer's own aside.
    pub(crate) allow_origins: Vec<Origin>,
    /// What is logged, and how.
    pub(crate) log: Log,
}

/// `[listen]`.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// Port 0 means a free one.
    pub(crate) public: SocketAddr,
    /// Differs from `public` where both ports are set.
    pub(crate) management: SocketAddr,
    /// Threads that serve requests.
    pub(crate) workers: NonZeroUsize,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// TLS of the public listener; plain HTTP without.
    pub(crate) tls: Option<Tls>,
}

/// `[listen.tls]`: PEM files, which may not exist.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// The certificate and its chain.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) private_key: PathBuf,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    /// Where sessions are.
    pub(crate) sessions: StoreUrl,
    /// Where accounts are.
    pub(crate) accounts: StoreUrl,
    /// Connections to each.
    pub(crate) pool_size: NonZeroU32,
    /// The end of one operation, waiting for a connection included; never zero.
    pub(crate) timeout: Duration,
    /// Whether a start brings the tables up to date.
    pub(crate) migrate: bool,
}

/// `[keys]`.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// Where the key files are. It may not exist yet.
    pub(crate) directory: PathBuf,
    /// How access tokens are signed.
    pub(crate) algorithm: Algorithm,
    /// How long a key signs, at least an hour; `None` for rotation by hand.
    pub(crate) rotate_every: Option<Duration>,
}

/// `[accounts]`.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// Who may sign up.
    pub(crate) signup: Signup,
    /// In characters: 8 to 128.
    pub(crate) password_min_length: usize,
    /// How passwords are hashed.
    pub(crate) argon2: Argon2,
}

/// `[accounts.argon2]`: within the ranges of the algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Argon2 {
    /// Memory of one hash, in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over it.
    pub(crate) iterations: u32,
    /// Lanes.
    pub(crate) parallelism: u32,
    /// Hashes at one time.
    pub(crate) max_concurrent: NonZeroUsize,
    /// Hashes waiting for their turn; beyond it the answer is 503.
    pub(crate) max_waiting: usize,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// A level or directives, which `tracing_subscriber::EnvFilter` understands.
    pub(crate) level: String,
}

impl Config {
    /// Who issues, when the public listener is bound to `bound`: the configured issuer, else that
    /// address, `https` where the listener speaks TLS.
    pub(crate) fn issuer(&self, bound: SocketAddr) -> Option<Issuer> {
        let scheme = if self.listen.tls.is_some() { "https" } else { "http" };
        self.issuer.clone().or_else(|| Issuer::new(format!("{scheme}://{bound}")).ok())
    }

    /// What decides what a token says, when the public listener is bound to `bound`.
    ///
    /// `None` never happens with the address of a bound listener: an IPv6 scope id is the one
    /// thing that can't stand in a URL.
    pub(crate) fn policy(&self, bound: SocketAddr) -> Option<TokenPolicy> {
        Some(TokenPolicy::new(self.issuer(bound)?, self.clients.iter().cloned()))
    }
}

/// Checks what was typed. Relative data directories start at `directory`.
pub(super) fn check(raw: &Raw, directory: &Path) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader::new(raw, directory.to_owned());
    let config = sections::config(&mut reader, directory);
    let (problems, _) = reader.finish();
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
