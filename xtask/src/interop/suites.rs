//! The scripts, and running one of them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::error::TaskError;
use crate::interop::accepted::Accepted;
use crate::interop::environment::Environment;
use crate::interop::language::Language;
use crate::interop::server::Server;
use crate::interop::tally::Tally;

/// A script, and the algorithm of the access tokens that it receives.
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

const fn go(name: &'static str, script: &'static str, algorithm: &'static str) -> Suite {
    Suite { name, language: Language::Go, script, algorithm }
}

/// All scripts. Those that verify tokens do so for every algorithm with public keys.
pub(super) const SUITES: &[Suite] = &[
    python("PyJWT, EdDSA", "pyjwt_keys.py", "EdDSA"),
    python("PyJWT, ES256", "pyjwt_keys.py", "ES256"),
    python("PyJWT, RS256", "pyjwt_keys.py", "RS256"),
    python("Authlib", "authlib_sessions.py", "EdDSA"),
    python("requests-oauthlib", "requests_oauthlib_sessions.py", "EdDSA"),
    python("Django and simplejwt", "django_simplejwt.py", "EdDSA"),
    python("Django, there and back", "django_switch.py", "EdDSA"),
    python("Django service, EdDSA", "django_service.py", "EdDSA"),
    python("Django service, ES256", "django_service.py", "ES256"),
    python("Django service, RS256", "django_service.py", "RS256"),
    python("aiosmtpd", "mail_server.py", "EdDSA"),
    node("jose, EdDSA", "jose_keys.mjs", "EdDSA"),
    node("jose, Ed25519", "jose_keys.mjs", "Ed25519"),
    node("jose, ES256", "jose_keys.mjs", "ES256"),
    node("jose, RS256", "jose_keys.mjs", "RS256"),
    node("oauth4webapi, EdDSA", "oauth4webapi_client.mjs", "EdDSA"),
    node("oauth4webapi, ES256", "oauth4webapi_client.mjs", "ES256"),
    node("oauth4webapi, RS256", "oauth4webapi_client.mjs", "RS256"),
    node("openid-client", "openid_client.mjs", "EdDSA"),
    node("status lists, EdDSA", "status_lists.mjs", "EdDSA"),
    node("status lists, ES256", "status_lists.mjs", "ES256"),
    python("schemathesis", "schemathesis_document.py", "EdDSA"),
    node("Swagger UI", "swagger_ui.mjs", "EdDSA"),
    python("proxies, EdDSA", "guard_proxies.py", "EdDSA"),
    python("proxies, Ed25519", "guard_proxies.py", "Ed25519"),
    python("proxies, ES256", "guard_proxies.py", "ES256"),
    python("proxies, RS256", "guard_proxies.py", "RS256"),
    python("Python, EdDSA", "accepted.py", "EdDSA"),
    python("Python, Ed25519", "accepted.py", "Ed25519"),
    python("Python, ES256", "accepted.py", "ES256"),
    python("Python, RS256", "accepted.py", "RS256"),
    node("Node, EdDSA", "accepted.mjs", "EdDSA"),
    node("Node, Ed25519", "accepted.mjs", "Ed25519"),
    node("Node, ES256", "accepted.mjs", "ES256"),
    node("Node, RS256", "accepted.mjs", "RS256"),
    go("Go, EdDSA", "accepted.go", "EdDSA"),
    go("Go, Ed25519", "accepted.go", "Ed25519"),
    go("Go, ES256", "accepted.go", "ES256"),
    go("Go, RS256", "accepted.go", "RS256"),
    node("account page", "account_page.mjs", "EdDSA"),
    node("client library", "client_library.mjs", "EdDSA"),
    node("Standard Webhooks", "standard_webhooks.mjs", "EdDSA"),
];

/// Runs the script against this server, prints its output, and counts its checks.
///
/// # Errors
/// It cannot be run.
pub(super) fn run(
    suite: &Suite,
    environment: &dyn Environment,
    server: &Server,
    accepted: &mut Accepted,
) -> Result<Tally, TaskError> {
    let failed = |source| TaskError::io(format!("cannot run {}", suite.script))(source);
    let mut command = environment.command(Path::new(suite.script));
    server.describe_to(&mut command, std::env::vars_os());
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
    accepted.read(&written);
    Ok(Tally::of(&written, status.success()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::cargo;

    #[test]
    fn every_script_exists_and_names_are_unique() {
        let names: BTreeSet<_> = SUITES.iter().map(|suite| suite.name).collect();
        assert_eq!(names.len(), SUITES.len());
        for suite in SUITES {
            let path = suite.language.sources().join(suite.script);
            assert!(path.is_file(), "{}", path.display());
        }
    }

    #[test]
    fn the_page_lists_every_client_with_its_pinned_version() {
        let page = fs::read_to_string(cargo::root().join("docs/interop.md")).unwrap();
        let requirements = Language::Python.sources().join("requirements.in");
        let python = fs::read_to_string(requirements).unwrap();
        let manifest = fs::read_to_string(Language::Node.sources().join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let node = manifest["dependencies"].as_object().unwrap().iter();
        let node = node.map(|(name, version)| (name.clone(), version.as_str().unwrap().to_owned()));
        let python = python.lines().filter_map(|line| line.split_once("=="));
        let python = python.map(|(name, version)| (name.replace("[crypto]", ""), version.into()));
        // The scripts use this library themselves; it is not under test.
        let clients = python.chain(node).filter(|(name, _)| name != "requests");
        for (name, version) in clients {
            let row = format!("| {name} | {version} |");
            assert!(page.to_lowercase().contains(&row), "{row}");
        }
    }

    #[test]
    fn every_script_with_checks_is_run() {
        let known: BTreeSet<_> = SUITES.iter().map(|suite| suite.script.to_owned()).collect();
        for language in [Language::Python, Language::Node, Language::Go] {
            for entry in fs::read_dir(language.sources()).unwrap() {
                let path = entry.unwrap().path();
                let text = fs::read_to_string(&path).unwrap();
                let runs =
                    text.lines().any(|line| ["run()", "await run();", "\trun()"].contains(&line));
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert_eq!(runs, known.contains(&name), "{name}");
            }
        }
    }
}
