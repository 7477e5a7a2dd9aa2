//! A server from its start to its end: listeners, signals, housekeeping.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt::System;
use actix_web::{App, HttpServer, rt, web};
use tokio::signal::unix::{SignalKind, signal};

use super::keeper::Keeper;
use super::parts::{self, StartError};
use crate::config::{Config, Loaded, Origin, Request};
use crate::http::application::{management, public};
use crate::http::client_addr::TrustedProxies;
use crate::http::cors::cors;
use crate::http::envelope::envelope;
use crate::http::state::State;
use crate::http::tls;

/// How long requests in flight may take to finish once the server is told to stop.
const LAST_REQUESTS: u64 = 30;

/// A server that serves on a thread of its own, until [`Running::stop`] or the end of the process.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where the public paths are.
    pub(crate) public: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Finishes what is in flight and stops.
    pub(crate) fn stop(mut self) {
        let _stopping = self.handle.stop(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts a server on a thread of its own and returns once it serves. For the demo, and for
/// whoever embeds it.
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

/// Serves until SIGTERM or SIGINT. SIGHUP reads keys and client profiles again.
///
/// # Errors
/// [`StartError`].
pub(crate) fn serve(loaded: Loaded, request: Request) -> Result<(), StartError> {
    System::new().block_on(async move {
        let Listening { server, public, management, keeper } = listen(&loaded.config).await?;
        let on = |kind| signal(kind).map_err(StartError::System);
        let (mut terminate, mut interrupt) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let mut hangup = on(SignalKind::hangup())?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(%public, %management, issuer = keeper.issuer(), version, "serving");
        let handle = server.handle();
        rt::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => keeper.reload(&request),
                }
            }
            tracing::info!("stopping");
            let _stopping = handle.stop(true);
        });
        server.await.map_err(StartError::System)?;
        tracing::info!("stopped");
        Ok(())
    })
}

struct Listening {
    server: Server,
    public: SocketAddr,
    management: SocketAddr,
    keeper: Rc<Keeper>,
}

/// Binds both listeners and starts to serve. Inside an actix system.
async fn listen(config: &Config) -> Result<Listening, StartError> {
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir)
        .map_err(|source| StartError::DataDirectory { path: data_dir.clone(), source })?;
    let tls = match &config.listen.tls {
        Some(files) => Some(tls::server_config(&files.certificate, &files.private_key)?),
        None => None,
    };
    // The state needs the address that the listener got, and the workers need the state: they
    // start after both are there.
    let slot: Arc<std::sync::OnceLock<web::Data<State>>> = Arc::default();
    let origins = config.allow_origins.clone();
    let public_slot = Arc::clone(&slot);
    let public_server = HttpServer::new(move || {
        let app = App::new().configure(public);
        let app = match public_slot.get() {
            Some(state) => app.app_data(state.clone()),
            None => app,
        };
        app.wrap(cors(origins.iter().map(Origin::as_str)))
            .wrap(envelope(proxies_of(public_slot.get())))
    })
    .workers(config.listen.workers.get())
    .shutdown_timeout(LAST_REQUESTS)
    .disable_signals();
    let unbound = |key, address| move |source| StartError::Listen { key, address, source };
    let address = config.listen.public;
    let public_server = match tls {
        Some(tls) => public_server.bind_rustls_0_23(address, tls),
        None => public_server.bind(address),
    }
    .map_err(unbound("listen.public", address))?;
    let bound = public_server.addrs().first().copied().unwrap_or(address);

    let address = config.listen.management;
    let management_slot = Arc::clone(&slot);
    let management_server = HttpServer::new(move || {
        let app = App::new().configure(management);
        let app = match management_slot.get() {
            Some(state) => app.app_data(state.clone()),
            None => app,
        };
        app.wrap(envelope(TrustedProxies::default()))
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .bind(address)
    .map_err(unbound("listen.management", address))?;
    let management_bound = management_server.addrs().first().copied().unwrap_or(address);

    let state = web::Data::new(parts::state(config, bound).await?);
    let _ = slot.set(state.clone());
    // The management server ends with the system, after the last public answer.
    rt::spawn(management_server.run());
    let keeper = Rc::new(Keeper::new(config.clone(), bound, state));
    rt::spawn(Rc::clone(&keeper).keep_keys());
    rt::spawn(Rc::clone(&keeper).keep_sessions());
    let server = public_server.run();
    Ok(Listening { server, public: bound, management: management_bound, keeper })
}

fn proxies_of(state: Option<&web::Data<State>>) -> TrustedProxies {
    state.map(|state| state.proxies.clone()).unwrap_or_default()
}
