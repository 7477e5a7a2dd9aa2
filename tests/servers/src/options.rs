//! What the options of several servers have in common.

/// Whether a server waits for the disk before it says that something is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// As in production: what is acknowledged survives a power cut.
    #[default]
    Durable,
    /// Faster: what is acknowledged survives an orderly stop and nothing harder. Not for tests that
    /// kill the server.
    Fast,
}

/// A certificate for a server to show, as PEM text.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, with its chain.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
}
