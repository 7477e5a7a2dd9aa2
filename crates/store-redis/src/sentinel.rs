//! Finding the master. All Sentinels are queried at once, and the first one that leads to a server
//! that reports itself as a master is used. A Sentinel that has not noticed a failover names a server
//! that is down or a replica, so its answer is discarded.

use std::sync::Arc;

use redis::{RedisResult, Value};
use tokio::task::JoinSet;

use crate::checks;
use crate::error::RedisStoreError;
use crate::options::Host;
use crate::server::{Connection, ConnectionConfig, Server};

/// The Sentinels and the name of the master they monitor.
#[derive(Debug)]
pub(crate) struct Sentinels {
    /// Each Sentinel without and with credentials. Most require none.
    nodes: Vec<(Server, Option<Server>)>,
    master: String,
    config: ConnectionConfig,
}

impl Sentinels {
    pub(crate) fn new(
        hosts: &[Host],
        master: String,
        config: ConnectionConfig,
    ) -> RedisResult<Self> {
        let node = |host: &Host| {
            let login = config.has_login().then(|| config.sentinel(host, true)).transpose()?;
            Ok((config.sentinel(host, false)?, login))
        };
        let nodes = hosts.iter().map(node).collect::<RedisResult<_>>()?;
        Ok(Self { nodes, master, config })
    }

    /// Opens a connection to the master.
    pub(crate) async fn connect(self: Arc<Self>) -> Result<Connection, RedisStoreError> {
        let mut attempts = JoinSet::new();
        for position in 0..self.nodes.len() {
            attempts.spawn(Arc::clone(&self).connect_by(position));
        }
        let mut reported = RedisStoreError::NoMaster;
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                // An error that needs an operator is more useful than that of an outage.
                Ok(Err(error)) if reported.is_transient() => reported = error,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(reported)
    }

    /// Connects to the master that one Sentinel names.
    async fn connect_by(self: Arc<Self>, position: usize) -> Result<Connection, RedisStoreError> {
        let (anonymous, login) = self.nodes.get(position).ok_or(RedisStoreError::NoMaster)?;
        let host = match (self.query(anonymous).await, login) {
            (Err(RedisStoreError::LoginRejected), Some(login)) => self.query(login).await,
            (host, _) => host,
        }?;
        let server = self.config.server(&host);
        let server = server.map_err(|error| RedisStoreError::of_connect(&error))?;
        let connection = server.connect().await?;
        if checks::is_replica(&connection).await {
            Err(RedisStoreError::NoMaster)
        } else {
            Ok(connection)
        }
    }

    /// The address of the master according to one Sentinel.
    async fn query(&self, sentinel: &Server) -> Result<Host, RedisStoreError> {
        let mut request = redis::cmd("SENTINEL");
        request.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let connection = sentinel.connect().await?;
        let response = connection.send(&request).await;
        match response.map_err(|error| RedisStoreError::of_connect(&error))? {
            Value::Nil => Err(RedisStoreError::UnknownMaster),
            value => {
                let address = redis::from_redis_value(value);
                let (name, port) = address.map_err(|_| RedisStoreError::Protocol)?;
                Ok(Host { name, port })
            }
        }
    }
}
