//! Making a connection: to one server, to whom the Sentinels name, or to a Cluster.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates, Value,
};

use super::sentinel::Sentinels;
use crate::error::{ConnectError, Failure};
use crate::options::{Host, Login, Place, RedisOptions};

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) connection: Connection,
    closed: Arc<AtomicBool>,
}

#[derive(Clone)]
pub(crate) enum Connection {
    /// To one server.
    Node(MultiplexedConnection),
    /// To the nodes of a Cluster.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Node(_) => "Node",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Connection {
    pub(crate) async fn ask(&self, request: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::Node(mut connection) => request.query_async(&mut connection).await,
            Self::Cluster(mut connection) => request.query_async(&mut connection).await,
        }
    }
}

impl Open {
    /// Whether nobody has said yet that it was closed.
    pub(crate) fn is_good(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }
}

/// How to make a connection.
#[derive(Debug)]
pub(crate) enum Opener {
    Single(Box<Node>),
    Sentinel(Arc<Sentinels>),
    Cluster { client: Box<ClusterClient>, seeds: Vec<Node> },
}

/// How to reach servers, whichever they are.
#[derive(Clone)]
pub(crate) struct Manner {
    login: Option<Login>,
    database: i64,
    tls: bool,
    authority: Option<Vec<u8>>,
    timeout: Duration,
}

/// How to reach one server.
#[derive(Clone, Debug)]
pub(crate) struct Node(Client);

impl Opener {
    pub(crate) fn new(options: &RedisOptions) -> Result<Self, ConnectError> {
        let authority = options.authority.as_ref().map(|path| {
            authority(path).map_err(|source| ConnectError::Authority { path: path.clone(), source })
        });
        let manner = Manner {
            login: options.login.clone(),
            database: options.database,
            tls: options.tls,
            authority: authority.transpose()?,
            timeout: options.timeout,
        };
        let unusable = |error: RedisError| unusable(options, &error);
        Ok(match &options.place {
            Place::Single(host) => Self::Single(Box::new(manner.node(host).map_err(unusable)?)),
            Place::Sentinel { sentinels, master } => {
                let sentinels = Sentinels::new(sentinels, master.clone(), manner);
                Self::Sentinel(Arc::new(sentinels.map_err(unusable)?))
            }
            Place::Cluster(hosts) => Self::Cluster {
                client: Box::new(manner.cluster(hosts).map_err(unusable)?),
                seeds: hosts
                    .iter()
                    .map(|host| manner.node(host))
                    .collect::<Result<_, _>>()
                    .map_err(unusable)?,
            },
        })
    }

    pub(crate) async fn open(&self) -> Result<Open, Failure> {
        match self {
            Self::Single(node) => node.open().await,
            Self::Sentinel(sentinels) => Arc::clone(sentinels).open().await,
            Self::Cluster { client, .. } => {
                let connection = client.get_async_connection().await;
                let connection = connection.map_err(|error| Failure::in_connecting(&error))?;
                Ok(Open { connection: Connection::Cluster(connection), closed: Arc::default() })
            }
        }
    }
}

/// The certificates of a PEM file. The library would take one without any for an authority that
/// nobody trusts.
fn authority(path: &Path) -> io::Result<Vec<u8>> {
    let pem = std::fs::read(path)?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begin.len()).any(|window| window == begin) {
        Ok(pem)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in PEM"))
    }
}

/// The library reads certificates when a client is made; nothing else can be wrong by then.
fn unusable(options: &RedisOptions, error: &RedisError) -> ConnectError {
    match &options.authority {
        Some(path) => ConnectError::Authority {
            path: path.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, "a certificate can't be read"),
        },
        None => ConnectError::Refused(Failure::in_connecting(error)),
    }
}

impl Manner {
    pub(super) fn node(&self, host: &Host) -> RedisResult<Node> {
        let mut settings = self.settings().set_protocol(ProtocolVersion::RESP3);
        settings = settings.set_db(self.database);
        Node::new(self.info(host, settings)?, self.authority.clone())
    }

    /// A Sentinel: it has no database, and often no password.
    pub(super) fn sentinel(&self, host: &Host, with_login: bool) -> RedisResult<Node> {
        let anonymous = RedisConnectionInfo::default().set_skip_set_lib_name();
        let settings = if with_login { self.settings() } else { anonymous };
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        Node::new(self.info(host, settings)?, self.authority.clone())
    }

    pub(super) const fn has_login(&self) -> bool {
        self.login.is_some()
    }

    fn cluster(&self, hosts: &[Host]) -> RedisResult<ClusterClient> {
        let settings = self.settings().set_protocol(ProtocolVersion::RESP3);
        let seeds: RedisResult<Vec<ConnectionInfo>> =
            hosts.iter().map(|host| self.info(host, settings.clone())).collect();
        // A broken connection makes the library send a command again, be it carried out already.
        let client = ClusterClientBuilder::new(seeds?)
            .retries(0)
            .use_protocol(ProtocolVersion::RESP3)
            // A silent node among the seeds must not use up all the time there is for connecting.
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
        match &self.login {
            None => settings,
            Some(Login { user: None, password }) => settings.set_password(password),
            Some(Login { user: Some(user), password }) => {
                settings.set_username(user).set_password(password)
            }
        }
    }

    fn tcp(&self) -> TcpSettings {
        let settings = TcpSettings::default().set_nodelay(true);
        // A host that vanished without a word would otherwise be believed in for a quarter hour.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(self.timeout);
        settings
    }
}

impl std::fmt::Debug for Manner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manner").field("tls", &self.tls).finish_non_exhaustive()
    }
}

const fn certificates(pem: Vec<u8>) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(pem) }
}

impl Node {
    fn new(info: ConnectionInfo, authority: Option<Vec<u8>>) -> RedisResult<Self> {
        let client = match authority {
            Some(pem) => Client::build_with_tls(info, certificates(pem)),
            None => Client::open(info),
        };
        client.map(Self)
    }

    /// A connection to this server, whatever it is.
    pub(crate) async fn open(&self) -> Result<Open, Failure> {
        let closed = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&closed);
        // Who asks bounds the time; the library's own clocks would only add to the confusion.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    noticed.store(true, Ordering::Release);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        let connection = self.0.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| Failure::in_connecting(&error))?;
        Ok(Open { connection: Connection::Node(connection), closed })
    }
}
