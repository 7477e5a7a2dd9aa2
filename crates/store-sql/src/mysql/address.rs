//! Where a MySQL server is, and how to speak to it: a URL as its users know it.

use std::fmt;
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder, SslOpts, UrlError};
use rustls::crypto::aws_lc_rs;

use crate::error::OpenError;
use crate::server::{Security, Trust, parameters};

/// All that is needed to connect. Without `Debug`: it holds the password.
#[derive(Clone)]
pub(super) struct Plan {
    /// With TLS, unless none is wanted.
    pub(super) options: Opts,
    /// Without TLS.
    pub(super) in_clear: Opts,
    pub(super) security: Security,
    pub(super) timeout: Duration,
    host: String,
    port: u16,
    database: String,
}

impl Plan {
    /// Reads `url`. What a step may take, a connection may take too.
    pub(super) fn of(url: &str, timeout: Duration) -> Result<Self, OpenError> {
        let taken = parameters(url, &["ssl-mode", "ssl-ca"])?;
        let (mut security, mut authority) = (Security::default(), None);
        for (name, value) in &taken.ours {
            match name.as_str() {
                "ssl-mode" => security = mode(value)?,
                _ => authority = Some(value.as_str()),
            }
        }
        let given = Opts::from_url(&taken.url).map_err(|error| complaint(&error))?;
        if given.user().is_none() {
            return Err(OpenError::Url("names no user".to_owned()));
        }
        let Some(database) = given.db_name().map(str::to_owned) else {
            return Err(OpenError::Url("names no database".to_owned()));
        };
        let trust = Trust::new(security, authority)?;
        let (host, port) = (given.ip_or_hostname().to_owned(), given.tcp_port());
        let in_clear = OptsBuilder::from_opts(given)
            // The statements are kept by diesel.
            .stmt_cache_size(0)
            // What the URL names, and not a socket that the server happens to mention.
            .prefer_socket(false)
            .tcp_keepalive(Some(30_000_u32))
            .ssl_opts(None);
        let options = in_clear.clone().ssl_opts(protection(&trust)?);
        Ok(Self {
            options: options.into(),
            in_clear: in_clear.into(),
            security: trust.security,
            timeout,
            host,
            port,
            database,
        })
    }
}

impl fmt::Display for Plan {
    /// Where, and which database: what may be shown to an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, .. } = self;
        write!(f, "MySQL at {host}:{port} (database {database:?})")
    }
}

fn mode(word: &str) -> Result<Security, OpenError> {
    match word.to_ascii_uppercase().as_str() {
        "DISABLED" => Ok(Security::Off),
        "PREFERRED" => Ok(Security::Prefer),
        "REQUIRED" => Ok(Security::Require),
        "VERIFY_CA" => Ok(Security::VerifyAuthority),
        "VERIFY_IDENTITY" => Ok(Security::VerifyName),
        _ => Err(OpenError::Url(
            "has an unknown ssl-mode: DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"
                .to_owned(),
        )),
    }
}

/// What the driver says of a URL, without the values in it.
fn complaint(error: &UrlError) -> OpenError {
    OpenError::Url(match error {
        UrlError::UnknownParameter { param } => format!("has an unknown parameter {param}"),
        UrlError::InvalidParamValue { param, .. } => format!("has a value that {param} can't have"),
        UrlError::UnsupportedScheme { .. } => "must begin with mysql://".to_owned(),
        _ => "can't be read".to_owned(),
    })
}

fn protection(trust: &Trust) -> Result<Option<SslOpts>, OpenError> {
    if trust.security == Security::Off {
        return Ok(None);
    }
    // The driver takes the provider of the whole program. Where the program has chosen one, that
    // one stays.
    let _ = aws_lc_rs::default_provider().install_default();
    let checks_name = trust.security == Security::VerifyName;
    let checks = checks_name || trust.security == Security::VerifyAuthority;
    let roots = trust.certificates.iter().map(|der| der.as_ref().to_vec().into());
    let options = SslOpts::default()
        // Where nothing is checked, the driver still wants some.
        .with_disable_built_in_roots(checks)
        .with_root_certs(roots.collect())
        .with_danger_accept_invalid_certs(!checks)
        .with_danger_skip_domain_validation(!checks_name);
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let Err(error) = Plan::of(url, Duration::from_secs(1)) else { panic!("{url}") };
        error.to_string()
    }

    #[test]
    fn a_url_says_where_who_and_how() {
        let url = "mysql://ann:a%40b%2F%25@db.example:3307/main?ssl-mode=disabled";
        let plan = Plan::of(url, Duration::from_secs(1)).unwrap();
        assert_eq!(plan.options.user(), Some("ann"));
        assert_eq!(plan.options.pass(), Some("a@b/%"));
        assert_eq!(plan.security, Security::Off);
        assert!(plan.options.ssl_opts().is_none());
        assert_eq!(plan.to_string(), "MySQL at db.example:3307 (database \"main\")");
    }

    #[test]
    fn protection_is_named_as_everywhere() {
        for (word, security) in [
            ("DISABLED", Security::Off),
            ("PREFERRED", Security::Prefer),
            ("required", Security::Require),
            ("VERIFY_CA", Security::VerifyAuthority),
            ("VERIFY_IDENTITY", Security::VerifyName),
        ] {
            assert_eq!(mode(word).unwrap(), security);
        }
        let plan = Plan::of("mysql://ann@db/main", Duration::from_secs(1)).unwrap();
        assert_eq!(plan.security, Security::Prefer);
        assert!(plan.options.ssl_opts().is_some() && plan.in_clear.ssl_opts().is_none());
        assert!(refusal("mysql://ann@db/main?ssl-mode=verify").contains("VERIFY_CA"));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "postgres://ann:s3cret@db/main",
            "mysql://db/main",
            "mysql://ann:s3cret@db",
            "mysql://ann:s3cret@db:port/main",
            "mysql://ann:s3cret@db/main?ssl_mode=REQUIRED",
            "mysql://ann:s3cret@db/main?tcp_keepalive=s3cret",
        ] {
            let refusal = refusal(url);
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
    }
}
