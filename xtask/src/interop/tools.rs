//! python3, node, npm, Chromium, go and its libraries.

use crate::tool::Tool;

pub(super) const TOOLS: [Tool; 8] = [
    Tool { name: "python3", probe: &["python3", "--version"], package: "python3" },
    Tool {
        name: "python3's venv or pip",
        probe: &["sh", "-c", "python3 -c 'import venv, ensurepip' || python3 -m pip --version"],
        package: "python3-venv",
    },
    Tool {
        name: "node 18 or later",
        probe: &["node", "-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"],
        package: "nodejs",
    },
    Tool { name: "npm", probe: &["npm", "--version"], package: "npm" },
    Tool { name: "chromium", probe: &["chromium", "--version"], package: "chromium" },
    Tool { name: "go", probe: &["go", "version"], package: "golang-go" },
    Tool {
        name: "golang-jwt",
        probe: &["test", "-f", "/usr/share/gocode/src/github.com/golang-jwt/jwt/parser.go"],
        package: "golang-github-golang-jwt-jwt-dev",
    },
    Tool {
        name: "go-oidc and go-jose",
        probe: &["test", "-f", "/usr/share/gocode/src/github.com/coreos/go-oidc/verify.go"],
        package: "golang-github-coreos-go-oidc-dev",
    },
];
