//! A Redis or Valkey server, also used by Sentinel and Cluster.

mod cluster;
mod resp;
mod sentinel;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;

pub use self::cluster::{Cluster, ClusterOptions};
pub use self::resp::Reply;
pub use self::sentinel::{MASTER_NAME, Sentinel, SentinelOptions};
use crate::data_dir::DataDir;
use crate::error::ServersError;
use crate::find::program;
use crate::kind::Kind;
use crate::options::Tls;
use crate::port::Port;
use crate::process::Launch;
use crate::service::Service;
use crate::url::url;

/// The options of a Redis server.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The password of the default user, if it requires one.
    pub password: Option<String>,
    /// The maximum memory for data, as `16mb`; writes that need more are rejected.
    pub maxmemory: Option<String>,
    /// Whether it keeps its data over a restart, written before each reply.
    pub appendonly: bool,
    /// The certificate for TLS on a second port: see [`Redis::tls_address`].
    pub tls: Option<Tls>,
    /// Further lines of `redis.conf`, as `("maxmemory-policy", "allkeys-lru")`.
    pub settings: Vec<(String, String)>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { password: None, maxmemory: None, appendonly: true, tls: None, settings: Vec::new() }
    }
}

/// A Redis server on a loopback port.
///
/// When dropped, it is stopped and its data is removed.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    password: Option<String>,
    tls: Option<Port>,
}

impl Redis {
    /// Starts a server; returns when it is ready.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start(options: RedisOptions) -> Result<Self, ServersError> {
        let dir = Arc::new(DataDir::create("redis", None)?);
        let mut redis = Self::prepare(&dir, "node", options)?;
        redis.service.start()?;
        Ok(redis)
    }

    /// A server in a directory of that name in `parent`, not yet started.
    fn prepare(
        dir: &Arc<DataDir>,
        name: &str,
        options: RedisOptions,
    ) -> Result<Self, ServersError> {
        let server = program(Kind::Redis, "redis-server")?;
        let directory = dir.directory(name)?;
        let is_node = options.settings.iter().any(|(name, _)| name == "cluster-enabled");
        let port = if is_node { Port::claim_with_bus() } else { Port::claim() }?;
        let tls = options.tls.as_ref().map(|_| Port::claim()).transpose()?;
        let file = directory.join("redis.conf");
        if let Some(tls) = &options.tls {
            dir.write(&directory.join("server.crt"), &tls.certificate)?;
            dir.write(&directory.join("server.key"), &tls.private_key)?;
        }
        dir.write(&file, &configuration(&options, &port, tls.as_ref()))?;
        let password = options.password;
        let known = password.clone();
        let probe = Arc::new(move |address| answers(address, known.as_deref()));
        let mut launch = Launch::new(server, dir).argument(file);
        launch.directory = directory;
        let service = Service::new(launch, port, probe, Arc::clone(dir));
        Ok(Self { service, password, tls })
    }

    /// `redis://[:password@]host:port/0`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL through a proxy at `address`.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("redis", self.login(), &[address], "/0")
    }

    /// `rediss://[:password@]host:port/0`, if it has a certificate.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_address().map(|address| url("rediss", self.login(), &[address], "/0"))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Its address for TLS, if it has a certificate.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(Port::address)
    }

    /// The directory that contains all of its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.service.directory()
    }

    /// The process id of the running server.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.service.id()
    }

    /// The end of its log, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// Executes one command on a new connection: `&["CONFIG", "SET", "maxmemory", "1mb"]`.
    ///
    /// # Errors
    /// There is no reply, or it is an error.
    pub fn command(&self, words: &[&str]) -> Result<Reply, ServersError> {
        resp::request_within(resp::PATIENCE, self.address(), self.password.as_deref(), words)
    }

    /// The same for a question that is asked again.
    fn ask(&self, words: &[&str]) -> Result<Reply, ServersError> {
        resp::request(self.address(), self.password.as_deref(), words)
    }

    /// Kills it.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> Result<(), ServersError> {
        self.service.kill()
    }

    /// Shuts it down in order.
    ///
    /// # Errors
    /// It is not running, or does not stop.
    pub fn stop(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGTERM)
    }

    /// Restarts it after a stop or a kill, with the same data and port.
    ///
    /// # Errors
    /// It is still running, or does not start.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        self.service.start()
    }

    /// Suspends it until [`Self::resume`].
    ///
    /// # Errors
    /// It is not running.
    pub fn pause(&mut self) -> Result<(), ServersError> {
        self.service.pause()
    }

    /// Resumes it after [`Self::pause`].
    ///
    /// # Errors
    /// It is not running.
    pub fn resume(&mut self) -> Result<(), ServersError> {
        self.service.resume()
    }

    /// Changes a setting from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        let arguments = [format!("--{name}").into(), value.into()];
        self.service.launch_mut().arguments.extend(arguments);
    }

    /// Whether it was started and not stopped since. A paused server counts as running.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.service.is_started()
    }

    fn login(&self) -> Option<(&str, &str)> {
        self.password.as_deref().map(|password| ("", password))
    }

    /// One line of `INFO SECTION`.
    fn info(&self, section: &str, field: &str) -> Option<String> {
        let reply = self.ask(&["INFO", section]).ok()?;
        let line = reply.text()?.lines().find_map(|line| line.strip_prefix(field))?;
        line.strip_prefix(':').map(|value| value.trim().to_owned())
    }
}

fn configuration(options: &RedisOptions, port: &Port, tls: Option<&Port>) -> String {
    let mut settings: Vec<(&str, String)> = vec![
        ("bind", "127.0.0.1".into()),
        ("port", port.number().to_string()),
        ("save", String::new()),
        ("appendonly", if options.appendonly { "yes" } else { "no" }.into()),
        ("repl-diskless-sync-delay", "0".into()),
        ("repl-ping-replica-period", "1".into()),
    ];
    if let Some(password) = &options.password {
        settings.extend([("requirepass", password.clone()), ("masterauth", password.clone())]);
    }
    settings.extend(options.maxmemory.clone().map(|most| ("maxmemory", most)));
    if let Some(port) = tls {
        settings.extend([
            ("tls-port", port.number().to_string()),
            ("tls-cert-file", "server.crt".into()),
            ("tls-key-file", "server.key".into()),
            ("tls-ca-cert-file", "server.crt".into()),
            ("tls-auth-clients", "no".into()),
        ]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let mut text = String::new();
    for (name, value) in settings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {}", words(&value));
    }
    text
}

/// Quotes each word of a value: some settings have several.
fn words(value: &str) -> String {
    let quoted = |word: &str| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
    let words: Vec<_> = value.split(' ').map(quoted).collect();
    words.join(" ")
}

fn answers(address: SocketAddr, password: Option<&str>) -> bool {
    resp::request(address, password, &["PING"]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_word_by_word() {
        assert_eq!(words(""), "\"\"");
        assert_eq!(words("a\\b c\""), r#""a\\b" "c\"""#);
    }

    #[test]
    fn settings_of_the_caller_override_the_defaults() {
        let port = Port::claim().unwrap();
        let settings = vec![("appendonly".to_owned(), "no".to_owned())];
        let options = RedisOptions { settings, ..RedisOptions::default() };
        let text = configuration(&options, &port, None);
        assert_eq!(text.lines().last(), Some("appendonly \"no\""));
        assert!(text.contains("appendonly \"yes\""));
    }
}
