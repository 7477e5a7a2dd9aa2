//! Making sure that the server programs are there, from the distribution's packages if need be.
//!
//! Services are never started: the servers that tests need run in directories of their own.

use aquaware_servers::{Kind, ServersError, missing, require};

use crate::failure::Failure;
use crate::packages::{Installer, Permission};

/// Makes sure that servers of these kinds can be started.
///
/// # Errors
/// Programs are missing and nothing may be installed, or can't be, or it didn't help.
pub(crate) fn ensure(kinds: &[Kind], permission: Permission) -> Result<(), Failure> {
    let missing = missing(kinds);
    if missing.is_empty() {
        eprintln!("the server programs are installed");
        return Ok(());
    }
    let installer = Installer::with(permission)
        .map_err(|why| unavailable(&ServersError::Missing(missing.clone()), &why))?;
    let packages = packages(&missing);
    eprintln!(
        "The tests run on real servers, and the programs of {} are missing. Installing the \
         distribution's packages {}; no service is started. (--no-install refuses this.)",
        names(&missing),
        packages.join(", ")
    );
    installer.install(&packages)?;
    require(kinds).map_err(|error| unavailable(&error, "the packages don't have them"))
}

fn packages(kinds: &[Kind]) -> Vec<&'static str> {
    let mut packages: Vec<_> = kinds.iter().map(|kind| kind.package()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

fn unavailable(error: &ServersError, why: &str) -> Failure {
    Failure::Unexpected(format!("{error}\n({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_of_several_kinds_is_installed_once() {
        assert_eq!(packages(&Kind::ALL), ["mariadb-server", "postgresql", "redis-server"]);
    }

    #[test]
    fn what_is_missing_and_may_not_be_installed_is_a_failure() {
        let error = ServersError::Missing(vec![Kind::Redis]);
        let text = unavailable(&error, "nothing may be installed").to_string();
        assert!(text.contains("redis-server") && text.ends_with("(nothing may be installed)"));
    }
}
