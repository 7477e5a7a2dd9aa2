//! Sends mail over SMTP. Each message has a connection of its own, and a bounded time.
//!
//! The library builds the message: it encodes every header, so that no value can begin another one.

use std::fmt;
use std::time::Duration;

use aquaware_core::account::Login;
use aquaware_core::error_chain;
use aquaware_core::service::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Code;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use super::templates::Templates;
use crate::outbox::Attempt;

/// How long one message may take, from the connection to the last response. A claim on an entry of the
/// outbox lasts longer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How a certificate begins in PEM.
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A mail server, from its URL.
#[derive(Clone)]
pub(crate) struct Server {
    host: String,
    port: Option<u16>,
    /// `smtps`: TLS from the first byte.
    is_wrapped: bool,
    credentials: Option<Credentials>,
    /// The authority of its certificate; those that the system trusts without one.
    authority: Option<Certificate>,
}

/// Mail cannot be sent.
#[derive(Debug, Error)]
pub(crate) enum MailerError {
    /// The authorities that the system trusts cannot be read.
    #[error("TLS with the mail server cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl Server {
    /// The server of a URL `smtp://user:password@host:port`, or `smtps`. `None` for anything else.
    pub(crate) fn of_url(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_wrapped = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return None,
        };
        let is_plain = matches!(url.path(), "" | "/") && url.query().is_none();
        let decode = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some(Credentials::new(decode(user)?, decode(password)?))
            }
            _ => return None,
        };
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (is_plain && url.fragment().is_none()).then_some(Self {
            host,
            port: url.port(),
            is_wrapped,
            credentials,
            authority: None,
        })
    }

    /// The same, with a certificate of an authority in `pem` alone, and so with TLS in any case. `None` if
    /// there is no such certificate.
    pub(crate) fn with_authority(self, pem: &[u8]) -> Option<Self> {
        let is_empty = !pem.windows(PEM_BEGIN.len()).any(|part| part == PEM_BEGIN);
        let authority = Certificate::from_pem(pem).ok().filter(|_| !is_empty)?;
        let server = Self { authority: Some(authority), ..self };
        server.parameters().is_ok().then_some(server)
    }

    /// The host, and the port that is configured or usual.
    pub(crate) fn address(&self) -> (&str, u16) {
        let usual = match (self.is_wrapped, self.is_local()) {
            (true, _) => 465,
            (false, true) => 25,
            (false, false) => 587,
        };
        (&self.host, self.port.unwrap_or(usual))
    }

    /// Whether mail stays on this machine until the server has it.
    fn is_local(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// STARTTLS is used wherever the server offers it, and required with an authority, and for a password
    /// that would otherwise be readable on the network.
    fn tls(&self) -> Result<Tls, MailerError> {
        let needs_tls = self.authority.is_some();
        if self.is_local() && !self.is_wrapped && !needs_tls {
            return Ok(Tls::None);
        }
        let parameters = self.parameters()?;
        Ok(match &self.credentials {
            _ if self.is_wrapped => Tls::Wrapper(parameters),
            None if !needs_tls => Tls::Opportunistic(parameters),
            _ => Tls::Required(parameters),
        })
    }

    fn parameters(&self) -> Result<TlsParameters, MailerError> {
        let parameters = TlsParameters::builder(self.host.clone());
        let parameters = match &self.authority {
            None => parameters,
            Some(authority) => parameters
                .certificate_store(CertificateStore::None)
                .add_root_certificate(authority.clone()),
        };
        parameters.build().map_err(MailerError::Tls)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?}, …)", self.host)
    }
}

