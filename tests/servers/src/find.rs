//! Finding installed server programs. Nothing is installed here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ServersError;
use crate::kind::Kind;

/// The kinds whose programs cannot be found.
#[must_use]
pub fn missing(kinds: &[Kind]) -> Vec<Kind> {
    let is_missing = |kind: &&Kind| kind.programs().iter().any(|name| find(name).is_none());
    kinds.iter().filter(is_missing).copied().collect()
}

/// Checks that servers of all these kinds can be started.
///
/// # Errors
/// [`ServersError::Missing`] names the missing programs and how to install them.
pub fn require(kinds: &[Kind]) -> Result<(), ServersError> {
    let missing = missing(kinds);
    if missing.is_empty() { Ok(()) } else { Err(ServersError::Missing(missing)) }
}

/// The path of a program that a kind requires.
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

/// PostgreSQL's programs must have the same version, so both are taken from one directory.
fn find_pair(name: &str) -> Option<PathBuf> {
    let both =
        |place: &&PathBuf| place.join("postgres").is_file() && place.join("initdb").is_file();
    places().iter().find(both).map(|place| place.join(name))
}

/// The directories of programs: the PATH, then those where distributions install servers.
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
    fn missing_programs_are_not_found() {
        assert_eq!(find("no-such-program-anywhere"), None);
        assert!(find("sh").is_some());
    }

    #[test]
    fn the_newest_version_comes_first() {
        let dir = crate::data_dir::DataDir::create("versions", None).unwrap();
        for name in ["9", "15", "17", "common"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found = versions(dir.path());
        let names: Vec<_> =
            found.iter().map(|p| p.parent().unwrap().file_name().unwrap()).collect();
        assert_eq!(names, ["17", "15", "9"]);
    }
}
