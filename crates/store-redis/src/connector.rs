//! Connecting to the servers of a store: to one server, to the master that the Sentinels name, or to
//! a Cluster.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redis::RedisError;
use redis::cluster::ClusterClient;

use crate::error::{ConnectError, RedisStoreError};
use crate::options::{RedisOptions, Topology};
use crate::sentinel::Sentinels;
use crate::server::{Connection, ConnectionConfig, Server};

/// Opens connections to the servers of a store.
#[derive(Debug)]
pub(crate) enum Connector {
    Single(Box<Server>),
    Sentinel(Arc<Sentinels>),
    Cluster { client: Box<ClusterClient>, seeds: Vec<Server> },
}

impl Connector {
    pub(crate) fn new(options: &RedisOptions) -> Result<Self, ConnectError> {
        let authority = options.authority.as_ref().map(|path| {
            authority(path).map_err(|source| ConnectError::Authority { path: path.clone(), source })
        });
        let config = ConnectionConfig {
            credentials: options.credentials.clone(),
            database: options.database,
            tls: options.tls,
            authority: authority.transpose()?,
            timeout: options.timeout,
        };
        let invalid = |error: RedisError| invalid(options, &error);
        Ok(match &options.topology {
            Topology::Single(host) => Self::Single(Box::new(config.server(host).map_err(invalid)?)),
            Topology::Sentinel { sentinels, master } => {
                let sentinels = Sentinels::new(sentinels, master.clone(), config);
                Self::Sentinel(Arc::new(sentinels.map_err(invalid)?))
            }
            Topology::Cluster(hosts) => {
                let seeds = hosts.iter().map(|host| config.server(host)).collect::<Result<_, _>>();
                Self::Cluster {
                    client: Box::new(config.cluster(hosts).map_err(invalid)?),
                    seeds: seeds.map_err(invalid)?,
                }
            }
        })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, RedisStoreError> {
        match self {
            Self::Single(server) => server.connect().await,
            Self::Sentinel(sentinels) => Arc::clone(sentinels).connect().await,
            Self::Cluster { client, .. } => {
                let connection = client.get_async_connection().await;
                let connection = connection.map_err(|error| RedisStoreError::of_connect(&error))?;
                Ok(Connection::to_cluster(connection))
            }
        }
    }
}

/// The content of a PEM file. It must contain a certificate: the library accepts a file without any,
/// and then trusts no server.
fn authority(path: &Path) -> io::Result<Vec<u8>> {
    let pem = std::fs::read(path)?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begin.len()).any(|window| window == begin) {
        Ok(pem)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in PEM"))
    }
}

/// The library parses certificates when a client is created. Nothing else can be invalid then.
fn invalid(options: &RedisOptions, error: &RedisError) -> ConnectError {
    match &options.authority {
        Some(path) => ConnectError::Authority {
            path: path.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, "invalid certificate"),
        },
        None => ConnectError::Rejected(RedisStoreError::of_connect(error)),
    }
}
