//! The kinds of stores that can be started.

use std::fmt;
use std::str::FromStr;

/// A kind of store that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One Redis server.
    Redis,
    /// A Redis master with replicas, watched by Sentinels.
    Sentinel,
    /// A Redis Cluster.
    Cluster,
    /// PostgreSQL.
    Postgres,
    /// PostgreSQL behind PgBouncer.
    PgBouncer,
    /// MariaDB.
    Mariadb,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Redis,
        Self::Sentinel,
        Self::Cluster,
        Self::Postgres,
        Self::PgBouncer,
        Self::Mariadb,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
            Self::Postgres => "postgres",
            Self::PgBouncer => "pgbouncer",
            Self::Mariadb => "mariadb",
        }
    }

    /// The package of Debian and its derivatives that contains its programs.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Redis | Self::Sentinel | Self::Cluster => "redis-server",
            Self::Postgres => "postgresql",
            Self::PgBouncer => "pgbouncer",
            Self::Mariadb => "mariadb-server",
        }
    }

    /// The programs that it requires.
    #[must_use]
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Redis | Self::Sentinel | Self::Cluster => &["redis-server"],
            Self::Postgres => &["initdb", "postgres"],
            Self::PgBouncer => &["pgbouncer"],
            Self::Mariadb => &["mariadb-install-db", "mariadbd"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| format!("unknown kind of store, expected one of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_parsed_from_their_names() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let error = "oracle".parse::<Kind>().unwrap_err();
        assert!(
            error.contains("redis, sentinel, cluster, postgres, pgbouncer, mariadb"),
            "{error}"
        );
    }
}
