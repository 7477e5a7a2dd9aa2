//! PgBouncer in front of a PostgreSQL server of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::data_dir::{DataDir, Owner};
use crate::error::ServersError;
use crate::find::program;
use crate::kind::Kind;
use crate::port::Port;
use crate::postgres::{Postgres, PostgresOptions, answers};
use crate::process::Launch;
use crate::service::Service;

/// When PgBouncer gives a server connection to another client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After each transaction.
    #[default]
    Transaction,
    /// After each statement.
    Statement,
}

impl PoolMode {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        }
    }
}

/// The options of PgBouncer.
#[derive(Clone, Debug, Default)]
pub struct PgBouncerOptions {
    /// The options of the PostgreSQL server.
    pub postgres: PostgresOptions,
    /// When a server connection is given to another client.
    pub mode: PoolMode,
    /// Further lines of its section `[pgbouncer]`, as `("default_pool_size", "4")`.
    pub settings: Vec<(String, String)>,
}

/// PgBouncer on a loopback port, in front of a PostgreSQL server. Both end when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    service: Service,
    postgres: Postgres,
}

impl PgBouncer {
    /// Starts both; returns when they are ready.
    ///
    /// # Errors
    /// One is not installed, or does not start.
    pub fn start(options: PgBouncerOptions) -> Result<Self, ServersError> {
        let server = program(Kind::PgBouncer, "pgbouncer")?;
        let PgBouncerOptions { postgres, mode, settings } = options;
        let postgres = Postgres::start(postgres)?;
        let owner = Owner::unprivileged(&["postgres", "nobody"])?;
        let dir = Arc::new(DataDir::create("pgbouncer", owner)?);
        let port = Port::claim()?;
        let users = dir.path().join("users");
        dir.write(&users, &format!("\"aquaware\" \"{}\"\n", postgres.password()))?;
        let mut lines = vec![
            "[databases]".to_owned(),
            format!("aquaware = host=127.0.0.1 port={}", postgres.address().port()),
            "[pgbouncer]".to_owned(),
            "listen_addr = 127.0.0.1".to_owned(),
            format!("listen_port = {}", port.number()),
            "unix_socket_dir =".to_owned(),
            "auth_type = scram-sha-256".to_owned(),
            format!("auth_file = {}", users.display()),
            format!("pool_mode = {}", mode.name()),
        ];
        lines.extend(settings.iter().map(|(name, value)| format!("{name} = {value}")));
        let file = dir.path().join("pgbouncer.ini");
        dir.write(&file, &(lines.join("\n") + "\n"))?;
        let launch = Launch::new(server, &dir).argument(file);
        let service = Service::new(launch, port, Arc::new(answers), dir);
        let mut pooler = Self { service, postgres };
        pooler.service.start()?;
        Ok(pooler)
    }

    /// `postgres://user:password@host:port/database`, through PgBouncer.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.url_at(self.address())
    }

    /// The address of PgBouncer.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The server behind it.
    #[must_use]
    pub const fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The directory that contains all of PgBouncer's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.service.directory()
    }

    /// The end of PgBouncer's log.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }
}
