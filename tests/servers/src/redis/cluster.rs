//! A Redis Cluster: three masters with a replica each.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::data_dir::DataDir;
use crate::error::ServersError;
use crate::redis::{Redis, RedisOptions, Reply};
use crate::url::url;
use crate::wait::patiently;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// The options of a Redis Cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The password of the nodes, if they require one.
    pub password: Option<String>,
    /// Whether the nodes keep their data over a restart.
    pub appendonly: bool,
    /// How long a node may be silent before the others consider it failed.
    pub node_timeout: Duration,
    /// Further lines of the nodes' `redis.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        let node_timeout = Duration::from_secs(3);
        Self { password: None, appendonly: true, node_timeout, settings: Vec::new() }
    }
}

/// Six nodes that share the keys. When dropped, all are stopped and removed.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
    password: Option<String>,
}

impl Cluster {
    /// Starts a Cluster with the default options.
    ///
    /// # Errors
    /// As for [`Self::start_with`].
    pub fn start() -> Result<Self, ServersError> {
        Self::start_with(ClusterOptions::default())
    }

    /// Starts a Cluster; returns when every node reports a healthy state and each replica follows.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start_with(options: ClusterOptions) -> Result<Self, ServersError> {
        let dir = Arc::new(DataDir::create("cluster", None)?);
        let mut nodes = Vec::new();
        for number in 0..2 * MASTERS {
            nodes.push(Redis::prepare(&dir, &format!("node-{number}"), node(&options))?);
        }
        for node in &mut nodes {
            node.service.spawn()?;
        }
        for node in &mut nodes {
            node.service.wait_until_ready()?;
        }
        let cluster = Self { nodes, password: options.password };
        cluster.deal_slots()?;
        cluster.introduce()?;
        cluster.assign_replicas()?;
        cluster.wait_until_settled()?;
        Ok(cluster)
    }

    /// `redis-cluster://[:password@]host:port,…` with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let login = self.password.as_deref().map(|password| ("", password));
        url("redis-cluster", login, &self.addresses(), "")
    }

    /// The addresses of the nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Redis::address).collect()
    }

    /// The directory that contains all of its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.nodes.first().map_or(Path::new(""), |node| node.service.dir().path())
    }

    /// The nodes. The first three were the first masters.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// The process ids of all running servers.
    #[must_use]
    pub fn ids(&self) -> Vec<i32> {
        self.nodes.iter().filter_map(Redis::id).collect()
    }

    /// The address of the master that has `key`, according to the nodes that respond.
    ///
    /// # Errors
    /// No node knows.
    pub fn master_of(&self, key: &str) -> Result<SocketAddr, ServersError> {
        patiently("a master of the key", || self.log(), || self.known_master_of(key))
    }

    /// Kills the master that has `key`, and returns its address.
    /// [`Self::wait_for_other_master_of`] waits for the next.
    ///
    /// # Errors
    /// No node knows it.
    pub fn kill_master_of(&mut self, key: &str) -> Result<SocketAddr, ServersError> {
        let master = self.master_of(key)?;
        self.node_at(master)?.kill()?;
        Ok(master)
    }

    /// The node at this address.
    ///
    /// # Errors
    /// None is found.
    pub fn node_at(&mut self, address: SocketAddr) -> Result<&mut Redis, ServersError> {
        let found = self.nodes.iter_mut().find(|node| node.address() == address);
        found.ok_or_else(|| ServersError::NotRunning(format!("a node at {address}")))
    }

    /// Waits until a master other than `old` has `key` and reports a healthy state.
    ///
    /// # Errors
    /// The timeout expires.
    pub fn wait_for_other_master_of(
        &self,
        key: &str,
        old: SocketAddr,
    ) -> Result<SocketAddr, ServersError> {
        patiently(
            "another master",
            || self.log(),
            || {
                let master = self.known_master_of(key).filter(|master| *master != old)?;
                let node = self.nodes.iter().find(|node| node.address() == master)?;
                (is_well(node) && is_master(node)).then_some(master)
            },
        )
    }

    /// Restarts the nodes that were killed or stopped, and waits for a healthy state: every slot
    /// has a master, and every other node follows one.
    ///
    /// # Errors
    /// A server does not start, or the timeout expires.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        for node in self.nodes.iter_mut().filter(|node| !node.is_running()) {
            node.restart()?;
        }
        self.wait_until_settled()
    }

    /// The end of the nodes' logs.
    #[must_use]
    pub fn log(&self) -> String {
        let logs: Vec<_> = self.nodes.iter().map(Redis::log).collect();
        logs.join("\n")
    }

    /// Each master gets its share of the slots, and a unique epoch, so that there are no conflicts
    /// to resolve.
    fn deal_slots(&self) -> Result<(), ServersError> {
        for (index, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
            if index < MASTERS {
                let share = SLOTS * index / MASTERS..SLOTS * (index + 1) / MASTERS;
                let slots: Vec<String> = share.map(|slot| slot.to_string()).collect();
                let mut words = vec!["CLUSTER", "ADDSLOTS"];
                words.extend(slots.iter().map(String::as_str));
                node.command(&words)?;
            }
        }
        Ok(())
    }

    fn introduce(&self) -> Result<(), ServersError> {
        for (index, node) in self.nodes.iter().enumerate() {
            for other in self.nodes.iter().skip(index + 1) {
                let (ip, port) = (other.address().ip().to_string(), other.address().port());
                node.command(&["CLUSTER", "MEET", &ip, &port.to_string()])?;
            }
        }
        self.wait_until("the nodes to know each other", |all| {
            let all_known = |node: &Redis| {
                let known = node.cluster_info("cluster_known_nodes");
                known.is_some_and(|known| known == all.nodes.len().to_string()) && is_well(node)
            };
            all.nodes.iter().all(all_known)
        })
    }

    fn assign_replicas(&self) -> Result<(), ServersError> {
        let (masters, replicas) = self.nodes.split_at(MASTERS);
        for (master, replica) in masters.iter().zip(replicas) {
            let id = master.command(&["CLUSTER", "MYID"])?;
            replica.command(&["CLUSTER", "REPLICATE", id.text().unwrap_or_default()])?;
        }
        Ok(())
    }

    /// Waits until every slot has a master, every other node follows one, and all agree.
    ///
    /// # Errors
    /// The timeout expires.
    pub fn wait_until_settled(&self) -> Result<(), ServersError> {
        self.wait_until("the Cluster to settle", |all| {
            let follows = |node: &Redis| {
                node.info("replication", "master_link_status").is_some_and(|status| status == "up")
            };
            let masters = all.nodes.iter().filter(|node| is_master(node)).count();
            let settled = |node: &Redis| {
                is_well(node) && shows_pairs(node) && (is_master(node) || follows(node))
            };
            masters == MASTERS && all.nodes.iter().all(settled)
        })
    }

    fn wait_until(&self, what: &str, check: impl Fn(&Self) -> bool) -> Result<(), ServersError> {
        patiently(what, || self.log(), || check(self).then_some(()))
    }

    fn known_master_of(&self, key: &str) -> Option<SocketAddr> {
        self.nodes.iter().filter(|node| node.is_running()).find_map(|node| {
            let slot = node.ask(&["CLUSTER", "KEYSLOT", key]).ok()?.number()?;
            let ranges = node.ask(&["CLUSTER", "SLOTS"]).ok()?;
            ranges.list().iter().find_map(|range| owner(range, slot))
        })
    }
}

