//! The running server: listeners, signals and shutdown.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::rt::System;
use actix_web::{App, HttpServer, rt, web};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::{management_middleware, not_found};
use tokio::signal::unix::{SignalKind, signal};

use super::error::StartError;
use super::maintenance::Maintenance;
use super::parts;
use crate::config::{Config, Loaded, Request};
use crate::tls;

/// How many seconds requests in flight have to finish after a signal to stop.
const SHUTDOWN_SECONDS: u64 = 30;

/// Serves until SIGTERM or SIGINT. SIGHUP reloads keys and client profiles.
///
/// # Errors
/// [`StartError`].
pub(crate) fn serve(loaded: Loaded, request: Request) -> Result<(), StartError> {
    System::new().block_on(async move {
        let Listening { server, public, management, maintenance } = listen(&loaded.config).await?;
        let on = |kind| signal(kind).map_err(StartError::System);
        let (mut terminate, mut interrupt) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let mut hangup = on(SignalKind::hangup())?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(%public, %management, issuer = maintenance.issuer(), version, "serving");
        let handle = server.handle();
        rt::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => maintenance.reload(&request),
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

pub(super) struct Listening {
    pub(super) server: Server,
    pub(super) public: SocketAddr,
    management: SocketAddr,
    maintenance: Rc<Maintenance>,
}

/// Binds both listeners and starts to serve. Must be called in an actix system.
pub(super) async fn listen(config: &Config) -> Result<Listening, StartError> {
    let directory = &config.data_dir;
    std::fs::create_dir_all(directory).map_err(StartError::data_directory(directory))?;
    let tls = match &config.listen.tls {
        Some(files) => Some(tls::server_config(&files.certificate, &files.private_key)?),
        None => None,
    };
    // Bound first, because the default issuer contains the port.
    let public_listener = bind("listen.public", config.listen.public)?;
    let management_listener = bind("listen.management", config.listen.management)?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(StartError::System);
    let (public, management) = (address(&public_listener)?, address(&management_listener)?);
    let keys = parts::key_directory(config).load(SystemClock.now())?;
    let routes = parts::routes(config, public, &keys).await?;

    let sessions = Arc::clone(routes.sessions());
    let health = routes.clone();
    let server = HttpServer::new(move || {
        App::new()
            .configure(|app| routes.configure(app))
            .default_service(web::to(not_found))
            .wrap(routes.middleware())
    })
    .workers(config.listen.workers.get())
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(public_listener, tls),
        None => server.listen(public_listener),
    }
    .map_err(StartError::System)?
    .run();
    let management_server = HttpServer::new(move || {
        App::new()
            .configure(|app| health.configure_health(app))
            .default_service(web::to(not_found))
            .wrap(management_middleware())
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(management_listener)
    .map_err(StartError::System)?;
    // The management server ends with the system, after the last public response.
    rt::spawn(management_server.run());
    let maintenance = Rc::new(Maintenance::new(config.clone(), public, sessions, &keys));
    rt::spawn(Rc::clone(&maintenance).follow_keys());
    rt::spawn(Rc::clone(&maintenance).purge());
    Ok(Listening { server, public, management, maintenance })
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Listen { key, address, source })
}
