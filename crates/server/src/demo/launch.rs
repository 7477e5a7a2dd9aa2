//! The demo's own server: its configuration, its start and its end.

use std::net::SocketAddr;
use std::path::Path;

use thiserror::Error;

use super::steps::{ACCESS_LIFETIME, RETRY_WINDOW};
use crate::compose::{Running, StartError, start};
use crate::config::{Problems, Request, load};

/// Why there is no server.
#[derive(Debug, Error)]
pub(crate) enum LaunchError {
    /// The configuration made here isn't good: a mistake of this program.
    #[error("the demo's own configuration is wrong")]
    Configuration(#[from] Problems),
    /// The server doesn't start.
    #[error("the demo's server didn't start")]
    Start(#[from] StartError),
}

/// A server that runs.
pub(super) struct Launched(Running);

impl Launched {
    /// Where its public paths are.
    pub(super) fn public(&self) -> SocketAddr {
        self.0.public
    }

    /// Ends it, having answered what is in flight.
    pub(super) fn stop(self) {
        self.0.stop();
    }
}

/// Starts a server with its data in `directory`, on ports that are free. Blocks until it serves.
pub(super) fn launch(directory: &Path) -> Result<Launched, LaunchError> {
    let request = Request {
        file: None,
        environment: variables().into_iter().collect(),
        directory: directory.to_owned(),
    };
    Ok(Launched(start(load(&request)?.config)?))
}

/// The settings that differ from the defaults. The issuer is left out: it is the public address.
fn variables() -> Vec<(&'static str, String)> {
    let millis = |span: std::time::Duration| format!("{}ms", span.as_millis());
    vec![
        ("AQUAWARE_LISTEN__PUBLIC", "127.0.0.1:0".to_owned()),
        ("AQUAWARE_LISTEN__MANAGEMENT", "127.0.0.1:0".to_owned()),
        ("AQUAWARE_LISTEN__WORKERS", "2".to_owned()),
        ("AQUAWARE_LOG__LEVEL", "off".to_owned()),
        ("AQUAWARE_CLIENTS__WEB__ACCESS_LIFETIME", format!("{}s", ACCESS_LIFETIME.as_secs())),
        ("AQUAWARE_CLIENTS__WEB__RETRY_WINDOW", millis(RETRY_WINDOW)),
        ("AQUAWARE_CLIENTS__APP__ACCESS_LIFETIME", "5m".to_owned()),
    ]
}
