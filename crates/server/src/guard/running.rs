//! The running guard: its listener, signals and shutdown.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::rt::System;
use actix_web::{App, rt, web};
use aquaware_http::{management_middleware, not_found};
use tokio::signal::unix::{SignalKind, signal};

use super::check::{Guard, check, health};
use super::options::{GuardError, GuardOptions};
use crate::engine::{Engine, Limit, Options, raise_descriptor_limit};

/// The longest time without a byte of progress on a connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in progress may take to finish. A check takes far less than a millisecond.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`GuardError`].
pub(crate) fn run(options: &GuardOptions) -> Result<(), GuardError> {
    System::new().block_on(serve(options))
}

async fn serve(options: &GuardOptions) -> Result<(), GuardError> {
    let address = options.listen;
    let listen = |source| GuardError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let on = |kind| signal(kind).map_err(GuardError::System);
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let verifier = tokio::select! {
        verifier = options.verifier() => verifier?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let issuers = verifier.issuers().join(" ");
    let metadata = options.metadata(&verifier)?;
    let guard = web::Data::new(Guard {
        auth: options.auth(verifier.clone(), metadata.as_ref()),
        verifier,
        headers: options.headers.clone(),
        scope_header: options.scope_header.clone(),
    });
    let engine = Options {
        name: "guard",
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        tls: None,
        idle_timeout: IDLE_TIMEOUT,
        max_connections: Limit::new(None, raise_descriptor_limit()?, 0),
        grace: GRACE,
        metrics: None,
    };
    let engine = Engine::start(listener, engine, move || {
        let metadata = metadata.clone();
        App::new()
            .app_data(guard.clone())
            .service(web::resource(["/check", "/check/{path:.*}"]).to(check))
            .service(web::resource(["/health", "/health/ready"]).route(web::get().to(health)))
            .configure(|app| {
                if let Some(metadata) = metadata {
                    metadata.routes()(app);
                }
            })
            .default_service(web::to(not_found))
            .wrap(management_middleware())
    })?;
    tracing::info!(address = %bound, issuers, "guarding");
    let stopper = engine.stopper();
    rt::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stopper.stop();
    });
    engine.ended().await;
    tracing::info!("stopped");
    Ok(())
}
