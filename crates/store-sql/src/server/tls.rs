//! How much a connection is to be protected, and whom it trusts.
//!
//! Engines name the degrees differently and mean the same. A certificate authority that was named
//! is never left unused: with it, a connection that need only be encrypted checks it too.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, Error as TlsError, RootCertStore};

use crate::error::{Failure, OpenError};

/// How far a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Security {
    /// In clear.
    Off,
    /// Encrypted if the server offers it.
    #[default]
    Prefer,
    /// Encrypted, whoever the other side is.
    Require,
    /// Encrypted, with somebody who has a certificate of a trusted authority.
    VerifyAuthority,
    /// The same, and for the server's name.
    VerifyName,
}

/// A degree of protection, and whose certificates are good.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) security: Security,
    /// Those of trusted authorities; none where nothing is checked.
    pub(crate) certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl Trust {
    /// What `security` needs: the authorities of the file `named`, else those of the system.
    pub(crate) fn new(security: Security, named: Option<&str>) -> Result<Self, OpenError> {
        let named = named.filter(|name| *name != "system" && !name.is_empty());
        let security = match (security, named) {
            (Security::Prefer | Security::Require, Some(_)) => Security::VerifyAuthority,
            (security, _) => security,
        };
        let certificates = match (security, named) {
            (Security::Off | Security::Prefer | Security::Require, _) => Vec::new(),
            (_, Some(path)) => of_file(Path::new(path))?,
            (_, None) => of_system()?,
        };
        Ok(Self { security, certificates: Arc::new(certificates) })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("security", &self.security).finish_non_exhaustive()
    }
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let refused = |what| OpenError::Certificates { place: path.display().to_string(), what };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| refused("the file can't be read, or is no PEM"))?;
    if certificates.is_empty() {
        return Err(refused("there are none in it"));
    }
    Ok(certificates)
}

/// Some that systems have are no good; the rest must do.
fn of_system() -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let mut certificates = rustls_native_certs::load_native_certs().certs;
    certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if certificates.is_empty() {
        return Err(OpenError::Certificates {
            place: "the system".to_owned(),
            what: "there are none: name a file of them in the store's URL",
        });
    }
    Ok(certificates)
}

/// What an error means that came while a connection was being made, if it is one of TLS. The
/// library's own texts quote names and certificates.
pub(crate) fn of_handshake(error: &io::Error) -> Option<Failure> {
    let cause = error.get_ref()?.downcast_ref::<TlsError>()?;
    Some(Failure::Tls(match cause {
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no trusted authority stands behind its certificate"
        }
        TlsError::InvalidCertificate(_) => "its certificate is no good",
        _ => "the handshake failed",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_was_named_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        for security in [Security::Prefer, Security::Require, Security::VerifyAuthority] {
            let trust = Trust::new(security, path.to_str()).unwrap();
            assert_eq!(trust.security, Security::VerifyAuthority);
            assert_eq!(trust.certificates.len(), 1);
        }
        assert_eq!(Trust::new(Security::Off, path.to_str()).unwrap().security, Security::Off);
    }

    #[test]
    fn authorities_that_cannot_be_read_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let trust = || Trust::new(Security::VerifyName, path.to_str()).unwrap_err();
        assert!(matches!(trust(), OpenError::Certificates { .. }));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(trust(), OpenError::Certificates { .. }));
    }
}
