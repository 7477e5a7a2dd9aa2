//! Finding the server programs that are installed. Nothing is installed from here.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::ServersError;

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
    /// MariaDB.
    Mariadb,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Redis, Self::Sentinel, Self::Cluster, Self::Postgres, Self::Mariadb];

    /// The word for it on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
        }
    }

    /// The package of Debian and its kin that has its programs.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Redis | Self::Sentinel | Self::Cluster => "redis-server",
            Self::Postgres => "postgresql",
            Self::Mariadb => "mariadb-server",
        }
    }

    /// The programs it is started with.
    #[must_use]
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Redis | Self::Sentinel | Self::Cluster => &["redis-server"],
            Self::Postgres => &["initdb", "postgres"],
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
        known.ok_or_else(|| format!("no such store; there are {}", names()))
    }
}

/// Those of `kinds` whose programs can't be found.
#[must_use]
pub fn missing(kinds: &[Kind]) -> Vec<Kind> {
    let is_missing = |kind: &&Kind| kind.programs().iter().any(|name| find(name).is_none());
    kinds.iter().filter(is_missing).copied().collect()
}

/// Makes sure that all of `kinds` can be started.
///
/// # Errors
/// [`ServersError::Missing`] says which programs can't be found and how to get them.
pub fn require(kinds: &[Kind]) -> Result<(), ServersError> {
    let missing = missing(kinds);
    if missing.is_empty() { Ok(()) } else { Err(ServersError::Missing(missing)) }
}

/// The path of a program that a kind is started with.
pub(crate) fn program(kind: Kind, name: &str) -> Result<PathBuf, ServersError> {
    find(name).ok_or_else(|| ServersError::Missing(vec![kind]))
}

fn find(name: &str) -> Option<PathBuf> {
    let names: &[&str] = match name {
        "redis-server" => &["redis-server", "valkey-server"],
        "postgres" | "initdb" => return find_pair(name),
        _ => &[name],
    };
    let places = places();
    names.iter().find_map(|name| places.iter().map(|place| place.join(name)).find(|p| p.is_file()))
}

/// PostgreSQL's programs must be of one version, so both are taken from one directory.
fn find_pair(name: &str) -> Option<PathBuf> {
    let both =
        |place: &&PathBuf| place.join("postgres").is_file() && place.join("initdb").is_file();
    places().iter().find(both).map(|place| place.join(name))
}

/// Where programs are looked for: the PATH, then where distributions put servers.
fn places() -> Vec<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "programs are found as a shell finds them")]
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/opt/homebrew/bin"];
    let mut places: Vec<PathBuf> = env::split_paths(&path).collect();
    places.extend(usual.map(PathBuf::from));
    places.extend(versions(Path::new("/usr/lib/postgresql")));
    places
}

/// `DIRECTORY/VERSION/bin`, the newest version first.
fn versions(directory: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| directory.join(version.to_string()).join("bin")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let error = "oracle".parse::<Kind>().unwrap_err();
        assert!(error.contains("redis, sentinel, cluster, postgres, mariadb"), "{error}");
    }

    #[test]
    fn a_program_that_is_nowhere_is_not_found() {
        assert_eq!(find("no-such-program-anywhere"), None);
        assert!(find("sh").is_some());
    }

    #[test]
    fn the_newest_version_comes_first() {
        let home = crate::home::Home::create("versions", None).unwrap();
        for name in ["9", "15", "17", "common"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        let found = versions(home.path());
        let names: Vec<_> =
            found.iter().map(|p| p.parent().unwrap().file_name().unwrap()).collect();
        assert_eq!(names, ["17", "15", "9"]);
    }
}
