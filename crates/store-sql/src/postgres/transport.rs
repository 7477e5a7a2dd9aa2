//! The transport to a server: a socket, with TLS on it if the URL asks for it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::HostAddress;
use super::probe::Probe;
use super::wire::{ObservedStream, PlainStream, Stream};
use crate::error::SqlError;
use crate::server::{TlsConfig, TlsMode, handshake_error};

/// An open transport.
pub(super) struct Transport {
    pub(super) stream: Stream,
    pub(super) probe: Probe,
    pub(super) encrypted: bool,
}

/// Tells the driver to use the transport as it is: TLS, if any, has been negotiated already.
pub(super) struct NoTls;

impl TlsConnect<ObservedStream> for NoTls {
    type Stream = ObservedStream;
    type Error = Infallible;
    type Future = Ready<Result<ObservedStream, Infallible>>;

    fn connect(self, stream: ObservedStream) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Opens a transport to `host`. A Unix socket needs no TLS.
pub(super) async fn open_transport(
    host: &HostAddress,
    tls: &TlsConfig,
    timeout: Duration,
) -> Result<Transport, SqlError> {
    match host {
        #[cfg(unix)]
        HostAddress::Socket(path) => {
            let socket =
                tokio::net::UnixStream::connect(path).await.map_err(|error| io_error(&error))?;
            let probe = Probe::new(&socket).map_err(|error| io_error(&error))?;
            Ok(Transport { stream: Box::new(PlainStream(socket)), probe, encrypted: false })
        }
        HostAddress::Tcp(host, port) => {
            let socket = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(|error| io_error(&error))?;
            set_keepalive(&socket, timeout);
            negotiate_tls(socket, host, tls).await
        }
    }
}

fn io_error(error: &io::Error) -> SqlError {
    handshake_error(error).unwrap_or_else(|| SqlError::Connect(error.kind()))
}

/// Detects an idle connection after the other end vanished without closing it.
fn set_keepalive(socket: &TcpStream, timeout: Duration) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let socket = SockRef::from(socket);
    // Where the system does not support these, the deadline of an operation detects it.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(timeout.max(Duration::from_secs(10))));
    #[cfg(not(target_os = "linux"))]
    let _ = timeout;
}

/// PostgreSQL, "SSL Session Encryption": a request, and a response of one byte.
async fn negotiate_tls(
    mut socket: TcpStream,
    host: &str,
    tls: &TlsConfig,
) -> Result<Transport, SqlError> {
    let probe = Probe::new(&socket).map_err(|error| io_error(&error))?;
    if tls.mode == TlsMode::Off {
        return Ok(Transport { stream: Box::new(PlainStream(socket)), probe, encrypted: false });
    }
    const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    socket.write_all(&REQUEST).await.map_err(|error| io_error(&error))?;
    match socket.read_u8().await.map_err(|error| io_error(&error))? {
        b'S' => {}
        _ if tls.mode == TlsMode::Prefer => {
            return Ok(Transport {
                stream: Box::new(PlainStream(socket)),
                probe,
                encrypted: false,
            });
        }
        _ => return Err(SqlError::Tls("the server does not offer it")),
    }
    let mut maker = MakeRustlsConnect::new(client_config(tls)?);
    let connector = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, host)
        .map_err(|_| SqlError::Tls("the host is not a valid server name"))?;
    let stream = connector.connect(socket).await.map_err(|error| io_error(&error))?;
    Ok(Transport { stream: Box::new(stream), probe, encrypted: true })
}

/// The provider is explicit, so that the program's default provider does not matter.
fn client_config(tls: &TlsConfig) -> Result<ClientConfig, SqlError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| SqlError::Tls("no protocol version is available"))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(tls.certificates.iter().cloned());
    let roots = Arc::new(roots);
    let authorities = match tls.mode {
        TlsMode::VerifyName => {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        TlsMode::VerifyAuthority => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Some(inner.build().map_err(|_| SqlError::Tls("no trusted authority is usable"))?)
        }
        TlsMode::Off | TlsMode::Prefer | TlsMode::Require => None,
    };
    let verifier = Arc::new(LenientVerifier { authorities, provider });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Verifies as little as `require` and `verify-ca` ask for. Signatures are always verified: the
/// server has the key of the certificate it presents.
#[derive(Debug)]
struct LenientVerifier {
    /// Verifies authority and name; a wrong name is then accepted. `None` accepts everything.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(verifier) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // The name is verified last, so everything else is valid.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
