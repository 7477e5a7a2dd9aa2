//! Redis or Valkey: one server, and what Sentinel and Cluster build on.

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
use crate::error::ServersError;
use crate::find::{Kind, program};
use crate::home::Home;
use crate::options::Tls;
use crate::port::Port;
use crate::process::Launch;
use crate::service::Service;
use crate::url::url;

/// What a Redis server can be started with.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The password of the default user, if one is asked for.
    pub password: Option<String>,
    /// The most memory it may use for data, as `16mb`; what needs more is refused.
    pub maxmemory: Option<String>,
    /// Whether it keeps what it stores over a restart, written before each answer.
    pub appendonly: bool,
    /// The certificate to show, on a second port: see [`Redis::tls_address`].
    pub tls: Option<Tls>,
    /// More of `redis.conf`, as `("maxmemory-policy", "allkeys-lru")`.
    pub settings: Vec<(String, String)>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { password: None, maxmemory: None, appendonly: true, tls: None, settings: Vec::new() }
    }
}

/// A Redis server of one's own, on a port of the loopback.
///
/// When dropped, it is stopped and its data is removed.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    password: Option<String>,
    tls: Option<Port>,
}

impl Redis {
    /// Starts a server; returns when it answers.
    ///
    /// # Errors
    /// It isn't installed, or doesn't start.
    pub fn start(options: RedisOptions) -> Result<Self, ServersError> {
        let home = Arc::new(Home::create("redis", None)?);
        let mut redis = Self::prepare(&home, "node", options)?;
        redis.service.start()?;
        Ok(redis)
    }

    /// A server in a directory of that name in `home`, not yet started.
    fn prepare(home: &Arc<Home>, name: &str, options: RedisOptions) -> Result<Self, ServersError> {
        let server = program(Kind::Redis, "redis-server")?;
        let directory = home.directory(name)?;
        let port = Port::claim()?;
        let tls = options.tls.as_ref().map(|_| Port::claim()).transpose()?;
        let file = directory.join("redis.conf");
        if let Some(tls) = &options.tls {
            home.write(&directory.join("server.crt"), &tls.certificate)?;
            home.write(&directory.join("server.key"), &tls.private_key)?;
        }
        home.write(&file, &configuration(&options, &port, tls.as_ref()))?;
        let password = options.password;
        let known = password.clone();
        let probe = Arc::new(move |address| answers(address, known.as_deref()));
        let mut launch = Launch::new(server, home).argument(file);
        launch.directory = directory;
        let service = Service::new(launch, port, probe, Arc::clone(home));
        Ok(Self { service, password, tls })
    }

    /// `redis://[:password@]host:port/0`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL by which it is reached through `address`, a proxy's.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("redis", self.login(), &[address], "/0")
    }

    /// `rediss://[:password@]host:port/0`, if it has a certificate.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_address().map(|address| url("rediss", self.login(), &[address], "/0"))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Where it speaks TLS, if it has a certificate.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(Port::address)
    }

    /// The directory of its own that everything lies in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.service.directory()
    }

    /// The process id of the running server.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        self.service.id()
    }

    /// The end of what it wrote, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// Carries out one command on a connection of its own: `&["CONFIG", "SET", "maxmemory", "1mb"]`.
    ///
    /// # Errors
    /// No answer, or an error as the answer.
    pub fn command(&self, words: &[&str]) -> Result<Reply, ServersError> {
        resp::ask(self.address(), self.password.as_deref(), words)
    }

    /// Ends it with SIGKILL.
    ///
    /// # Errors
    /// It isn't running.
    pub fn kill(&mut self) -> Result<(), ServersError> {
        self.service.kill()
    }

    /// Orderly shutdown.
    ///
    /// # Errors
    /// It isn't running, or doesn't stop.
    pub fn stop(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGTERM)
    }

    /// Starts it again after a stop or a kill, on the same data and port.
    ///
    /// # Errors
    /// It is still running, or doesn't start.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        self.service.start()
    }

    /// Lets it hang until [`Self::resume`].
    ///
    /// # Errors
    /// It isn't running.
    pub fn pause(&mut self) -> Result<(), ServersError> {
        self.service.pause()
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Errors
    /// It isn't running.
    pub fn resume(&mut self) -> Result<(), ServersError> {
        self.service.resume()
    }

    /// Whether it was started and not stopped since; a paused server counts as running.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.service.is_started()
    }

    fn login(&self) -> Option<(&str, &str)> {
        self.password.as_deref().map(|password| ("", password))
    }

    /// One line of `INFO SECTION`.
    fn info(&self, section: &str, field: &str) -> Option<String> {
        let reply = self.command(&["INFO", section]).ok()?;
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
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name} {}", words(&value));
    }
    text
}

/// Each word of a value quoted: some settings take several.
fn words(value: &str) -> String {
    let quoted = |word: &str| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
    let words: Vec<_> = value.split(' ').map(quoted).collect();
    words.join(" ")
}

fn answers(address: SocketAddr, password: Option<&str>) -> bool {
    resp::ask(address, password, &["PING"]).is_ok()
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
    fn settings_of_the_caller_come_last_and_win() {
        let port = Port::claim().unwrap();
        let settings = vec![("appendonly".to_owned(), "no".to_owned())];
        let options = RedisOptions { settings, ..RedisOptions::default() };
        let text = configuration(&options, &port, None);
        assert_eq!(text.lines().last(), Some("appendonly \"no\""));
        assert!(text.contains("appendonly \"yes\""));
    }
}
