//! PostgreSQL: a new cluster, created by `initdb`, with one database and one user.

use std::io::{Read as _, Write as _};
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

/// The name of the superuser and of the database.
const NAME: &str = "aquaware";

/// The options of a PostgreSQL server.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// The user's password; a random one by default.
    pub password: Option<String>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// The certificate for TLS. The port then accepts connections both with and without TLS.
    pub tls: Option<Tls>,
    /// Further lines of `postgresql.conf`, as `("default_transaction_read_only", "on")`.
    pub settings: Vec<(String, String)>,
}

/// A PostgreSQL server on a loopback port, which requires a password.
///
/// It runs as an unprivileged user if the caller is root. When dropped, it is stopped and its data
/// is removed.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    password: String,
}

impl Postgres {
    /// Creates a server and starts it; returns when it is ready.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start(options: PostgresOptions) -> Result<Self, ServersError> {
        let server = program(Kind::Postgres, "postgres")?;
        let owner = Owner::unprivileged(&["postgres", "nobody"])?;
        let dir = Arc::new(DataDir::create("postgres", owner)?);
        let port = Port::claim()?;
        let password = options.password.clone().map_or_else(data_dir::password, Ok)?;
        let data = dir.path().join("data");
        make_cluster(&dir, &data, &password)?;
        configure(&dir, &data, &options, &port)?;
        make_database(&dir, &data)?;
        let mut launch = Launch::new(server, &dir).argument("-D").argument(data);
        // Immediate shutdown: the only way to end all of its processes with one signal.
        launch.end = Signal::SIGQUIT;
        let service = Service::new(launch, port, Arc::new(answers), dir);
        let mut postgres = Self { service, password };
        postgres.service.start()?;
        Ok(postgres)
    }

    /// `postgres://user:password@host:port/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL through a proxy at `address`.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("postgres", Some((NAME, &self.password)), &[address], "/aquaware")
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

    /// Kills all of its processes.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> Result<(), ServersError> {
        self.service.kill()
    }

    /// Immediate shutdown: connections are cut, nothing is written, and the next start recovers.
    ///
    /// # Errors
    /// It is not running, or does not stop.
    pub fn stop_immediate(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGQUIT)
    }

    /// Fast shutdown: transactions are rolled back, connections are closed, all data is written.
    ///
    /// # Errors
    /// It is not running, or does not stop.
    pub fn stop(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGINT)
    }

    /// Restarts it after a stop or a kill, with the same data and port.
    ///
    /// # Errors
    /// It is still running, or does not start.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        self.service.start()
    }

    /// Suspends all of its processes until [`Self::resume`].
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
        let setting = format!("{name}={value}");
        self.service.launch_mut().arguments.extend(["-c".into(), setting.into()]);
    }
}

fn make_cluster(dir: &DataDir, data: &Path, password: &str) -> Result<(), ServersError> {
    let file = dir.path().join("password");
    dir.write(&file, &format!("{password}\n"))?;
    let initdb = Launch::new(program(Kind::Postgres, "initdb")?, dir)
        .argument("-D")
        .argument(data)
        .argument("-U")
        .argument(NAME)
        .argument(format!("--pwfile={}", file.display()))
        .argument("--auth=scram-sha-256")
        .argument("--encoding=UTF8")
        .argument("--locale=C")
        .argument("--no-sync");
    Process::run(&initdb)
}

fn configure(
    dir: &DataDir,
    data: &Path,
    options: &PostgresOptions,
    port: &Port,
) -> Result<(), ServersError> {
    let mut settings: Vec<(&str, String)> = vec![
        ("listen_addresses", "127.0.0.1".into()),
        ("port", port.number().to_string()),
        ("unix_socket_directories", dir.path().display().to_string()),
        ("shared_buffers", "16MB".into()),
        ("max_connections", "64".into()),
        ("max_wal_size", "128MB".into()),
        ("log_line_prefix", "%m [%p] ".into()),
    ];
    if options.durability == Durability::Fast {
        let off = ["fsync", "synchronous_commit", "full_page_writes"];
        settings.extend(off.map(|name| (name, "off".into())));
    }
    if let Some(tls) = &options.tls {
        dir.write(&data.join("server.crt"), &tls.certificate)?;
        dir.write(&data.join("server.key"), &tls.private_key)?;
        settings.push(("ssl", "on".into()));
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let lines = settings.iter().map(|(name, value)| format!("{name} = '{}'\n", quoted(value)));
    dir.write(&data.join("postgresql.conf"), &lines.collect::<String>())
}

fn quoted(value: &str) -> String {
    value.replace('\'', "''")
}

/// No client program is needed: the server can execute statements in single-user mode.
fn make_database(dir: &DataDir, data: &Path) -> Result<(), ServersError> {
    let mut launch = Launch::new(program(Kind::Postgres, "postgres")?, dir)
        .argument("--single")
        .argument("-c")
        .argument("default_transaction_read_only=off")
        .argument("-c")
        .argument("exit_on_error=on")
        .argument("-D")
        .argument(data)
        .argument("postgres");
    launch.input = dir.path().join("statements");
    dir.write(&launch.input, &format!("CREATE DATABASE {NAME}\n"))?;
    Process::run(&launch)
}

/// Whether the server requests a password, which it does only once it accepts connections.
pub(crate) fn answers(address: SocketAddr) -> bool {
    asked_for_password(address).unwrap_or(false)
}

fn asked_for_password(address: SocketAddr) -> std::io::Result<bool> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, second)?;
    stream.set_read_timeout(Some(second))?;
    let parameters = format!("user\0{NAME}\0database\0{NAME}\0\0");
    let length = u32::try_from(parameters.len() + 8).unwrap_or_default();
    // Protocol 3.0, as in PostgreSQL's documentation, chapter "Message Formats".
    let message = [&length.to_be_bytes()[..], &[0, 3, 0, 0], parameters.as_bytes()].concat();
    stream.write_all(&message)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind == *b"R")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_values_are_kept() {
        assert_eq!(quoted("it's"), "it''s");
    }
}
