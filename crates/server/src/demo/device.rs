//! A device that keeps its session with the client library, `aquaware-client`.

use aquaware_client::{AccessToken, BuildError, Client, Error, MemoryStorage, Storage as _};
use serde_json::Value;

use super::client::local;

/// A process on a device, or a tab of its browser.
pub(super) struct Device {
    /// Its name.
    pub(super) sender: &'static str,
    pub(super) storage: MemoryStorage,
    client: Client,
    access: Option<AccessToken>,
}

impl Device {
    pub(super) fn start(
        base: &str,
        sender: &'static str,
        storage: MemoryStorage,
    ) -> Result<Self, BuildError> {
        let client = Client::builder(base).storage(storage.clone()).build_with(local)?;
        Ok(Self { sender, storage, client, access: None })
    }

    /// Continues a session that was opened without the library.
    pub(super) async fn adopt(&self, refresh_token: &str) -> Result<(), Error> {
        self.client.adopt(refresh_token).await
    }

    /// Refreshes, and saves the new tokens.
    pub(super) async fn refresh(&mut self) -> Result<(), Error> {
        self.access = Some(match &self.access {
            Some(rejected) => self.client.refresh(rejected).await?,
            None => self.client.token().await?,
        });
        Ok(())
    }

    /// The session in the storage; `null` if there is none.
    pub(super) fn saved(&self) -> Value {
        let text = self.storage.load().ok().flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }
}
