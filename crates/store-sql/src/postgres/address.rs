//! Where a PostgreSQL server is, and how to speak to it: a URL as its users know it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

use crate::error::OpenError;
use crate::server::{Security, Trust, parameters};

/// All that is needed to connect. Without `Debug`: it holds the password.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) places: Vec<Place>,
    pub(super) trust: Trust,
    pub(super) timeout: Duration,
}

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String, u16),
    Socket(PathBuf),
}

impl Plan {
    /// Reads `url`. What a step may take, a connection may take too.
    pub(super) fn of(url: &str, timeout: Duration) -> Result<Self, OpenError> {
        let taken = parameters(url, &["sslmode", "sslrootcert"])?;
        let (mut security, mut authority) = (Security::default(), None);
        for (name, value) in &taken.ours {
            match name.as_str() {
                "sslmode" => security = mode(value)?,
                _ => authority = Some(value.as_str()),
            }
        }
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(OpenError::Url("must begin with postgres://".to_owned()));
        }
        let mut config =
            Config::from_str(&taken.url).map_err(|error| OpenError::Url(complaint(&error)))?;
        if config.get_user().is_none() {
            return Err(OpenError::Url("names no user".to_owned()));
        }
        let places = places(&config)?;
        if config.get_application_name().is_none() {
            config.application_name("aquaware");
        }
        // TLS is agreed on before the driver gets the connection.
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        Ok(Self { config, places, trust: Trust::new(security, authority)?, timeout })
    }
}

impl fmt::Display for Plan {
    /// Where, and which database: what may be shown to an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL at ")?;
        for (number, place) in self.places.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{place}")?;
        }
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        write!(f, " (database {database:?})")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

fn mode(word: &str) -> Result<Security, OpenError> {
    match word {
        "disable" => Ok(Security::Off),
        "allow" | "prefer" => Ok(Security::Prefer),
        "require" => Ok(Security::Require),
        "verify-ca" => Ok(Security::VerifyAuthority),
        "verify-full" => Ok(Security::VerifyName),
        _ => Err(OpenError::Url(
            "has an unknown sslmode: disable, prefer, require, verify-ca or verify-full".to_owned(),
        )),
    }
}

/// What the driver says of a URL; it names parameters and repeats no value.
fn complaint(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let cause = cause.filter(|cause| cause.starts_with("unknown option"));
    cause.map_or_else(|| "can't be read".to_owned(), |cause| format!("has an {cause}"))
}

fn places(config: &Config) -> Result<Vec<Place>, OpenError> {
    let ports = config.get_ports();
    let port = |number: usize| {
        let port = if ports.len() == 1 { ports.first() } else { ports.get(number) };
        port.copied().unwrap_or(5432)
    };
    let places: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(number, host)| match host {
            Host::Tcp(host) => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                Place::Tcp(bare.unwrap_or(host).to_owned(), port(number))
            }
            Host::Unix(directory) => {
                Place::Socket(directory.join(format!(".s.PGSQL.{}", port(number))))
            }
        })
        .collect();
    if places.is_empty() {
        return Err(OpenError::Url("names no host".to_owned()));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(url: &str) -> Plan {
        Plan::of(url, Duration::from_secs(1)).unwrap()
    }

    fn refusal(url: &str) -> String {
        let Err(error) = Plan::of(url, Duration::from_secs(1)) else { panic!("{url}") };
        error.to_string()
    }

    #[test]
    fn a_url_says_where_who_and_how() {
        let plan = plan("postgres://ann:a%40b%2F%25@db.example/main?sslmode=disable");
        assert_eq!(plan.places, [Place::Tcp("db.example".to_owned(), 5432)]);
        assert_eq!(plan.config.get_user(), Some("ann"));
        assert_eq!(plan.config.get_password(), Some(&b"a@b/%"[..]));
        assert_eq!(plan.config.get_dbname(), Some("main"));
        assert_eq!(plan.trust.security, Security::Off);
        assert_eq!(plan.to_string(), "PostgreSQL at db.example:5432 (database \"main\")");
    }

    #[test]
    fn several_places_are_tried_in_order() {
        let plan = plan("postgresql://ann@one:1,two:2/main?target_session_attrs=read-write");
        let tcp = |host: &str, port| Place::Tcp(host.to_owned(), port);
        assert_eq!(plan.places, [tcp("one", 1), tcp("two", 2)]);
        let plan = super::tests::plan("postgres://ann@%2Frun%2Fpg:6000/main");
        assert_eq!(plan.places, [Place::Socket("/run/pg/.s.PGSQL.6000".into())]);
        let plan = super::tests::plan("postgres://ann@[::1]:6000/main");
        assert_eq!(plan.places, [tcp("::1", 6000)]);
    }

    #[test]
    fn protection_is_named_as_everywhere() {
        for (word, security) in [
            ("disable", Security::Off),
            ("prefer", Security::Prefer),
            ("require", Security::Require),
            ("verify-ca", Security::VerifyAuthority),
            ("verify-full", Security::VerifyName),
        ] {
            assert_eq!(mode(word).unwrap(), security);
        }
        assert_eq!(plan("postgres://ann@db/main").trust.security, Security::Prefer);
        assert!(refusal("postgres://ann@db/main?sslmode=verify").contains("verify-full"));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "mysql://ann:s3cret@db/main",
            "postgres://db/main",
            "postgres://ann:s3cret@/main",
            "postgres://ann:s3cret@db:port/main",
            "postgres://ann:s3cret@db/main?sslmod=require",
            "postgres://ann:s3cret%ZZ@db/main?connect_timeout=x",
        ] {
            let refusal = refusal(url);
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
        let refusal = refusal("postgres://ann@db/main?sslmod=require");
        assert_eq!(refusal, "the URL of the store has an unknown option `sslmod`");
    }
}
