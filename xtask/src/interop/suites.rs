//! The scripts there are, and running one.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::cargo;
use crate::failure::Failure;
use crate::interop::environment::Environment;
use crate::interop::server::Server;
use crate::interop::tally::Tally;

/// Where the scripts and the pinned versions are.
const SOURCES: &str = "tests/interop";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
}

impl Language {
    /// The directory of what is written in it.
    pub(super) fn sources(self) -> PathBuf {
        let name = match self {
            Self::Python => "python",
            Self::Node => "node",
        };
        cargo::root().join(SOURCES).join(name)
    }
}

/// A script, and the algorithm of the access tokens it meets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) language: Language,
    pub(super) script: &'static str,
    pub(super) algorithm: &'static str,
}

const fn python(name: &'static str, script: &'static str, algorithm: &'static str) -> Suite {
    Suite { name, language: Language::Python, script, algorithm }
}

const fn node(name: &'static str, script: &'static str, algorithm: &'static str) -> Suite {
    Suite { name, language: Language::Node, script, algorithm }
}

/// All of them. Who checks tokens meets every algorithm with public keys.
pub(super) const SUITES: [Suite; 14] = [
    python("PyJWT, EdDSA", "pyjwt_keys.py", "EdDSA"),
    python("PyJWT, ES256", "pyjwt_keys.py", "ES256"),
    python("PyJWT, RS256", "pyjwt_keys.py", "RS256"),
    python("Authlib", "authlib_sessions.py", "EdDSA"),
    python("requests-oauthlib", "requests_oauthlib_sessions.py", "EdDSA"),
    node("jose, EdDSA", "jose_keys.mjs", "EdDSA"),
    node("jose, ES256", "jose_keys.mjs", "ES256"),
    node("jose, RS256", "jose_keys.mjs", "RS256"),
    node("oauth4webapi, EdDSA", "oauth4webapi_client.mjs", "EdDSA"),
    node("oauth4webapi, ES256", "oauth4webapi_client.mjs", "ES256"),
    node("oauth4webapi, RS256", "oauth4webapi_client.mjs", "RS256"),
    node("openid-client", "openid_client.mjs", "EdDSA"),
    node("status lists, EdDSA", "status_lists.mjs", "EdDSA"),
    node("status lists, ES256", "status_lists.mjs", "ES256"),
];

/// Runs the script against this server, shows what it tells, and counts it.
///
/// # Errors
/// It can't be run.
pub(super) fn run(
    suite: &Suite,
    environment: &dyn Environment,
    server: &Server,
) -> Result<Tally, Failure> {
    let failed = |source| Failure::Io { what: format!("can't run {}", suite.script), source };
    let mut command = environment.command(Path::new(suite.script));
    server.introduce(&mut command, std::env::vars_os());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut written = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(failed)?;
            println!("{line}");
            written.push_str(&line);
            written.push('\n');
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok(Tally::of(&written, status.success()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn every_script_is_there_and_names_are_not_given_twice() {
        let names: BTreeSet<_> = SUITES.iter().map(|suite| suite.name).collect();
        assert_eq!(names.len(), SUITES.len());
        for suite in SUITES {
            let path = suite.language.sources().join(suite.script);
            assert!(path.is_file(), "{}", path.display());
        }
    }

    #[test]
    fn the_page_names_every_client_in_its_pinned_version() {
        let page = fs::read_to_string(cargo::root().join("docs/interop.md")).unwrap();
        let requirements = Language::Python.sources().join("requirements.in");
        let python = fs::read_to_string(requirements).unwrap();
        let manifest = fs::read_to_string(Language::Node.sources().join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let node = manifest["dependencies"].as_object().unwrap().iter();
        let node = node.map(|(name, version)| (name.clone(), version.as_str().unwrap().to_owned()));
        let python = python.lines().filter_map(|line| line.split_once("=="));
        let python = python.map(|(name, version)| (name.replace("[crypto]", ""), version.into()));
        // What the scripts themselves ask with is no client under test.
        let clients = python.chain(node).filter(|(name, _)| name != "requests");
        for (name, version) in clients {
            let row = format!("| {name} | {version} |");
            assert!(page.to_lowercase().contains(&row), "{row}");
        }
    }

    #[test]
    fn every_script_that_checks_something_is_run() {
        let known: BTreeSet<_> = SUITES.iter().map(|suite| suite.script.to_owned()).collect();
        for language in [Language::Python, Language::Node] {
            for entry in fs::read_dir(language.sources()).unwrap() {
                let path = entry.unwrap().path();
                let text = fs::read_to_string(&path).unwrap();
                let runs = text.lines().any(|line| ["run()", "await run();"].contains(&line));
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert_eq!(runs, known.contains(&name), "{name}");
            }
        }
    }
}
