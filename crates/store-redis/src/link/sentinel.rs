//! Finding the master: every Sentinel is asked at once, and the first that leads to a server which
//! holds itself for a master is right. One that lags behind a failover names a server that is dead
//! or a replica by now, so it leads nowhere.

use std::sync::Arc;

use redis::{RedisResult, Value};
use tokio::task::JoinSet;

use super::open::{Manner, Node, Open};
use crate::checks;
use crate::error::Failure;
use crate::options::Host;

/// The Sentinels, and whom they are asked about.
#[derive(Debug)]
pub(crate) struct Sentinels {
    /// Each without and with a login: most ask for none.
    nodes: Vec<(Node, Option<Node>)>,
    master: String,
    manner: Manner,
}

impl Sentinels {
    pub(super) fn new(hosts: &[Host], master: String, manner: Manner) -> RedisResult<Self> {
        let node = |host: &Host| {
            let login = manner.has_login().then(|| manner.sentinel(host, true)).transpose()?;
            Ok((manner.sentinel(host, false)?, login))
        };
        let nodes = hosts.iter().map(node).collect::<RedisResult<_>>()?;
        Ok(Self { nodes, master, manner })
    }

    /// A connection to the master.
    pub(super) async fn open(self: Arc<Self>) -> Result<Open, Failure> {
        let mut looks = JoinSet::new();
        for place in 0..self.nodes.len() {
            looks.spawn(Arc::clone(&self).follow(place));
        }
        let mut telling = Failure::NoMaster;
        while let Some(look) = looks.join_next().await {
            match look {
                Ok(Ok(open)) => return Ok(open),
                // What only a person can mend says more than an outage does.
                Ok(Err(failure)) if telling.passes() => telling = failure,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(telling)
    }

    /// Where one Sentinel leads.
    async fn follow(self: Arc<Self>, place: usize) -> Result<Open, Failure> {
        let (anonymous, login) = self.nodes.get(place).ok_or(Failure::NoMaster)?;
        let host = match (self.ask(anonymous).await, login) {
            (Err(Failure::NotAllowed), Some(login)) => self.ask(login).await,
            (host, _) => host,
        }?;
        let node = self.manner.node(&host).map_err(|error| Failure::in_connecting(&error))?;
        let open = node.open().await?;
        if checks::is_replica(&open).await { Err(Failure::NoMaster) } else { Ok(open) }
    }

    async fn ask(&self, sentinel: &Node) -> Result<Host, Failure> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let open = sentinel.open().await?;
        let answer = open.connection.ask(&question).await;
        match answer.map_err(|error| Failure::in_connecting(&error))? {
            Value::Nil => Err(Failure::UnknownMaster),
            value => host_of(value).ok_or(Failure::NoAnswer),
        }
    }
}

fn host_of(value: Value) -> Option<Host> {
    let (name, port): (String, u16) = redis::from_redis_value(value).ok()?;
    Some(Host { name, port })
}
