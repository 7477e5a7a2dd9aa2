//! The URL of a PostgreSQL database, in libpq's form.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

use crate::error::OpenError;
use crate::server::{TlsConfig, TlsMode, extract_parameters};

/// How to connect. Without `Debug`: it contains the password.
#[derive(Clone)]
pub(crate) struct PostgresConfig {
    pub(super) driver: Config,
    /// Tried in order.
    pub(super) hosts: Vec<HostAddress>,
    pub(super) tls: TlsConfig,
    pub(super) timeout: Duration,
}

/// One address of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostAddress {
    Tcp(String, u16),
    #[cfg(unix)]
    Socket(std::path::PathBuf),
}

impl PostgresConfig {
    /// Parses `url`. Connecting may take as long as an operation.
    pub(super) fn parse(url: &str, timeout: Duration) -> Result<Self, OpenError> {
        let extracted = extract_parameters(url, &["sslmode", "sslrootcert"])?;
        let (mut mode, mut authority) = (TlsMode::default(), None);
        for (name, value) in &extracted.removed {
            match name.as_str() {
                "sslmode" => mode = tls_mode(value)?,
                _ => authority = Some(value.as_str()),
            }
        }
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(OpenError::InvalidUrl("must begin with postgres://".to_owned()));
        }
        let mut driver = Config::from_str(&extracted.url)
            .map_err(|error| OpenError::InvalidUrl(parse_error(&error)))?;
        if driver.get_user().is_none() {
            return Err(OpenError::InvalidUrl("names no user".to_owned()));
        }
        let hosts = hosts(&driver)?;
        if driver.get_application_name().is_none() {
            driver.application_name("aquaware");
        }
        // TLS is negotiated before the driver gets the connection.
        driver.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        Ok(Self { driver, hosts, tls: TlsConfig::new(mode, authority)?, timeout })
    }
}

impl fmt::Display for PostgresConfig {
    /// The addresses and the database, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL at ")?;
        for (number, host) in self.hosts.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{host}")?;
        }
        let database = self.driver.get_dbname().or(self.driver.get_user()).unwrap_or_default();
        write!(f, " (database {database:?})")
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

fn tls_mode(name: &str) -> Result<TlsMode, OpenError> {
    match name {
        "disable" => Ok(TlsMode::Off),
        "allow" | "prefer" => Ok(TlsMode::Prefer),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyAuthority),
        "verify-full" => Ok(TlsMode::VerifyName),
        _ => Err(OpenError::InvalidUrl(
            "has an unknown sslmode: use disable, prefer, require, verify-ca or verify-full"
                .to_owned(),
        )),
    }
}

/// The driver's error for a URL: it names parameters but never repeats a value.
fn parse_error(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let cause = cause.filter(|cause| cause.starts_with("unknown option"));
    cause.map_or_else(|| "cannot be parsed".to_owned(), |cause| format!("has an {cause}"))
}

fn hosts(config: &Config) -> Result<Vec<HostAddress>, OpenError> {
    let ports = config.get_ports();
    let port = |number: usize| {
        let port = if ports.len() == 1 { ports.first() } else { ports.get(number) };
        port.copied().unwrap_or(5432)
    };
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(number, host)| match host {
            Host::Tcp(host) => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                HostAddress::Tcp(bare.unwrap_or(host).to_owned(), port(number))
            }
            #[cfg(unix)]
            Host::Unix(directory) => {
                HostAddress::Socket(directory.join(format!(".s.PGSQL.{}", port(number))))
            }
        })
        .collect();
    if hosts.is_empty() {
        return Err(OpenError::InvalidUrl("names no host".to_owned()));
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> PostgresConfig {
        PostgresConfig::parse(url, Duration::from_secs(1)).unwrap()
    }

    fn parse_error(url: &str) -> String {
        let Err(error) = PostgresConfig::parse(url, Duration::from_secs(1)) else {
            panic!("{url}")
        };
        error.to_string()
    }

    #[test]
    fn a_url_names_host_user_database_and_tls_mode() {
        let config = config("postgres://ann:a%40b%2F%25@db.example/main?sslmode=disable");
        assert_eq!(config.hosts, [HostAddress::Tcp("db.example".to_owned(), 5432)]);
        assert_eq!(config.driver.get_user(), Some("ann"));
        assert_eq!(config.driver.get_password(), Some(&b"a@b/%"[..]));
        assert_eq!(config.driver.get_dbname(), Some("main"));
        assert_eq!(config.tls.mode, TlsMode::Off);
        assert_eq!(config.to_string(), "PostgreSQL at db.example:5432 (database \"main\")");
    }

    #[test]
    fn several_hosts_are_tried_in_order() {
        let config = config("postgresql://ann@one:1,two:2/main?target_session_attrs=read-write");
        let tcp = |host: &str, port| HostAddress::Tcp(host.to_owned(), port);
        assert_eq!(config.hosts, [tcp("one", 1), tcp("two", 2)]);
        let config = super::tests::config("postgres://ann@%2Frun%2Fpg:6000/main");
        assert_eq!(config.hosts, [HostAddress::Socket("/run/pg/.s.PGSQL.6000".into())]);
        let config = super::tests::config("postgres://ann@[::1]:6000/main");
        assert_eq!(config.hosts, [tcp("::1", 6000)]);
    }

    #[test]
    fn every_sslmode_of_libpq_is_known() {
        for (name, mode) in [
            ("disable", TlsMode::Off),
            ("prefer", TlsMode::Prefer),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyAuthority),
            ("verify-full", TlsMode::VerifyName),
        ] {
            assert_eq!(tls_mode(name).unwrap(), mode);
        }
        assert_eq!(config("postgres://ann@db/main").tls.mode, TlsMode::Prefer);
        assert!(parse_error("postgres://ann@db/main?sslmode=verify").contains("verify-full"));
    }

    #[test]
    fn an_invalid_url_is_rejected_without_repeating_its_password() {
        for url in [
            "mysql://ann:s3cret@db/main",
            "postgres://db/main",
            "postgres://ann:s3cret@/main",
            "postgres://ann:s3cret@db:port/main",
            "postgres://ann:s3cret@db/main?sslmod=require",
            "postgres://ann:s3cret%ZZ@db/main?connect_timeout=x",
        ] {
            let error = parse_error(url);
            assert!(!error.contains("s3cret"), "{error}");
        }
        let error = parse_error("postgres://ann@db/main?sslmod=require");
        assert_eq!(error, "the URL of the store has an unknown option `sslmod`");
    }
}
