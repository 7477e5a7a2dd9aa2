//! Building the program `aquaware`.

use std::path::PathBuf;

use cargo_metadata::{Message, TargetKind};

use crate::cargo;
use crate::error::TaskError;

const NAME: &str = "aquaware";

/// Builds these targets of the workspace, the program among them, and returns its path.
///
/// The whole workspace is selected, so that cargo settles on one set of features and builds no
/// dependency twice.
///
/// # Errors
/// The build fails, or does not contain the program.
pub(crate) fn build(targets: &[&str]) -> Result<PathBuf, TaskError> {
    let mut command = cargo::cargo(&["build", "--workspace"]);
    command.args(targets).arg("--message-format=json-render-diagnostics");
    cargo::announce(&command);
    program(&cargo::output(&mut command)?)
        .ok_or_else(|| TaskError::Message(format!("the build produced no program `{NAME}`")))
}

/// The path of the program in cargo's messages, which also name tests built from its sources.
fn program(messages: &str) -> Option<PathBuf> {
    Message::parse_stream(messages.as_bytes()).find_map(|message| match message.ok()? {
        Message::CompilerArtifact(artifact)
            if artifact.target.name == NAME
                && artifact.target.kind.contains(&TargetKind::Bin)
                && !artifact.profile.test =>
        {
            artifact.executable.map(Into::into)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(name: &str, kind: &str, test: bool, executable: &str) -> String {
        json!({
            "reason": "compiler-artifact",
            "package_id": "path+file:///x#0.1.0",
            "manifest_path": "/x/Cargo.toml",
            "target": { "name": name, "kind": [kind], "crate_types": [kind], "src_path": "/x.rs" },
            "profile": {
                "opt_level": "0",
                "debug_assertions": true,
                "overflow_checks": true,
                "test": test,
            },
            "features": [],
            "filenames": [],
            "executable": executable,
            "fresh": true,
        })
        .to_string()
    }

    #[test]
    fn the_program_is_found_among_the_artifacts() {
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
    fn a_build_without_the_program_has_none() {
        assert_eq!(program(&artifact("aquaware", "bin", true, "debug/deps/aquaware-0123")), None);
        assert_eq!(program(""), None);
    }
}
