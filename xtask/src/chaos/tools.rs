//! The programs that the libraries' tests need.

use crate::tool::Tool;

pub(super) const TOOLS: [Tool; 4] = [
    Tool { name: "g++", probe: &["g++", "--version"], package: "g++" },
    Tool { name: "size", probe: &["size", "--version"], package: "binutils" },
    Tool {
        name: "python3's venv",
        probe: &["python3", "-c", "import venv, ensurepip"],
        package: "python3-venv",
    },
    Tool {
        name: "node 18 or later",
        probe: &["node", "-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"],
        package: "nodejs",
    },
];

/// Installs the libraries of others.
pub(super) const NPM: [Tool; 1] =
    [Tool { name: "npm", probe: &["npm", "--version"], package: "npm" }];
