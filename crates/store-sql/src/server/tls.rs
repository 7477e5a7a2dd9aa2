//! How a connection uses TLS, and which certificates it trusts.
//!
//! The engines have different names for the same modes. A certificate authority in the URL is always
//! used: with one, a mode that only encrypts also verifies the authority.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, Error as TlsError, RootCertStore};

use crate::error::{OpenError, SqlError};

/// How a connection uses TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Never.
    Off,
    /// If the server offers it.
    #[default]
    Prefer,
    /// Always, without checking the server's certificate.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyAuthority,
    /// Always, with a certificate of a trusted authority for the server's name.
    VerifyName,
}

/// The TLS mode, and the trusted authorities.
#[derive(Clone)]
pub(crate) struct TlsConfig {
    pub(crate) mode: TlsMode,
    /// The certificates of trusted authorities; empty if the mode does not check any.
    pub(crate) certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl TlsConfig {
    /// Loads what `mode` needs: the authorities in the file `file`, otherwise those of the system.
    pub(crate) fn new(mode: TlsMode, file: Option<&str>) -> Result<Self, OpenError> {
        let file = file.filter(|name| *name != "system" && !name.is_empty());
        let mode = match (mode, file) {
            (TlsMode::Prefer | TlsMode::Require, Some(_)) => TlsMode::VerifyAuthority,
            (mode, _) => mode,
        };
        let certificates = match (mode, file) {
            (TlsMode::Off | TlsMode::Prefer | TlsMode::Require, _) => Vec::new(),
            (_, Some(path)) => load_file(Path::new(path))?,
            (_, None) => load_system()?,
        };
        Ok(Self { mode, certificates: Arc::new(certificates) })
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn load_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let invalid = |what| OpenError::Certificates { origin: path.display().to_string(), what };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| invalid("the file cannot be read, or is not PEM"))?;
    if certificates.is_empty() {
        return Err(invalid("the file contains none"));
    }
    Ok(certificates)
}

/// Systems contain some certificates that cannot be parsed; those are skipped.
fn load_system() -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let mut certificates = rustls_native_certs::load_native_certs().certs;
    certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if certificates.is_empty() {
        return Err(OpenError::Certificates {
            origin: "the system".to_owned(),
            what: "it has none; name a file with certificates in the store's URL",
        });
    }
    Ok(certificates)
}

/// The meaning of an error while connecting, if it is an error of TLS. The library's own texts quote
/// names and certificates.
pub(crate) fn handshake_error(error: &io::Error) -> Option<SqlError> {
    let cause = error.get_ref()?.downcast_ref::<TlsError>()?;
    Some(SqlError::Tls(match cause {
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is not signed by a trusted authority"
        }
        TlsError::InvalidCertificate(_) => "its certificate is invalid",
        _ => "the handshake failed",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_in_the_url_is_always_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        for mode in [TlsMode::Prefer, TlsMode::Require, TlsMode::VerifyAuthority] {
            let config = TlsConfig::new(mode, path.to_str()).unwrap();
            assert_eq!(config.mode, TlsMode::VerifyAuthority);
            assert_eq!(config.certificates.len(), 1);
        }
        assert_eq!(TlsConfig::new(TlsMode::Off, path.to_str()).unwrap().mode, TlsMode::Off);
    }

    #[test]
    fn unreadable_authorities_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let load = || TlsConfig::new(TlsMode::VerifyName, path.to_str()).unwrap_err();
        assert!(matches!(load(), OpenError::Certificates { .. }));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(load(), OpenError::Certificates { .. }));
    }
}