/// Sends messages to users.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    templates: Templates,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("templates", &self.templates).finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer for this server and sender.
    ///
    /// # Errors
    /// [`MailerError`].
    pub(crate) fn new(
        server: &Server,
        from: Mailbox,
        templates: Templates,
    ) -> Result<Self, MailerError> {
        let tls = server.tls()?;
        let (host, port) = server.address();
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(TIMEOUT))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some(credentials) = &server.credentials {
            transport = transport.credentials(credentials.clone());
        }
        Ok(Self { transport: transport.build(), from, templates })
    }

    /// Tries once to send `message`. An address to which no mail can be sent is given up at once.
    pub(crate) async fn send(&self, message: &Message) -> Attempt {
        let Some(mail) = self.mail(message) else {
            tracing::warn!(account = %message.account.id, "no mail can be sent to this address");
            return Attempt::Discarded;
        };
        match timeout(TIMEOUT, self.transport.send(mail)).await {
            Ok(Ok(_)) => Attempt::Delivered,
            Ok(Err(error)) => match error.status() {
                // What the server says may contain the address.
                Some(code) if is_unknown_mailbox(code) => {
                    let code = code.to_string();
                    tracing::warn!(account = %message.account.id, code, "the mailbox was refused");
                    Attempt::Discarded
                }
                Some(code) => Attempt::Failed(format!("the mail server answered {code}")),
                None => Attempt::Failed(error_chain(&error)),
            },
            Err(_) => Attempt::Failed("the mail server did not answer in time".to_owned()),
        }
    }

    fn mail(&self, message: &Message) -> Option<lettre::Message> {
        let text = self.templates.render(message);
        MessageBuilder::new()
            .from(self.from.clone())
            .to(Mailbox::new(None, address(&message.to)?))
            .subject(text.subject)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            .body(body(&text.body))
            .ok()
    }
}

/// The body. ASCII stays as it is, so that links are whole in every mail program and every log of a
/// test; other texts are encoded.
fn body(text: &str) -> Body {
    const MAX_LINE: usize = 998;
    let is_plain = |byte| matches!(byte, b'\n' | b' '..=b'~');
    if text.bytes().all(is_plain) && text.lines().all(|line| line.len() <= MAX_LINE) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        // The conditions of this function hold: ASCII without NUL, in short lines (RFC 5322 §2.1.1).
        return Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

/// Whether the server refused the mailbox for good (RFC 5321 §4.2.3). Other errors are those of a
/// configuration or an outage, after which the same message can arrive.
fn is_unknown_mailbox(code: Code) -> bool {
    matches!(u16::from(code), 550..=553)
}

/// The address for a mail server: as its owner wrote it, or with the domain as A-labels.
fn address(email: &str) -> Option<Address> {
    if email.is_ascii() {
        return email.parse().ok();
    }
    Login::new(email).ok()?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_urls_of_a_host() {
        for url in [
            "smtp://127.0.0.1:2525",
            "smtp://mail.example.com",
            "smtps://ann:hor%40se@mail.example.com:465/",
            "smtp://[::1]:25",
        ] {
            assert!(Server::of_url(url).is_some(), "{url}");
        }
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com?tls=none",
            "smtp://ann@mail.example.com",
            "smtp://:horse@mail.example.com",
        ] {
            assert!(Server::of_url(url).is_none(), "{url}");
        }
        let server = Server::of_url("smtps://ann:horse@mail.example.com").unwrap();
        assert!(!format!("{server:?}").contains("horse"));
    }

    #[test]
    fn a_password_is_never_sent_in_the_clear_over_a_network() {
        let tls = |url: &str| Server::of_url(url).unwrap().tls().unwrap();
        assert!(matches!(tls("smtp://ann:horse@mail.example.com"), Tls::Required(_)));
        assert!(matches!(tls("smtp://mail.example.com"), Tls::Opportunistic(_)));
        assert!(matches!(tls("smtps://mail.example.com"), Tls::Wrapper(_)));
        assert!(matches!(tls("smtp://127.0.0.1:25"), Tls::None));
    }

    #[test]
    fn an_authority_requires_tls_even_on_this_machine() {
        let local = || Server::of_url("smtp://127.0.0.1:25").unwrap();
        let authority = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let server = local().with_authority(authority.cert.pem().as_bytes()).unwrap();
        assert!(matches!(server.tls().unwrap(), Tls::Required(_)));
        for pem in [
            &b""[..],
            b"no certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(local().with_authority(pem).is_none());
        }
    }

    #[test]
    fn addresses_are_sent_as_written_with_domains_as_a_labels() {
        let text = |email| address(email).map(|address| address.to_string());
        assert_eq!(text("Ann.Lee@Example.com").as_deref(), Some("Ann.Lee@Example.com"));
        assert_eq!(text("Ann@b\u{fc}cher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(text("ann@example.com\r\nBcc: eve@example.com"), None);
    }
}
