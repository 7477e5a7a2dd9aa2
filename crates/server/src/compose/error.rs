//! Why a server failed to start.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aquaware_core::keys::RingError;
use aquaware_core::password::InvalidCostError;
use aquaware_core::store::StoreError;
use aquaware_http::BuildError;
use aquaware_key_directory::KeyDirectoryError;
use aquaware_store_redis::{ConnectError, InvalidUrlError};
use aquaware_store_sql::OpenError;
use thiserror::Error;

use crate::mail::MailerError;
use crate::tls::TlsError;
use crate::webhook::WebhookError;

/// Why a server failed to start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("failed to listen on {address} ({key})")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to create the data directory {}", path.display())]
    DataDirectory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no issuer can be derived from the address {0}; set issuer in the configuration")]
    Issuer(SocketAddr),
    #[error(transparent)]
    Keys(#[from] KeyDirectoryError),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    #[error(transparent)]
    Write(#[from] WriteCheckError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("failed to set up the webhook")]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Mail(#[from] MailerError),
    #[error(transparent)]
    Routes(#[from] BuildError),
    #[error(transparent)]
    HashCost(#[from] InvalidCostError),
    #[error("failed to create a thread, a runtime or a signal handler")]
    System(#[source] io::Error),
}

impl StartError {
    pub(super) fn data_directory(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::DataDirectory { path: path.to_owned(), source }
    }
}

/// A store could not be opened.
#[derive(Debug, Error)]
#[error("failed to open the store of {key}")]
pub(crate) struct OpenStoreError {
    pub(super) key: &'static str,
    #[source]
    pub(super) source: StoreCause,
}

/// A store does not accept writes.
#[derive(Debug, Error)]
#[error("the store of {key} does not accept writes")]
pub(crate) struct WriteCheckError {
    pub(super) key: &'static str,
    #[source]
    pub(super) source: StoreError,
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub(super) enum StoreCause {
    #[error(transparent)]
    Sql(#[from] OpenError),
    #[error(transparent)]
    Redis(#[from] ConnectError),
    #[error(transparent)]
    Url(#[from] InvalidUrlError),
}
