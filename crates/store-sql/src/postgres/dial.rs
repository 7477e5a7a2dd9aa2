//! The way to a server: a socket, and TLS over it if that was asked for.

use std::convert::Infallible;
use std::future::{Ready as Done, ready};
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
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Place;
use super::probe::Probe;
use super::wire::{Plain, Stream, Watched};
use crate::error::Failure;
use crate::server::{Security, Trust, of_handshake};

/// A way that is open.
pub(super) struct Dialled {
    pub(super) stream: Stream,
    pub(super) probe: Probe,
    pub(super) encrypted: bool,
}

/// For a connection whose TLS, if any, has been agreed on already.
pub(super) struct Ready;

impl TlsConnect<Watched> for Ready {
    type Stream = Watched;
    type Error = Infallible;
    type Future = Done<Result<Watched, Infallible>>;

    fn connect(self, stream: Watched) -> Self::Future {
        ready(Ok(stream))
    }
}

/// Opens the way to `place`. A Unix socket needs no protection.
pub(super) async fn dial(
    place: &Place,
    trust: &Trust,
    timeout: Duration,
) -> Result<Dialled, Failure> {
    match place {
        Place::Socket(path) => {
            let socket = UnixStream::connect(path).await.map_err(|error| of(&error))?;
            let probe = Probe::of(&socket).map_err(|error| of(&error))?;
            Ok(Dialled { stream: Box::new(Plain(socket)), probe, encrypted: false })
        }
        Place::Tcp(host, port) => {
            let socket =
                TcpStream::connect((host.as_str(), *port)).await.map_err(|error| of(&error))?;
            watch_over(&socket, timeout);
            protect(socket, host, trust).await
        }
    }
}

fn of(error: &io::Error) -> Failure {
    of_handshake(error).unwrap_or_else(|| Failure::Connect(error.kind()))
}

/// Lets a connection whose other side vanished without a word be noticed while it is idle.
fn watch_over(socket: &TcpStream, timeout: Duration) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let socket = SockRef::from(socket);
    // Where the system doesn't know these, the deadline of a step finds out.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(timeout.max(Duration::from_secs(10))));
    #[cfg(not(target_os = "linux"))]
    let _ = timeout;
}

/// PostgreSQL, "SSL Session Encryption": a request, and one letter for an answer.
async fn protect(mut socket: TcpStream, host: &str, trust: &Trust) -> Result<Dialled, Failure> {
    let probe = Probe::of(&socket).map_err(|error| of(&error))?;
    if trust.security == Security::Off {
        return Ok(Dialled { stream: Box::new(Plain(socket)), probe, encrypted: false });
    }
    const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    socket.write_all(&REQUEST).await.map_err(|error| of(&error))?;
    match socket.read_u8().await.map_err(|error| of(&error))? {
        b'S' => {}
        _ if trust.security == Security::Prefer => {
            return Ok(Dialled { stream: Box::new(Plain(socket)), probe, encrypted: false });
        }
        _ => return Err(Failure::Tls("the server offers none")),
    }
    let mut maker = MakeRustlsConnect::new(client(trust)?);
    let connector = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, host)
        .map_err(|_| Failure::Tls("the server's name is none"))?;
    let stream = connector.connect(socket).await.map_err(|error| of(&error))?;
    Ok(Dialled { stream: Box::new(stream), probe, encrypted: true })
}

/// The provider is named, so that no other in the program can be in the way.
fn client(trust: &Trust) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Failure::Tls("no version of it is to be had"))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trust.certificates.iter().cloned());
    let roots = Arc::new(roots);
    let verified = match trust.security {
        Security::VerifyName => {
            return Ok(builder.with_root_certificates(roots).with_no_client_auth());
        }
        Security::VerifyAuthority => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Some(inner.build().map_err(|_| Failure::Tls("no authority is trusted"))?)
        }
        Security::Off | Security::Prefer | Security::Require => None,
    };
    let verifier = Arc::new(Lenient { verified, provider });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Checks less than everything, as `require` and `verify-ca` ask for. Signatures are always
/// checked: whoever shows a certificate has its key.
#[derive(Debug)]
struct Lenient {
    /// Checks the authority, and the name, which is then let pass; nothing without it.
    verified: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(verifier) = &self.verified else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // The name comes last, so all else was good.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
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
