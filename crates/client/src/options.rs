//! The settings of a client, as its builder collects them.

use std::sync::Arc;
use std::time::Duration;

use crate::storage::{MemoryStorage, Storage};

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Without a slash at the end.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) device_name: Option<String>,
    /// URLs of origins that receive the access token, besides the issuer.
    pub(crate) origins: Vec<String>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) backoff: Duration,
}

impl Options {
    pub(crate) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            client_id: "web".to_owned(),
            device_name: None,
            origins: Vec::new(),
            storage: Arc::new(MemoryStorage::default()),
            timeout: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            backoff: Duration::from_secs(1),
        }
    }
}
