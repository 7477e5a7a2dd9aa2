//! One thread that accepts connections and serves them, with a runtime and an application of its
//! own: nothing is shared with other workers but the listener and the count of connections.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Service, ServiceFactory, ServiceResponse};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use super::activity::Activity;
use super::bridge::Bridge;
use super::limit::{Limit, Permit};
use super::open::Open;
use super::options::Options;
use super::stream::Watched;

/// How much of requests sent ahead is read before the ones in front are answered. It also bounds a
/// request's head.
const MAX_READ_AHEAD: usize = 64 * 1024;
/// How much of its responses may wait for a peer that does not read.
#[cfg(target_os = "linux")]
const MAX_UNSENT: u32 = 64 * 1024;
/// How long the accept loop waits for a connection to end.
const PAUSE: Duration = Duration::from_millis(5);
/// How often it does so before it turns the newcomer away.
const MAX_PAUSES: usize = 200;

/// What the workers of one listener share.
pub(super) struct Shared {
    options: Options,
    open: Open,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        Self { options, open: Open::default() }
    }
}

/// One thread of an engine.
pub(super) struct Worker {
    pub(super) listener: TcpListener,
    pub(super) shared: Arc<Shared>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Worker {
    /// Serves until the engine is stopped.
    pub(super) fn run<F, I, S>(self, make: F)
    where
        F: Fn() -> I,
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
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a worker has no runtime"),
        };
        LocalSet::new().block_on(&runtime, async move {
            let application = make().into_factory().new_service(AppConfig::default()).await;
            match application {
                Ok(application) => self.serve(Rc::new(application)).await,
                Err(error) => tracing::error!(?error, "a worker has no application"),
            }
        });
    }

    async fn serve<S>(self, application: Rc<S>)
    where
        S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    {
        let Self { listener, shared, mut stopped } = self;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a worker has no listener"),
        };
        let mut connections = JoinSet::new();
        loop {
            // Not awaited below: an end would cancel the acceptance of the connection that waits for it.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                accepted = accept(&listener, &shared.options.max_connections, &shared.open) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let activity = shared.open.add(shared.options.idle_timeout);
            let connection = Connection {
                application: Rc::clone(&application),
                shared: Arc::clone(&shared),
                stopped: stopped.clone(),
                activity,
                peer,
                _permit: permit,
            };
            connections.spawn_local(connection.serve(stream));
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(shared.options.grace, finished).await;
    }
}

/// The next connection, if there is room for it: `None` asks to be called again.
async fn accept(
    listener: &tokio::net::TcpListener,
    limit: &Limit,
    open: &Open,
) -> Option<(TcpStream, SocketAddr, Permit)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            for _ in 0..MAX_PAUSES {
                if !limit.is_reached() {
                    return Some((stream, peer, limit.take()));
                }
                // The newcomer takes the place of the connection that was silent for longest. With
                // a request in progress on every connection, it waits for one to end.
                open.close_quietest();
                sleep(PAUSE).await;
            }
            tracing::warn!(connections = limit.max(), "connection limit reached");
            None
        }
        Err(error) => {
            // Out of descriptors, or the peer was gone before it was accepted.
            tracing::debug!(%error, "no connection accepted");
            open.close_quietest();
            sleep(PAUSE).await;
            None
        }
    }
}

/// One connection, from its acceptance to its end.
struct Connection<S> {
    application: Rc<S>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
    activity: Arc<Activity>,
    peer: SocketAddr,
    _permit: Permit,
}

impl<S> Connection<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    async fn serve(self, stream: TcpStream) {
        let activity = Arc::clone(&self.activity);
        tokio::select! {
            () = activity.closed() => {}
            served = self.handshake(stream) => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
            }
        }
    }

    async fn handshake(self, stream: TcpStream) -> io::Result<()> {
        tune(&stream, self.shared.options.idle_timeout);
        let Some(tls) = &self.shared.options.tls else { return self.http(stream).await };
        let stream = timeout(self.shared.options.idle_timeout, tls.accept(stream)).await??;
        self.activity.moved();
        self.http(stream).await
    }

    async fn http<T: AsyncRead + AsyncWrite + Unpin>(self, stream: T) -> io::Result<()> {
        let Self { application, shared, mut stopped, activity, peer, .. } = self;
        let metrics = shared.options.metrics.clone();
        let stream = Watched::new(stream, Arc::clone(&activity), metrics);
        let bridge = Bridge { application, peer, activity };
        // Deadlines are the stream's: hyper's own covers heads alone.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(MAX_READ_AHEAD)
            .serve_connection(TokioIo::new(stream), bridge);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopped.wait_for(|stopped| *stopped) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended.map_err(io::Error::other)
    }
}

/// Bounds what the kernel takes for a peer that does not read, and lets it drop that, also after the
/// connection was closed.
///
/// Without the bound, the kernel takes megabytes: a peer that sends requests and never reads would be
/// answered thousands of times before its connection stalls. The bound counts only what the network
/// has not taken yet, so it slows down no peer that reads.
fn tune(stream: &TcpStream, idle_timeout: Duration) {
    let socket = SockRef::from(stream);
    // Where the system has none of these, only latency and memory suffer.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(idle_timeout));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT);
    #[cfg(not(target_os = "linux"))]
    let _ = idle_timeout;
}
