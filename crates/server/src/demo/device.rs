//! A device that keeps its session with the client library, `aquaware-client`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquaware_client::{AccessToken, BuildError, Client, Error, MemoryStorage, Storage};
use serde_json::Value;

use super::client::local;

/// The storage of a device. The device can be killed just before a write.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    saved: MemoryStorage,
    lost: MemoryStorage,
    is_killed: AtomicBool,
}

impl Storage for Disk {
    fn load(&self) -> io::Result<Option<String>> {
        self.0.saved.load()
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        if self.0.is_killed.swap(false, Ordering::Relaxed) {
            self.0.lost.save(text)?;
            return Err(io::Error::other("the device was killed"));
        }
        self.0.saved.save(text)
    }
}

impl Disk {
    /// The device is killed before its next write.
    pub(super) fn kill(&self) {
        self.0.is_killed.store(true, Ordering::Relaxed);
    }

    /// The session in the storage; `null` if there is none.
    pub(super) fn saved(&self) -> Value {
        session(&self.0.saved)
    }

    /// The session that was not saved.
    pub(super) fn lost(&self) -> Value {
        session(&self.0.lost)
    }
}

fn session(storage: &MemoryStorage) -> Value {
    let text = storage.load().ok().flatten();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// A process on a device, or a tab of its browser.
pub(super) struct Device {
    /// Its name.
    pub(super) sender: &'static str,
    pub(super) disk: Disk,
    client: Client,
    access: Option<AccessToken>,
}

impl Device {
    pub(super) fn start(base: &str, sender: &'static str, disk: Disk) -> Result<Self, BuildError> {
        let client = Client::builder(base).storage(disk.clone()).build_with(local)?;
        Ok(Self { sender, disk, client, access: None })
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
}
