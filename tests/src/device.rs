//! A device that keeps its session with the client library.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aquaware_client::{AccessToken, Client, Error, MemoryStorage, Storage};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::client::Tokens;
use crate::jws::Jws;

/// A storage that the device and the test share.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<MemoryStorage>);

impl Storage for Disk {
    fn load(&self) -> io::Result<Option<String>> {
        self.0.load()
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        self.0.save(text)
    }
}

/// A device with one session. It draws and keeps the key of each refresh as the library does.
#[derive(Debug)]
pub struct Device {
    client: Client,
    disk: Disk,
    runtime: Runtime,
    access: Option<AccessToken>,
}

impl Device {
    /// A device that continues this session through this address.
    #[must_use]
    pub fn new(address: SocketAddr, tokens: &Tokens) -> Self {
        let disk = Disk::default();
        let client = Client::builder(&format!("http://{address}"))
            .storage(disk.clone())
            .timeout(Duration::from_secs(60))
            // Each call is one attempt.
            .patience(Duration::ZERO)
            .backoff(Duration::ZERO)
            .build_with(|http| http.no_proxy().tls_certs_only([]))
            .expect("a client");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(client.adopt(tokens.refresh())).expect("a session in memory");
        Self { client, disk, runtime, access: None }
    }

    /// Makes one attempt to refresh, with the key of the previous one if that was lost. Returns
    /// whether the device has new tokens.
    #[track_caller]
    pub fn refresh(&mut self) -> bool {
        let renewed = self.runtime.block_on(async {
            match &self.access {
                Some(rejected) => self.client.refresh(rejected).await,
                None => self.client.token().await,
            }
        });
        match renewed {
            Ok(access) => self.access = Some(access),
            Err(Error::Unavailable) => return false,
            Err(error) => panic!("{error}"),
        }
        true
    }

    /// The access token of the last refresh.
    #[must_use]
    #[track_caller]
    pub fn access(&self) -> &str {
        self.access.as_ref().expect("a refresh").as_str()
    }

    /// The generation in the stored refresh token.
    #[must_use]
    #[track_caller]
    pub fn generation(&self) -> u64 {
        let text = self.disk.load().expect("memory").expect("a session");
        let session: Value = serde_json::from_str(&text).expect("a session");
        Jws::read(session["refresh"].as_str().expect("a token")).number("gen")
    }
}
