//! Building the program `aquaware`.

use std::path::PathBuf;

use serde_json::Value;

use crate::cargo;
use crate::failure::Failure;

const NAME: &str = "aquaware";

/// Builds these targets of the workspace, the program among them, and gives its path.
///
/// The whole workspace is selected, so that cargo settles on one set of features and no dependency
/// is built twice.
///
/// # Errors
/// Something doesn't build, or there was no program among it.
pub(crate) fn build(targets: &[&str]) -> Result<PathBuf, Failure> {
    let mut command = cargo::cargo(&["build", "--workspace"]);
    command.args(targets).arg("--message-format=json-render-diagnostics");
    cargo::announce(&command);
    program(&cargo::output(&mut command)?)
        .ok_or_else(|| Failure::Unexpected(format!("the build made no program `{NAME}`")))
}

/// The path of the program in what cargo reports of a build, one JSON document per line.
fn program(messages: &str) -> Option<PathBuf> {
    let reports = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    reports
        .filter(is_program)
        .find_map(|report| report.get("executable")?.as_str().map(PathBuf::from))
}

/// Whether cargo reports the program itself, not the tests compiled from its sources.
fn is_program(report: &Value) -> bool {
    report.pointer("/target/name").is_some_and(|name| name == NAME)
        && report.pointer("/target/kind/0").is_some_and(|kind| kind == "bin")
        && report.pointer("/profile/test").is_some_and(|test| test == false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(name: &str, kind: &str, test: bool, executable: &str) -> String {
        json!({
            "reason": "compiler-artifact",
            "target": { "name": name, "kind": [kind] },
            "profile": { "test": test },
            "executable": executable,
        })
        .to_string()
    }

    #[test]
    fn the_program_is_found_among_what_was_built() {
        let messages = [
            "not json".to_owned(),
            artifact("xtask", "bin", false, "debug/xtask"),
            artifact("aquaware", "lib", false, "debug/libaquaware"),
            artifact("aquaware", "bin", true, "debug/deps/aquaware-0123"),
            artifact("aquaware", "bin", false, "debug/aquaware"),
            json!({ "reason": "build-finished", "success": true }).to_string(),
        ];
        assert_eq!(program(&messages.join("\n")), Some(PathBuf::from("debug/aquaware")));
    }

    #[test]
    fn a_build_without_the_program_gives_none() {
        assert_eq!(program(&artifact("aquaware", "bin", true, "debug/deps/aquaware-0123")), None);
        assert_eq!(program(""), None);
    }
}
