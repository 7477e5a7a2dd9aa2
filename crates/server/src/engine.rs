//! The HTTP engine: accepts connections and serves an actix-web application over them with hyper.
//!
//! actix-web remains the framework: routes, extractors and middleware are its own. Its connection
//! handling (actix-http) has no write deadline, spins while its read buffer is full, and acts upon
//! `Upgrade`; none of this can be configured. hyper has none of these faults, and what it leaves to
//! its user is here: deadlines on progress, a limit on connections, and a response for requests that
//! never reach a route. See `docs/adr/0014-hyper-serves-the-connections.md`.

mod activity;
mod bridge;
mod limit;
mod open;
mod options;
mod outside;
mod stream;
mod worker;

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceFactory, ServiceResponse};
use tokio::sync::{mpsc, watch};

pub(crate) use self::limit::{Limit, raise_descriptor_limit};
pub(crate) use self::options::Options;
use self::worker::{Shared, Worker};

/// Threads that serve one listener.
#[derive(Debug)]
pub(crate) struct Engine {
    stop: watch::Sender<bool>,
    done: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Stops an engine, from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Stops accepting; requests in progress may finish.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Engine {
    /// Serves `listener`. Each worker builds its own application with `make`.
    ///
    /// # Errors
    /// The operating system refuses a thread or a second handle of the listener.
    pub(crate) fn start<F, I, S>(
        listener: TcpListener,
        options: Options,
        make: F,
    ) -> io::Result<Self>
    where
        F: Fn() -> I + Clone + Send + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = ServiceResponse<BoxBody>,
                Error = Error,
            > + 'static,
        S::InitError: Debug,
        S::Service: 'static,
    {
        listener.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(false);
        let (alive, done) = mpsc::channel(1);
        let Options { name, workers, .. } = options;
        let shared = Arc::new(Shared::new(options));
        let threads = (0..workers.max(1))
            .map(|_| {
                let worker = Worker {
                    listener: listener.try_clone()?,
                    shared: Arc::clone(&shared),
                    stopped: stopped.clone(),
                };
                let (make, alive) = (make.clone(), alive.clone());
                thread::Builder::new().name(name.to_owned()).spawn(move || {
                    worker.run(make);
                    drop(alive);
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { stop, done, threads })
    }

    /// A handle to stop the engine with.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Waits until every worker has ended.
    pub(crate) async fn ended(mut self) {
        // Nothing is ever sent: the channel closes with the last worker.
        let _ = self.done.recv().await;
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}
