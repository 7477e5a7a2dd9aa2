//! A server on a separate thread, for the demo.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::rt::System;

use super::error::StartError;
use super::running::{Listening, listen};
use crate::config::Config;

/// A server that runs on a separate thread until [`Running::stop`].
#[derive(Debug)]
pub(crate) struct Running {
    /// The address of the public listener.
    pub(crate) public: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Finishes the requests in flight and stops.
    pub(crate) fn stop(mut self) {
        let _stopping = self.handle.stop(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts a server on a separate thread and returns once it serves.
///
/// # Errors
/// [`StartError`].
pub(crate) fn start(config: Config) -> Result<Running, StartError> {
    let (started, outcome) = mpsc::channel();
    let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
        System::new().block_on(async move {
            match listen(&config).await {
                Ok(Listening { server, public, .. }) => {
                    let _ = started.send(Ok((public, server.handle())));
                    let _ = server.await;
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        });
    });
    let thread = thread.map_err(StartError::System)?;
    let gone = |_| StartError::System(std::io::ErrorKind::BrokenPipe.into());
    let (public, handle) = outcome.recv().map_err(gone)??;
    Ok(Running { public, handle, thread: Some(thread) })
}
