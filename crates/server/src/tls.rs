//! The TLS configuration of the public listener, read from two PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Why the TLS files cannot be used. Names the file and never quotes its content.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("failed to read the certificate chain {}", file.display())]
    Certificate {
        file: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{} contains no certificate in PEM format", .0.display())]
    NoCertificate(PathBuf),
    #[error("failed to read the private key {}", file.display())]
    Key {
        file: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{} contains no private key in PEM format (PKCS#8, PKCS#1 or SEC1)", .0.display())]
    NoKey(PathBuf),
    #[error("the certificate {} cannot be used with the key {}", certificate.display(), key.display())]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

/// Accepts TLS connections with a certificate that can be replaced while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct TlsAcceptor {
    config: Arc<ArcSwap<ServerConfig>>,
    certificate: PathBuf,
    key: PathBuf,
    opened: FileVersions,
}

/// What tells one version of the two files from another, without reading them.
pub(crate) type FileVersions = [Option<(SystemTime, u64)>; 2];

impl TlsAcceptor {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// [`TlsError`], naming the file to look at.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        // Looked at before the files are read: a change in between is noticed afterwards.
        let opened = versions(certificate, key);
        let config = Arc::new(ArcSwap::from_pointee(server_config(certificate, key)?));
        Ok(Self { config, certificate: certificate.to_owned(), key: key.to_owned(), opened })
    }

    /// The versions of the two files that [`TlsAcceptor::open`] read.
    pub(crate) const fn opened_versions(&self) -> FileVersions {
        self.opened
    }

    /// Reads both files again, for [`TlsAcceptor::replace`].
    ///
    /// # Errors
    /// [`TlsError`], naming the file to look at.
    pub(crate) fn read(&self) -> Result<ServerConfig, TlsError> {
        server_config(&self.certificate, &self.key)
    }

    /// Uses `config` for new connections.
    pub(crate) fn replace(&self, config: ServerConfig) {
        self.config.store(Arc::new(config));
    }

    /// The versions of the two files as they are now; a file that cannot be read has none.
    pub(crate) fn file_versions(&self) -> FileVersions {
        versions(&self.certificate, &self.key)
    }

    /// Performs the handshake on an accepted connection.
    ///
    /// # Errors
    /// The client does not speak TLS, or the connection broke.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        tokio_rustls::TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }
}

fn versions(certificate: &Path, key: &Path) -> FileVersions {
    [certificate, key].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// The server's side of TLS 1.2 and 1.3 with this chain (leaf first) and its key.
///
/// # Errors
/// [`TlsError`], naming the file to look at.
fn server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain = read_chain(certificate)?;
    let private_key = read_key(key)?;
    let unusable = |source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .map_err(unusable)
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Certificate { file: file.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(file).map_err(failed)?;
    let chain = certificates.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(chain) }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey(file.to_owned()),
        source => TlsError::Key { file: file.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    struct Files {
        directory: TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { directory: tempfile::tempdir().unwrap() };
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            files.write("cert.pem", cert.pem().as_bytes());
            files.write("key.pem", signing_key.serialize_pem().as_bytes());
            files.write("other.pem", KeyPair::generate().unwrap().serialize_pem().as_bytes());
            files.write("empty.pem", b"");
            files.write(
                "garbage.pem",
                b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----",
            );
            files.write("binary.pem", b"\xff\xfe\0");
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            fs::write(self.path(name), bytes).unwrap();
        }

        fn error(&self, certificate: &str, key: &str) -> String {
            server_config(&self.path(certificate), &self.path(key)).unwrap_err().to_string()
        }
    }

    #[test]
    fn a_certificate_and_its_key_make_a_configuration() {
        let files = Files::new();
        assert!(server_config(&files.path("cert.pem"), &files.path("key.pem")).is_ok());
    }

    #[test]
    fn files_that_change_after_they_were_opened_have_another_version() {
        let files = Files::new();
        let tls = TlsAcceptor::open(&files.path("cert.pem"), &files.path("key.pem")).unwrap();
        assert_eq!(tls.opened_versions(), tls.file_versions());
        files.write("key.pem", b"a shorter key");
        assert_ne!(tls.opened_versions(), tls.file_versions());
    }

    #[test]
    fn every_error_names_the_file() {
        let files = Files::new();
        for (certificate, key, named) in [
            ("missing.pem", "key.pem", "missing.pem"),
            ("empty.pem", "key.pem", "empty.pem"),
            ("garbage.pem", "key.pem", "garbage.pem"),
            ("binary.pem", "key.pem", "binary.pem"),
            ("key.pem", "key.pem", "key.pem"),
            ("cert.pem", "missing.pem", "missing.pem"),
            ("cert.pem", "empty.pem", "empty.pem"),
            ("cert.pem", "cert.pem", "cert.pem"),
            ("cert.pem", "binary.pem", "binary.pem"),
            ("cert.pem", "other.pem", "other.pem"),
        ] {
            let error = files.error(certificate, key);
            assert!(error.contains(named), "{certificate} {key}: {error}");
        }
    }

    #[test]
    fn an_empty_file_is_distinguished_from_a_malformed_one() {
        let files = Files::new();
        assert!(files.error("key.pem", "key.pem").contains("contains no certificate"));
        assert!(files.error("cert.pem", "cert.pem").contains("contains no private key"));
        assert!(
            files.error("garbage.pem", "key.pem").starts_with("failed to read the certificate")
        );
    }

    #[test]
    fn no_error_contains_a_key() {
        let files = Files::new();
        let error = server_config(&files.path("cert.pem"), &files.path("other.pem")).unwrap_err();
        let key = fs::read_to_string(files.path("other.pem")).unwrap();
        let line = key.lines().nth(1).unwrap();
        assert!(!format!("{error:?}").contains(line));
    }
}
