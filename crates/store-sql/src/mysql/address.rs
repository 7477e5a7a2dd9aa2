//! The URL of a MySQL or MariaDB database.

use std::fmt;
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder, SslOpts, UrlError};
use rustls::crypto::aws_lc_rs;

use crate::error::OpenError;
use crate::server::{TlsConfig, TlsMode, extract_parameters};

/// How to connect. Without `Debug`: it contains the password.
#[derive(Clone)]
pub(crate) struct MysqlConfig {
    /// With TLS, unless the mode is `Off`.
    pub(super) options: Opts,
    pub(super) without_tls: Opts,
    pub(super) mode: TlsMode,
    pub(super) timeout: Duration,
    host: String,
    port: u16,
    database: String,
}

impl MysqlConfig {
    /// Parses `url`. Connecting may take as long as an operation.
    pub(super) fn parse(url: &str, timeout: Duration) -> Result<Self, OpenError> {
        let extracted = extract_parameters(url, &["ssl-mode", "ssl-ca"])?;
        let (mut mode, mut authority) = (TlsMode::default(), None);
        for (name, value) in &extracted.removed {
            match name.as_str() {
                "ssl-mode" => mode = tls_mode(value)?,
                _ => authority = Some(value.as_str()),
            }
        }
        let given = Opts::from_url(&extracted.url).map_err(|error| url_error(&error))?;
        if given.user().is_none() {
            return Err(OpenError::InvalidUrl("names no user".to_owned()));
        }
        let Some(database) = given.db_name().map(str::to_owned) else {
            return Err(OpenError::InvalidUrl("names no database".to_owned()));
        };
        let tls = TlsConfig::new(mode, authority)?;
        let (host, port) = (given.ip_or_hostname().to_owned(), given.tcp_port());
        let without_tls = OptsBuilder::from_opts(given)
            // diesel caches the statements.
            .stmt_cache_size(0)
            // Uses the address in the URL, and not a socket that the server mentions.
            .prefer_socket(false)
            .tcp_keepalive(Some(30_000_u32))
            .ssl_opts(None);
        let options = without_tls.clone().ssl_opts(ssl_options(&tls)?);
        Ok(Self {
            options: options.into(),
            without_tls: without_tls.into(),
            mode: tls.mode,
            timeout,
            host,
            port,
            database,
        })
    }
}

impl fmt::Display for MysqlConfig {
    /// The address and the database, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, .. } = self;
        write!(f, "MySQL at {host}:{port} (database {database:?})")
    }
}

fn tls_mode(name: &str) -> Result<TlsMode, OpenError> {
    match name.to_ascii_uppercase().as_str() {
        "DISABLED" => Ok(TlsMode::Off),
        "PREFERRED" => Ok(TlsMode::Prefer),
        "REQUIRED" => Ok(TlsMode::Require),
        "VERIFY_CA" => Ok(TlsMode::VerifyAuthority),
        "VERIFY_IDENTITY" => Ok(TlsMode::VerifyName),
        _ => Err(OpenError::InvalidUrl(
            "has an unknown ssl-mode: use DISABLED, PREFERRED, REQUIRED, VERIFY_CA or \
             VERIFY_IDENTITY"
                .to_owned(),
        )),
    }
}

/// The driver's error for a URL, without the values in it.
fn url_error(error: &UrlError) -> OpenError {
    OpenError::InvalidUrl(match error {
        UrlError::UnknownParameter { param } => format!("has an unknown parameter {param}"),
        UrlError::InvalidParamValue { param, .. } => format!("has an invalid value for {param}"),
        UrlError::UnsupportedScheme { .. } => "must begin with mysql://".to_owned(),
        _ => "cannot be parsed".to_owned(),
    })
}

fn ssl_options(tls: &TlsConfig) -> Result<Option<SslOpts>, OpenError> {
    if tls.mode == TlsMode::Off {
        return Ok(None);
    }
    // The driver uses the program's default provider. If the program has set one, it is kept.
    let _ = aws_lc_rs::default_provider().install_default();
    let verifies_name = tls.mode == TlsMode::VerifyName;
    let verifies = verifies_name || tls.mode == TlsMode::VerifyAuthority;
    let roots = tls.certificates.iter().map(|der| der.as_ref().to_vec().into());
    let options = SslOpts::default()
        // The driver requires some roots even if it verifies nothing.
        .with_disable_built_in_roots(verifies)
        .with_root_certs(roots.collect())
        .with_danger_accept_invalid_certs(!verifies)
        .with_danger_skip_domain_validation(!verifies_name);
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_error(url: &str) -> String {
        let Err(error) = MysqlConfig::parse(url, Duration::from_secs(1)) else { panic!("{url}") };
        error.to_string()
    }

    #[test]
    fn a_url_names_host_user_database_and_tls_mode() {
        let url = "mysql://ann:a%40b%2F%25@db.example:3307/main?ssl-mode=disabled";
        let config = MysqlConfig::parse(url, Duration::from_secs(1)).unwrap();
        assert_eq!(config.options.user(), Some("ann"));
        assert_eq!(config.options.pass(), Some("a@b/%"));
        assert_eq!(config.mode, TlsMode::Off);
        assert!(config.options.ssl_opts().is_none());
        assert_eq!(config.to_string(), "MySQL at db.example:3307 (database \"main\")");
    }

    #[test]
    fn every_ssl_mode_of_mysql_is_known() {
        for (name, mode) in [
            ("DISABLED", TlsMode::Off),
            ("PREFERRED", TlsMode::Prefer),
            ("required", TlsMode::Require),
            ("VERIFY_CA", TlsMode::VerifyAuthority),
            ("VERIFY_IDENTITY", TlsMode::VerifyName),
        ] {
            assert_eq!(tls_mode(name).unwrap(), mode);
        }
        let config = MysqlConfig::parse("mysql://ann@db/main", Duration::from_secs(1)).unwrap();
        assert_eq!(config.mode, TlsMode::Prefer);
        assert!(config.options.ssl_opts().is_some() && config.without_tls.ssl_opts().is_none());
        assert!(parse_error("mysql://ann@db/main?ssl-mode=verify").contains("VERIFY_CA"));
    }

    #[test]
    fn an_invalid_url_is_rejected_without_repeating_its_password() {
        for url in [
            "postgres://ann:s3cret@db/main",
            "mysql://db/main",
            "mysql://ann:s3cret@db",
            "mysql://ann:s3cret@db:port/main",
            "mysql://ann:s3cret@db/main?ssl_mode=REQUIRED",
            "mysql://ann:s3cret@db/main?tcp_keepalive=s3cret",
        ] {
            let error = parse_error(url);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
