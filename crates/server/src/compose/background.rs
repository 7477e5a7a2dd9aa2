//! A server on a separate thread, for the demo.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::rt::System;

use super::error::StartError;
use super::running::listen;
use crate::config::Loaded;
use crate::engine::Stopper;

/// A server that runs on a separate thread until [`Running::stop`].
#[derive(Debug)]
pub(crate) struct Running {
    /// The address of the public listener.
    pub(crate) public: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Finishes the requests in flight and stops.
    pub(crate) fn stop(mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts a server on a separate thread and returns once it serves.
///
/// # Errors
/// [`StartError`].
pub(crate) fn start(loaded: Loaded) -> Result<Running, StartError> {
    let (started, outcome) = mpsc::channel();
    let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
        System::new().block_on(async move {
            match listen(&loaded, || Ok(())).await {
                Ok((listening, ())) => {
                    let stopper = listening.engines.public.stopper();
                    let _ = started.send(Ok((listening.public, stopper)));
                    listening.engines.ended().await;
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        });
    });
    let thread = thread.map_err(StartError::System)?;
    let gone = |_| StartError::System(std::io::ErrorKind::BrokenPipe.into());
    let (public, stopper) = outcome.recv().map_err(gone)??;
    Ok(Running { public, stopper, thread: Some(thread) })
}