impl Redis {
    /// One line of `CLUSTER INFO`.
    fn cluster_info(&self, field: &str) -> Option<String> {
        let reply = self.ask(&["CLUSTER", "INFO"]).ok()?;
        let line = reply.text()?.lines().find_map(|line| line.strip_prefix(field))?;
        line.strip_prefix(':').map(|value| value.trim().to_owned())
    }
}

fn node(options: &ClusterOptions) -> RedisOptions {
    let mut settings = vec![
        ("cluster-enabled".to_owned(), "yes".to_owned()),
        ("cluster-node-timeout".to_owned(), options.node_timeout.as_millis().to_string()),
        // A replica takes over however long it was disconnected, and stays with its master.
        ("cluster-replica-validity-factor".to_owned(), "0".to_owned()),
        ("cluster-migration-barrier".to_owned(), "10".to_owned()),
    ];
    settings.extend(options.settings.iter().cloned());
    RedisOptions {
        password: options.password.clone(),
        appendonly: options.appendonly,
        settings,
        ..RedisOptions::default()
    }
}

fn is_well(node: &Redis) -> bool {
    node.cluster_info("cluster_state").is_some_and(|state| state == "ok")
}

fn is_master(node: &Redis) -> bool {
    node.info("replication", "role").is_some_and(|role| role == "master")
}

/// Whether a node shows a master and a replica for each range of slots.
fn shows_pairs(node: &Redis) -> bool {
    let Ok(ranges) = node.ask(&["CLUSTER", "SLOTS"]) else { return false };
    ranges.list().iter().all(|range| range.list().len() == 4)
}

/// The master of a range `[first, last, master, replica…]`, if it contains the slot.
fn owner(range: &Reply, slot: i64) -> Option<SocketAddr> {
    let [first, last, master, ..] = range.list() else { return None };
    let has = (first.number()?..=last.number()?).contains(&slot);
    let [ip, port, ..] = master.list() else { return None };
    let address = SocketAddr::new(ip.text()?.parse().ok()?, u16::try_from(port.number()?).ok()?);
    has.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_its_owner_for_its_own_slots_only() {
        let master = Reply::List(vec![Reply::Text("127.0.0.1".into()), Reply::Number(10_001)]);
        let range = Reply::List(vec![Reply::Number(5), Reply::Number(9), master]);
        for slot in [5, 9] {
            assert_eq!(owner(&range, slot), Some(SocketAddr::from(([127, 0, 0, 1], 10_001))));
        }
        for slot in [4, 10] {
            assert_eq!(owner(&range, slot), None);
        }
    }
}
