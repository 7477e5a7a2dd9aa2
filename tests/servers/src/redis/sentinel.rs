//! A Redis master with two replicas, watched by three Sentinels.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::data_dir::DataDir;
use crate::error::ServersError;
use crate::port::Port;
use crate::process::Launch;
use crate::redis::{Redis, RedisOptions, resp};
use crate::service::Service;
use crate::url::url;
use crate::wait::patiently;

/// The name under which the Sentinels know the master.
pub const MASTER_NAME: &str = "aquaware";

/// Data nodes, and as many Sentinels.
const NODES: usize = 3;
/// The number of Sentinels that must agree that the master has failed.
const QUORUM: usize = 2;

/// The options of a master watched by Sentinels.
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    /// The password of the data nodes, if they require one. The Sentinels require none.
    pub password: Option<String>,
    /// Whether the data nodes keep their data over a restart.
    pub appendonly: bool,
    /// How long a master may be silent before a Sentinel considers it failed.
    ///
    /// A Sentinel pings once per second. With a second or less, one late reply on a busy machine
    /// is enough for an unwanted failover.
    pub down_after: Duration,
    /// Further lines of the data nodes' `redis.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for SentinelOptions {
    fn default() -> Self {
        let down_after = Duration::from_secs(4);
        Self { password: None, appendonly: true, down_after, settings: Vec::new() }
    }
}

/// Three data nodes and three Sentinels. When dropped, all are stopped and removed.
#[derive(Debug)]
pub struct Sentinel {
    nodes: Vec<Redis>,
    sentinels: Vec<Service>,
    password: Option<String>,
}

impl Sentinel {
    /// Starts all with the default options.
    ///
    /// # Errors
    /// As for [`Self::start_with`].
    pub fn start() -> Result<Self, ServersError> {
        Self::start_with(SentinelOptions::default())
    }

    /// Starts all; returns when both replicas follow and every Sentinel knows all others.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start_with(options: SentinelOptions) -> Result<Self, ServersError> {
        let dir = Arc::new(DataDir::create("sentinel", None)?);
        let mut nodes = Vec::new();
        for number in 0..NODES {
            nodes.push(Redis::prepare(&dir, &format!("node-{number}"), node(&options, &nodes))?);
        }
        let mut sentinels = Vec::new();
        if let Some(master) = nodes.first() {
            for number in 0..NODES {
                let name = format!("sentinel-{number}");
                sentinels.push(sentinel(&dir, &name, &options, master)?);
            }
        }
        let mut all = Self { nodes, sentinels, password: options.password };
        // The replicas follow before the Sentinels start, so these find them immediately.
        for node in &mut all.nodes {
            node.service.start()?;
        }
        all.wait_until("the replicas to follow", Self::replicas_follow)?;
        for sentinel in &mut all.sentinels {
            sentinel.spawn()?;
        }
        for sentinel in &mut all.sentinels {
            sentinel.wait_until_ready()?;
        }
        all.wait_until_settled()?;
        Ok(all)
    }

    /// `redis-sentinel://[:password@]host:port,host:port,host:port/NAME/0`.
    #[must_use]
    pub fn url(&self) -> String {
        let login = self.password.as_deref().map(|password| ("", password));
        url("redis-sentinel", login, &self.addresses(), &format!("/{MASTER_NAME}/0"))
    }

    /// The addresses of the Sentinels.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(Service::address).collect()
    }

    /// The directory that contains all of its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.nodes.first().map_or(Path::new(""), |node| node.service.dir().path())
    }

    /// The data nodes. The first was the first master.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// The process ids of all running servers.
    #[must_use]
    pub fn ids(&self) -> Vec<i32> {
        let sentinels = self.sentinels.iter().filter_map(Service::id);
        self.nodes.iter().filter_map(Redis::id).chain(sentinels).collect()
    }

    /// The address of the master, according to most of the Sentinels that respond.
    ///
    /// # Errors
    /// No two of them agree before the timeout expires.
    pub fn master(&self) -> Result<SocketAddr, ServersError> {
        patiently("agreement on the master", || self.log(), || self.agreed_master())
    }

    /// Makes the Sentinels choose another master although this one is healthy; returns it once it
    /// accepts writes.
    ///
    /// # Errors
    /// They refuse, or the timeout expires.
    pub fn failover(&mut self) -> Result<SocketAddr, ServersError> {
        let old = self.master()?;
        patiently(
            "a Sentinel ready for a failover",
            || self.log(),
            || {
                let mut answers = self.sentinels.iter().map(|sentinel| {
                    resp::request(sentinel.address(), None, &["SENTINEL", "FAILOVER", MASTER_NAME])
                });
                answers.any(|answer| answer.is_ok()).then_some(())
            },
        )?;
        self.wait_for_other_master(old)
    }

    /// Kills the master, and returns its address. [`Self::wait_for_other_master`] waits
    /// for the next.
    ///
    /// # Errors
    /// No master is known.
    pub fn kill_master(&mut self) -> Result<SocketAddr, ServersError> {
        let master = self.master()?;
        self.node_at(master)?.kill()?;
        Ok(master)
    }

    /// The data node at this address.
    ///
    /// # Errors
    /// None is found.
    pub fn node_at(&mut self, address: SocketAddr) -> Result<&mut Redis, ServersError> {
        let found = self.nodes.iter_mut().find(|node| node.address() == address);
        found.ok_or_else(|| ServersError::NotRunning(format!("a data node at {address}")))
    }

    /// Waits until the Sentinels agree on a master other than `old` and it accepts writes.
    ///
    /// # Errors
    /// The timeout expires.
    pub fn wait_for_other_master(&self, old: SocketAddr) -> Result<SocketAddr, ServersError> {
        patiently(
            "another master",
            || self.log(),
            || {
                let master = self.agreed_master().filter(|master| *master != old)?;
                let node = self.nodes.iter().find(|node| node.address() == master)?;
                (node.info("replication", "role")? == "master").then_some(master)
            },
        )
    }

    /// Restarts the servers that were killed or stopped, and waits for the initial state: a
    /// master that the Sentinels agree on, followed by all other nodes.
    ///
    /// # Errors
    /// A server does not start, or the timeout expires.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        for node in self.nodes.iter_mut().filter(|node| !node.is_running()) {
            node.restart()?;
        }
        for sentinel in self.sentinels.iter_mut().filter(|sentinel| !sentinel.is_started()) {
            sentinel.start()?;
        }
        self.wait_until_settled()
    }

    /// The end of the Sentinels' logs.
    #[must_use]
    pub fn log(&self) -> String {
        let logs: Vec<_> = self.sentinels.iter().map(Service::log).collect();
        logs.join("\n")
    }

    fn wait_until_settled(&self) -> Result<(), ServersError> {
        self.wait_until("the Sentinels and replicas to settle", |all| {
            all.sentinels.iter().all(knows_all) && all.replicas_follow()
        })
    }

    fn wait_until(&self, what: &str, check: impl Fn(&Self) -> bool) -> Result<(), ServersError> {
        patiently(what, || self.log(), || check(self).then_some(()))
    }

    fn replicas_follow(&self) -> bool {
        let follows = |node: &&Redis| {
            node.info("replication", "master_link_status").is_some_and(|status| status == "up")
        };
        self.nodes.iter().filter(follows).count() == NODES - 1
    }

    fn agreed_master(&self) -> Option<SocketAddr> {
        let known: Vec<_> = self.sentinels.iter().filter_map(known_master).collect();
        let votes = |address: &SocketAddr| known.iter().filter(|other| *other == address).count();
        known.iter().find(|address| votes(address) >= QUORUM).copied()
    }
}

