//! Options of several kinds of servers.

/// Whether a server waits for the disk before it acknowledges a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// As in production: acknowledged writes survive a power failure.
    #[default]
    Durable,
    /// Faster: acknowledged writes survive only an orderly stop. Not for tests that
    /// kill the server.
    Fast,
}

/// A server's certificate, as PEM text.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, with its chain.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}
