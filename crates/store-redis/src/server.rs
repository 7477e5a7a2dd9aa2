//! A connection to one server or to the nodes of a Cluster, and how to open it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisResult, TlsCertificates, Value,
};

use crate::error::RedisStoreError;
use crate::options::{Credentials, Host};

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    closed: Arc<AtomicBool>,
}

#[derive(Clone)]
pub(crate) enum Transport {
    /// A connection to one server.
    Server(MultiplexedConnection),
    /// Connections to the nodes of a Cluster.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Connection {
    pub(crate) fn to_cluster(connection: ClusterConnection) -> Self {
        Self { transport: Transport::Cluster(connection), closed: Arc::default() }
    }

    pub(crate) async fn send(&self, request: &Cmd) -> RedisResult<Value> {
        match self.transport.clone() {
            Transport::Server(mut connection) => request.query_async(&mut connection).await,
            Transport::Cluster(mut connection) => request.query_async(&mut connection).await,
        }
    }

    /// Whether the connection has not been reported as closed.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }
}

/// What connections to all servers have in common.
#[derive(Clone)]
pub(crate) struct ConnectionConfig {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) database: i64,
    pub(crate) tls: bool,
    /// The certificate authority, in PEM.
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
}

/// A server that can be connected to.
#[derive(Clone, Debug)]
pub(crate) struct Server(Client);

impl ConnectionConfig {
    pub(crate) fn server(&self, host: &Host) -> RedisResult<Server> {
        let mut settings = self.settings().set_protocol(ProtocolVersion::RESP3);
        settings = settings.set_db(self.database);
        Server::new(self.info(host, settings)?, self.authority.clone())
    }

    /// A Sentinel. It has no databases, and often no password.
    pub(crate) fn sentinel(&self, host: &Host, with_login: bool) -> RedisResult<Server> {
        let anonymous = RedisConnectionInfo::default().set_skip_set_lib_name();
        let settings = if with_login { self.settings() } else { anonymous };
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        Server::new(self.info(host, settings)?, self.authority.clone())
    }

    pub(crate) const fn has_login(&self) -> bool {
        self.credentials.is_some()
    }

    pub(crate) fn cluster(&self, hosts: &[Host]) -> RedisResult<ClusterClient> {
        let settings = self.settings().set_protocol(ProtocolVersion::RESP3);
        let seeds: RedisResult<Vec<ConnectionInfo>> =
            hosts.iter().map(|host| self.info(host, settings.clone())).collect();
        // No retries: after a lost connection the library would repeat a command that may have been
        // executed.
        let client = ClusterClientBuilder::new(seeds?)
            .retries(0)
            .use_protocol(ProtocolVersion::RESP3)
            // A seed that does not answer must not use up the whole time for connecting.
            .connection_timeout(self.timeout / 3)
            .response_timeout(self.timeout)
            .overall_response_timeout(None)
            .tcp_settings(self.tcp());
        match &self.authority {
            Some(pem) => client.certs(certificates(pem.clone())).build(),
            None => client.build(),
        }
    }

    fn info(&self, host: &Host, settings: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
        let (host, port) = (host.name.clone(), host.port);
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info()?;
        Ok(info.set_redis_settings(settings).set_tcp_settings(self.tcp()))
    }

    fn settings(&self) -> RedisConnectionInfo {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        match &self.credentials {
            None => settings,
            Some(Credentials { user: None, password }) => settings.set_password(password),
            Some(Credentials { user: Some(user), password }) => {
                settings.set_username(user).set_password(password)
            }
        }
    }

    fn tcp(&self) -> TcpSettings {
        let settings = TcpSettings::default().set_nodelay(true);
        // Otherwise the kernel takes a quarter of an hour to give up on a host that has disappeared.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(self.timeout);
        settings
    }
}

impl std::fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionConfig").field("tls", &self.tls).finish_non_exhaustive()
    }
}

const fn certificates(pem: Vec<u8>) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(pem) }
}

impl Server {
    fn new(info: ConnectionInfo, authority: Option<Vec<u8>>) -> RedisResult<Self> {
        let client = match authority {
            Some(pem) => Client::build_with_tls(info, certificates(pem)),
            None => Client::open(info),
        };
        client.map(Self)
    }

    /// Opens a connection to this server, whatever its role.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisStoreError> {
        let closed = Arc::new(AtomicBool::new(false));
        let notified = Arc::clone(&closed);
        // The caller limits the time. Timeouts of the library would only interfere.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    notified.store(true, Ordering::Release);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        let connection = self.0.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| RedisStoreError::of_connect(&error))?;
        Ok(Connection { transport: Transport::Server(connection), closed })
    }
}
