//! PostgreSQL: a cluster of its own, made by `initdb`, with one database and one user.

use std::io::{Read as _, Write as _};
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

/// The name of the user, who may do everything, and of the database.
const NAME: &str = "aquaware";

/// What a PostgreSQL server can be started with.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// The user's password. Without one, a random one is made.
    pub password: Option<String>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// The certificate to show. With it, the one port speaks both with and without TLS.
    pub tls: Option<Tls>,
    /// More of `postgresql.conf`, as `("default_transaction_read_only", "on")`.
    pub settings: Vec<(String, String)>,
}

/// A PostgreSQL server of one's own, on a port of the loopback, where a password is asked for.
///
/// It runs as an unprivileged user if the caller is root. When dropped, it is stopped and its data
/// is removed.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    password: String,
}

impl Postgres {
    /// Makes a server and starts it; returns when it answers.
    ///
    /// # Errors
    /// It isn't installed, or doesn't start.
    pub fn start(options: PostgresOptions) -> Result<Self, ServersError> {
        let server = program(Kind::Postgres, "postgres")?;
        let owner = Owner::unprivileged(&["postgres", "nobody"])?;
        let home = Arc::new(Home::create("postgres", owner)?);
        let port = Port::claim()?;
        let password = options.password.clone().map_or_else(home::password, Ok)?;
        let data = home.path().join("data");
        make_cluster(&home, &data, &password)?;
        configure(&home, &data, &options, &port)?;
        make_database(&home, &data)?;
        let mut launch = Launch::new(server, &home).argument("-D").argument(data);
        // Immediate shutdown: the one way to end all of its processes that needs only one signal.
        launch.end = Signal::SIGQUIT;
        let service = Service::new(launch, port, Arc::new(answers), home);
        let mut postgres = Self { service, password };
        postgres.service.start()?;
        Ok(postgres)
    }

    /// `postgres://user:password@host:port/database`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL by which it is reached through `address`, a proxy's.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        url("postgres", Some((NAME, &self.password)), &[address], "/aquaware")
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

    /// Ends all of its processes with SIGKILL.
    ///
    /// # Errors
    /// It isn't running.
    pub fn kill(&mut self) -> Result<(), ServersError> {
        self.service.kill()
    }

    /// Immediate shutdown: connections are cut, nothing is written, the next start recovers.
    ///
    /// # Errors
    /// It isn't running, or doesn't stop.
    pub fn stop_immediate(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGQUIT)
    }

    /// Fast shutdown: transactions are rolled back, connections are closed, all is written.
    ///
    /// # Errors
    /// It isn't running, or doesn't stop.
    pub fn stop(&mut self) -> Result<(), ServersError> {
        self.service.stop(Signal::SIGINT)
    }

    /// Starts it again after a stop or a kill, on the same data and port.
    ///
    /// # Errors
    /// It is still running, or doesn't start.
    pub fn restart(&mut self) -> Result<(), ServersError> {
        self.service.start()
    }

    /// Lets all of its processes hang until [`Self::resume`].
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

    /// Changes a setting from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        let setting = format!("{name}={value}");
        self.service.launch_mut().arguments.extend(["-c".into(), setting.into()]);
    }
}

fn make_cluster(home: &Home, data: &Path, password: &str) -> Result<(), ServersError> {
    let file = home.path().join("password");
    home.write(&file, &format!("{password}\n"))?;
    let initdb = Launch::new(program(Kind::Postgres, "initdb")?, home)
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
    home: &Home,
    data: &Path,
    options: &PostgresOptions,
    port: &Port,
) -> Result<(), ServersError> {
    let mut settings: Vec<(&str, String)> = vec![
        ("listen_addresses", "127.0.0.1".into()),
        ("port", port.number().to_string()),
        ("unix_socket_directories", home.path().display().to_string()),
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
        home.write(&data.join("server.crt"), &tls.certificate)?;
        home.write(&data.join("server.key"), &tls.private_key)?;
        settings.push(("ssl", "on".into()));
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let lines = settings.iter().map(|(name, value)| format!("{name} = '{}'\n", quoted(value)));
    home.write(&data.join("postgresql.conf"), &lines.collect::<String>())
}

fn quoted(value: &str) -> String {
    value.replace('\'', "''")
}

/// Without a client program: the server itself can carry out statements, alone.
fn make_database(home: &Home, data: &Path) -> Result<(), ServersError> {
    let mut launch = Launch::new(program(Kind::Postgres, "postgres")?, home)
        .argument("--single")
        .argument("-c")
        .argument("default_transaction_read_only=off")
        .argument("-c")
        .argument("exit_on_error=on")
        .argument("-D")
        .argument(data)
        .argument("postgres");
    launch.input = home.path().join("statements");
    home.write(&launch.input, &format!("CREATE DATABASE {NAME}\n"))?;
    Process::run(&launch)
}

/// Whether the server asks for a password, which it does only once it serves connections.
fn answers(address: SocketAddr) -> bool {
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
    fn a_value_keeps_its_quotes() {
        assert_eq!(quoted("it's"), "it''s");
    }
}
