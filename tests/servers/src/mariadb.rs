//! MariaDB: a data directory of its own, made by `mariadb-install-db`, with one database and user.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::ServersError;
use crate::find::{Kind, program};
use crate::home::{self, Home, Owner};
use crate::options::{Durability, Tls};
use crate::port::Port;
use crate::process::{Launch, Process};
use crate::service::Service;
use crate::url::url;

/// The name of the user and of the database.
const NAME: &str = "aquaware";

/// What a MariaDB server can be started with.
#[derive(Clone, Debug, Default)]
pub struct MariadbOptions {
    /// The user's password. Without one, a random one is made.
    pub password: Option<String>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// The certificate to show. With it, the one port speaks both with and without TLS.
    pub tls: Option<Tls>,
    /// More of the server's options, as `("read-only", "1")`.
    pub settings: Vec<(String, String)>,
}

/// A MariaDB server of one's own, on a port of the loopback, where a password is asked for.
///
/// The user may do everything in databases whose name begins with `aquaware`, and nothing else, so
/// `read-only` binds it. The server runs as an unprivileged user if the caller is root. When
/// dropped, it is stopped and its data is removed.
#[derive(Debug)]
pub struct Mariadb {
    service: Service,
    password: String,
}

impl Mariadb {
    /// Makes a server and starts it; returns when it answers.
    ///
    /// # Errors
    /// It isn't installed, or doesn't start.
    pub fn start(options: MariadbOptions) -> Result<Self, ServersError> {
        let server = program(Kind::Mariadb, "mariadbd")?;
        let owner = Owner::unprivileged(&["mysql", "nobody"])?;
        let home = Arc::new(Home::create("mariadb", owner)?);
        let port = Port::claim()?;
        let password = options.password.clone().map_or_else(home::password, Ok)?;
        install(&home)?;
        home.write(&home.path().join("init.sql"), &statements(&password))?;
        let mut launch = Launch::new(server, &home);
        for argument in arguments(&home, &options, &port)? {
            launch = launch.argument(argument);
        }
        let service = Service::new(launch, port, Arc::new(answers), home);
        let mut mariadb = Self { service, password };
        mariadb.service.start()?;
        Ok(mariadb)
    }

    /// `mysql://user:password@host:port/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL by which it is reached through `address`, a proxy's.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("mysql", Some((NAME, &self.password)), &[address], "/aquaware")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
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

    /// Changes an option from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.service.launch_mut().arguments.push(format!("--{name}={value}").into());
    }
}

fn install(home: &Home) -> Result<(), ServersError> {
    let mut launch = Launch::new(program(Kind::Mariadb, "mariadb-install-db")?, home);
    let data = format!("--datadir={}", home.path().join("data").display());
    // What is made here is thrown away if it isn't finished, so it needn't wait for the disk.
    let rest =
        ["--skip-test-db", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M"];
    for argument in ["--no-defaults", &data].into_iter().chain(rest) {
        launch = launch.argument(argument);
    }
    Process::run(&launch)
}

/// Carried out at each start, so each must do no harm the second time. One line each.
fn statements(password: &str) -> String {
    let password = password.replace('\\', "\\\\").replace('\'', "\\'");
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4;");
    let _ = writeln!(text, "CREATE USER IF NOT EXISTS '{NAME}'@'%' IDENTIFIED BY '{password}';");
    let _ = writeln!(text, "GRANT ALL ON `{NAME}%`.* TO '{NAME}'@'%';");
    text
}

fn arguments(
    home: &Home,
    options: &MariadbOptions,
    port: &Port,
) -> Result<Vec<String>, ServersError> {
    let path = |name: &str| home.path().join(name).display().to_string();
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
        home.write(&home.path().join("server.crt"), &tls.certificate)?;
        home.write(&home.path().join("server.key"), &tls.private_key)?;
        settings.extend([("ssl-cert", path("server.crt")), ("ssl-key", path("server.key"))]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let mut arguments = vec!["--no-defaults".to_owned()];
    arguments.extend(settings.iter().map(|(name, value)| format!("--{name}={value}")));
    Ok(arguments)
}

/// Whether the server greets whoever connects, which it does only once it serves connections.
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
    fn a_password_keeps_its_quotes() {
        assert!(statements(r"a'b\c").contains(r"IDENTIFIED BY 'a\'b\\c'"));
    }
}
