//! The running server: listeners, signals and shutdown.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use actix_web::{App, rt, web};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::{Metrics, management_middleware, not_found};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::StartError;
use super::maintenance::Maintenance;
use super::parts::{self, Parts};
use super::watchdog;
use crate::config::{Loaded, Request};
use crate::engine::{Engine, Limit, Options, raise_descriptor_limit};
use crate::tls::TlsAcceptor;

/// How long requests in progress may take to finish once the server is told to stop. The process
/// promises to end within 30 s.
const GRACE: Duration = Duration::from_secs(25);
/// The same for health checks, which are asked again elsewhere.
const MANAGEMENT_GRACE: Duration = Duration::from_secs(1);
/// Probes and scrapers need few, and must find them whatever happens to the public listener.
const MANAGEMENT_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Serves until SIGTERM or SIGINT. SIGHUP reloads keys and client profiles. `lines_dropped` reads how
/// many lines the log has dropped, for the metrics.
///
/// # Errors
/// [`StartError`].
pub(crate) fn serve(
    loaded: Loaded,
    request: Request,
    lines_dropped: impl Fn() -> u64 + Send + 'static,
) -> Result<(), StartError> {
    System::new().block_on(async move {
        let (listening, signals) = listen(&loaded, Signals::watch).await?;
        let Listening { engines, public, management, maintenance, metrics } = listening;
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        metrics.log_lines_dropped(lines_dropped);
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(%public, %management, issuer = maintenance.issuer(), version, "serving");
        let stopper = engines.public.stopper();
        rt::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => maintenance.reload(&request),
                }
            }
            tracing::info!("stopping");
            stopper.stop();
        });
        engines.ended().await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// What the process is told by signals. Until they are watched, each of them ends it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn watch() -> Result<Self, StartError> {
        watchdog::start().map_err(StartError::System)?;
        let on = |kind| signal(kind).map_err(StartError::System);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }
}

/// The engines of both listeners.
pub(super) struct Engines {
    pub(super) public: Engine,
    management: Engine,
}

impl Engines {
    /// Waits until the public listener was stopped, then stops the management listener: the last
    /// thing that an operator can ask is how the stop proceeds.
    pub(super) async fn ended(self) {
        self.public.ended().await;
        self.management.stopper().stop();
        self.management.ended().await;
    }
}

pub(super) struct Listening {
    pub(super) engines: Engines,
    pub(super) public: SocketAddr,
    management: SocketAddr,
    maintenance: Rc<Maintenance>,
    metrics: Arc<Metrics>,
}

/// Binds both listeners and starts to serve. Calls `prepare` before the first request can be answered,
/// and after everything that may take long. Must be called in an actix system.
pub(super) async fn listen<T>(
    loaded: &Loaded,
    prepare: impl FnOnce() -> Result<T, StartError>,
) -> Result<(Listening, T), StartError> {
    let config = &loaded.config;
    let directory = &config.data_dir;
    std::fs::create_dir_all(directory).map_err(StartError::data_directory(directory))?;
    let tls = match &config.listen.tls {
        Some(files) => Some(TlsAcceptor::open(&files.certificate, &files.private_key)?),
        None => None,
    };
    let descriptors = raise_descriptor_limit().map_err(StartError::System)?;
    // Bound first, because the default issuer contains the port.
    let public_listener = bind("listen.public", config.listen.public)?;
    let management_listener = bind("listen.management", config.listen.management)?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(StartError::System);
    let (public, management) = (address(&public_listener)?, address(&management_listener)?);
    let keys = parts::key_directory(config).load(SystemClock.now())?;
    let Parts { routes, events, sender } = parts::parts(config, public, &keys).await?;

    let prepared = prepare()?;
    let (sessions, metrics) = (Arc::clone(routes.sessions()), Arc::clone(routes.metrics()));
    let health = routes.clone();
    let pooled = usize::try_from(config.store.pool_size.get()).unwrap_or(usize::MAX);
    let options = Options {
        name: "http",
        workers: config.listen.workers.get(),
        tls: tls.clone(),
        idle_timeout: config.listen.idle_timeout,
        // Each of the two stores may have a pool.
        max_connections: Limit::new(
            config.listen.max_connections,
            descriptors,
            pooled.saturating_mul(2),
        ),
        grace: GRACE,
        metrics: Some(Arc::clone(&metrics)),
    };
    let (with_documents, with_pages) = (config.documents, config.pages);
    let engine = Engine::start(public_listener, options, move || {
        App::new()
            .configure(|app| routes.configure(app))
            .configure(|app| {
                if with_documents {
                    routes.configure_documents(app);
                }
                if with_pages {
                    routes.configure_pages(app);
                }
            })
            .default_service(web::to(not_found))
            .wrap(routes.middleware())
    })
    .map_err(StartError::System)?;
    let options = Options {
        name: "management",
        workers: 1,
        tls: None,
        idle_timeout: config.listen.idle_timeout,
        max_connections: Limit::new(Some(MANAGEMENT_CONNECTIONS), descriptors, 0),
        grace: MANAGEMENT_GRACE,
        metrics: None,
    };
    let management_engine = Engine::start(management_listener, options, move || {
        App::new()
            .configure(|app| health.configure_health(app))
            .configure(|app| health.configure_metrics(app))
            .default_service(web::to(not_found))
            .wrap(management_middleware())
    })
    .map_err(StartError::System)?;
    let maintenance =
        Rc::new(Maintenance::new(loaded.clone(), public, sessions, events, &keys, tls));
    rt::spawn(Rc::clone(&maintenance).follow_certificate());
    rt::spawn(Rc::clone(&maintenance).follow_keys());
    rt::spawn(Rc::clone(&maintenance).purge());
    if let Some(sender) = sender {
        rt::spawn(sender.run());
    }
    let engines = Engines { public: engine, management: management_engine };
    Ok((Listening { engines, public, management, maintenance, metrics }, prepared))
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Listen { key, address, source })
}