/// The first node is the master, the others follow it.
fn node(options: &SentinelOptions, before: &[Redis]) -> RedisOptions {
    let mut settings = options.settings.clone();
    settings.extend(before.first().map(|master| {
        let address = master.address();
        ("replicaof".to_owned(), format!("{} {}", address.ip(), address.port()))
    }));
    RedisOptions {
        password: options.password.clone(),
        appendonly: options.appendonly,
        settings,
        ..RedisOptions::default()
    }
}

fn sentinel(
    dir: &Arc<DataDir>,
    name: &str,
    options: &SentinelOptions,
    master: &Redis,
) -> Result<Service, ServersError> {
    let directory = dir.directory(name)?;
    let port = Port::claim()?;
    let (ip, number) = (master.address().ip(), master.address().port());
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("port {}", port.number()),
        format!("sentinel monitor {MASTER_NAME} {ip} {number} {QUORUM}"),
        format!(
            "sentinel down-after-milliseconds {MASTER_NAME} {}",
            options.down_after.as_millis()
        ),
        // After a failed attempt the next one follows after twice this time.
        format!("sentinel failover-timeout {MASTER_NAME} 3000"),
        format!("sentinel parallel-syncs {MASTER_NAME} 2"),
    ];
    let password = options.password.as_deref();
    lines
        .extend(password.map(|password| {
            format!("sentinel auth-pass {MASTER_NAME} {}", super::words(password))
        }));
    lines.push(String::new());
    let file = directory.join("sentinel.conf");
    dir.write(&file, &lines.join("\n"))?;
    let server = master.service.program().to_owned();
    let mut launch = Launch::new(server, dir).argument(file).argument("--sentinel");
    launch.directory = directory;
    let probe = Arc::new(|address| super::answers(address, None));
    Ok(Service::new(launch, port, probe, Arc::clone(dir)))
}

fn known_master(sentinel: &Service) -> Option<SocketAddr> {
    let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME];
    let reply = resp::request(sentinel.address(), None, &words).ok()?;
    let [ip, port] = reply.list() else { return None };
    Some(SocketAddr::new(ip.text()?.parse().ok()?, port.text()?.parse().ok()?))
}

/// Whether a Sentinel sees all replicas and all other Sentinels in a healthy state.
fn knows_all(sentinel: &Service) -> bool {
    let words = ["SENTINEL", "MASTER", MASTER_NAME];
    let Ok(reply) = resp::request(sentinel.address(), None, &words) else { return false };
    let field = |name: &str| {
        let pairs = reply.list().chunks(2);
        let found = pairs.filter_map(|pair| Some((pair.first()?.text()?, pair.get(1)?.text()?)));
        found.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let others = (NODES - 1).to_string();
    let expected = [("flags", "master"), ("num-slaves", &others), ("num-other-sentinels", &others)];
    expected.iter().all(|(name, value)| field(name).is_some_and(|found| found == *value))
}
