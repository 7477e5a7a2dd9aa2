//! MariaDB: a new data directory, created by `mariadb-install-db`, with one database and one user.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::data_dir::{self, DataDir, Owner};
use crate::error::ServersError;
use crate::find::program;
use crate::kind::Kind;
use crate::options::{Durability, Tls};
use crate::port::Port;
use crate::process::{Launch, Process};
use crate::service::Service;
use crate::url::url;

/// The name of the user and of the database.
const NAME: &str = "aquaware";

/// The options of a MariaDB server.
#[derive(Clone, Debug, Default)]
pub struct MariadbOptions {
    /// The user's password; a random one by default.
    pub password: Option<String>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// The certificate for TLS. The port then accepts connections both with and without TLS.
    pub tls: Option<Tls>,
    /// Further options of the server, as `("read-only", "1")`.
    pub settings: Vec<(String, String)>,
}

/// A MariaDB server on a loopback port, which requires a password.
///
/// The user has all rights for databases with the prefix `aquaware`, and no others, so
/// `read-only` applies to it. The server runs as an unprivileged user if the caller is root. When
/// dropped, it is stopped and its data is removed.
#[derive(Debug)]
pub struct Mariadb {
    service: Service,
    password: String,
}

impl Mariadb {
    /// Creates a server and starts it; returns when it is ready.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start(options: MariadbOptions) -> Result<Self, ServersError> {
        let server = program(Kind::Mariadb, "mariadbd")?;
        let owner = Owner::unprivileged(&["mysql", "nobody"])?;
        let dir = Arc::new(DataDir::create("mariadb", owner)?);
        let port = Port::claim()?;
        let password = options.password.clone().map_or_else(data_dir::password, Ok)?;
        install(&dir)?;
        dir.write(&dir.path().join("init.sql"), &statements(&password))?;
        let mut launch = Launch::new(server, &dir);
        for argument in arguments(&dir, &options, &port)? {
            launch = launch.argument(argument);
        }
        let service = Service::new(launch, port, Arc::new(answers), dir);
        let mut mariadb = Self { service, password };
        mariadb.service.start()?;
        Ok(mariadb)
    }

    /// `mysql://user:password@host:port/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL through a proxy at `address`.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("mysql", Some((NAME, &self.password)), &[address], "/aquaware")
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
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

    /// Changes an option from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.service.launch_mut().arguments.push(format!("--{name}={value}").into());
    }
}

fn install(dir: &DataDir) -> Result<(), ServersError> {
    let mut launch = Launch::new(program(Kind::Mariadb, "mariadb-install-db")?, dir);
    let data = format!("--datadir={}", dir.path().join("data").display());
    // An unfinished directory is thrown away, so there is no need to wait for the disk.
    let rest =
        ["--skip-test-db", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M"];
    for argument in ["--no-defaults", &data].into_iter().chain(rest) {
        launch = launch.argument(argument);
    }
    Process::run(&launch)
}

/// Executed at each start, so they must be idempotent. One line each.
fn statements(password: &str) -> String {
    let password = password.replace('\\', "\\\\").replace('\'', "\\'");
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4;");
    let _ = writeln!(text, "CREATE USER IF NOT EXISTS '{NAME}'@'%' IDENTIFIED BY '{password}';");
    let _ = writeln!(text, "GRANT ALL ON `{NAME}%`.* TO '{NAME}'@'%';");
    text
}

fn arguments(
    dir: &DataDir,
    options: &MariadbOptions,
    port: &Port,
) -> Result<Vec<String>, ServersError> {
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut settings = vec![
        ("datadir", path("data")),
        ("tmpdir", path("")),
        ("socket", path("socket")),
        ("pid-file", path("pid")),
        ("init-file", path("init.sql")),
        ("bind-address", "127.0.0.1".into()),
        ("port", port.number().to_string()),
        ("skip-name-resolve", "1".into()),
        ("max-connections", "64".into()),
        ("performance-schema", "0".into()),
        ("innodb-buffer-pool-size", "32M".into()),
        ("innodb-log-file-size", "16M".into()),
        ("innodb-log-buffer-size", "2M".into()),
        ("key-buffer-size", "1M".into()),
        ("aria-pagecache-buffer-size", "8M".into()),
    ];
    if options.durability == Durability::Fast {
        settings.push(("innodb-flush-log-at-trx-commit", "0".into()));
    }
    if let Some(tls) = &options.tls {
        dir.write(&dir.path().join("server.crt"), &tls.certificate)?;
        dir.write(&dir.path().join("server.key"), &tls.private_key)?;
        settings.extend([("ssl-cert", path("server.crt")), ("ssl-key", path("server.key"))]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let mut arguments = vec!["--no-defaults".to_owned()];
    arguments.extend(settings.iter().map(|(name, value)| format!("--{name}={value}")));
    Ok(arguments)
}

/// Whether the server sends its greeting, which it does only once it accepts connections.
fn answers(address: SocketAddr) -> bool {
    greeting(address).is_ok_and(|version| version == 10)
}

/// The protocol version, the first byte after the four of the packet's header.
fn greeting(address: SocketAddr) -> std::io::Result<u8> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, second)?;
    stream.set_read_timeout(Some(second))?;
    let mut start = [0; 5];
    stream.read_exact(&mut start)?;
    let [.., version] = start;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_passwords_are_kept() {
        assert!(statements(r"a'b\c").contains(r"IDENTIFIED BY 'a\'b\\c'"));
    }
}
