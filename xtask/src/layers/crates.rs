//! The layers of the workspace's crates: which crate may depend on which.
//!
//! A crate that is in no table breaks the check: a new one must be given its place first.

use std::collections::BTreeSet;

use cargo_metadata::semver::Version;
use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

use crate::cargo;
use crate::error::TaskError;

const CLIENT: &str = "aquaware-client";
const CORE: &str = "aquaware-core";
const HTTP: &str = "aquaware-http";
const KEYS: &str = "aquaware-key-directory";
const KIT: &str = "aquaware-store-testkit";
const REDIS: &str = "aquaware-store-redis";
const SERVERS: &str = "aquaware-servers";
const SQL: &str = "aquaware-store-sql";
const TOKEN: &str = "aquaware-token";
const VERIFIER: &str = "aquaware-verifier";

/// What a crate may depend on, and what else its tests may depend on.
#[derive(Clone, Copy, Debug)]
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn layer(
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
) -> Layer {
    Layer { name, uses, tests_use }
}

/// The crates, from the bottom up. Adapters never see each other.
const LAYERS: [Layer; 11] = [
    layer(SERVERS, &[], &[]),
    layer(TOKEN, &[], &[]),
    layer(CORE, &[TOKEN], &[]),
    layer(KIT, &[CORE, TOKEN], &[]),
    layer(SQL, &[CORE, TOKEN], &[KIT, SERVERS]),
    layer(REDIS, &[CORE, TOKEN], &[KIT, SERVERS]),
    layer(KEYS, &[CORE, TOKEN], &[]),
    layer(HTTP, &[CORE, TOKEN], &[KIT]),
    layer(VERIFIER, &[TOKEN], &[]),
    layer(CLIENT, &[], &[]),
    layer("aquaware", &[CLIENT, CORE, TOKEN, SQL, REDIS, KEYS, HTTP, VERIFIER], &[KIT]),
];

/// Crates on top, which may depend on all others and on which no other may depend.
const TOP: [&str; 5] = ["aquaware-tests", "mounted", "own-users", "store-sqlx", "xtask"];

/// The feature of the lower crates that is meant for tests.
const TEST_FEATURE: &str = "testing";

/// What a crate may link, directly or not, when these of its features are enabled.
#[derive(Clone, Copy, Debug)]
struct Limit {
    name: &'static str,
    features: &'static str,
    /// Crates that it must not link: these, and those named after them.
    never: &'static [&'static str],
    /// How many crates it may consist of, itself included.
    max: usize,
}

/// Runtimes, sockets, databases.
const IO: [&str; 14] = [
    "actix",
    "async-std",
    "diesel",
    "futures-executor",
    "hyper",
    "libsqlite3-sys",
    "mio",
    "redis",
    "reqwest",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "ureq",
];
/// What a service that only verifies tokens does not want to build.
const NOT_FOR_SERVICES: [&str; 5] = ["actix", "argon2", "axum", "diesel", "zxcvbn"];

/// What teams with their own users do not want to build.
const FOR_PASSWORDS: [&str; 2] = ["argon2", "zxcvbn"];

const LIMITS: [Limit; 7] = [
    Limit { name: TOKEN, features: "--all-features", never: &IO, max: usize::MAX },
    Limit { name: CORE, features: "--all-features", never: &IO, max: usize::MAX },
    Limit { name: VERIFIER, features: "--no-default-features", never: &NOT_FOR_SERVICES, max: 88 },
    Limit { name: VERIFIER, features: "--features=client", never: &NOT_FOR_SERVICES, max: 120 },
    Limit { name: CLIENT, features: "--all-features", never: &NOT_FOR_SERVICES, max: 110 },
    Limit { name: SQL, features: "--all-features", never: &FOR_PASSWORDS, max: usize::MAX },
    Limit { name: HTTP, features: "--no-default-features", never: &FOR_PASSWORDS, max: usize::MAX },
];

/// Everything that the layers forbid, one line each.
///
/// # Errors
/// `cargo tree` fails.
pub(super) fn violations(metadata: &Metadata) -> Result<Vec<String>, TaskError> {
    let mut found = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            found.extend(forbidden(&package.name, dependency));
        }
        if !LAYERS.iter().any(|layer| layer.name == *package.name) && !is_top(&package.name) {
            let name = &package.name;
            found.push(format!("{name} has no layer: add it to xtask/src/layers/crates.rs"));
        }
    }
    found.extend(metadata.packages.iter().filter_map(too_new));
    for limit in &LIMITS {
        found.extend(exceeded(limit, &linked(limit)?));
    }
    Ok(found)
}

/// Why the crate `from` may not have this dependency.
fn forbidden(from: &str, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    let in_tests = dependency.kind == DependencyKind::Development;
    let target = LAYERS.iter().find(|layer| layer.name == to);
    if (target.is_none() && !is_top(to)) || (from == to && in_tests) {
        return None;
    }
    let allowed = match LAYERS.iter().find(|layer| layer.name == from) {
        Some(layer) => layer.uses.contains(&to) || (in_tests && layer.tests_use.contains(&to)),
        None => target.is_some() || from == "xtask",
    };
    if !allowed {
        return Some(format!("{from} may not depend on {to}"));
    }
    let shipped = !in_tests && from != KIT && !is_top(from);
    let testing = dependency.features.iter().any(|feature| feature == TEST_FEATURE);
    (shipped && testing).then(|| format!("{from} may use {to}/{TEST_FEATURE} in tests only"))
}

/// Why a package does not build with the `rust-version` of the workspace. The example on sqlx is
/// exempt, because sqlx requires a later version.
fn too_new(package: &Package) -> Option<String> {
    if is_top(&package.name) || package.name.starts_with("sqlx") {
        return None;
    }
    let ours = Version::parse(&format!("{}.0", env!("CARGO_PKG_RUST_VERSION"))).ok()?;
    let theirs = package.rust_version.as_ref().filter(|theirs| **theirs > ours)?;
    Some(format!("{} requires Rust {theirs}, later than `rust-version`", package.name))
}

fn is_top(name: &str) -> bool {
    TOP.contains(&name)
}

/// The names of the crates that the limited crate consists of, as cargo lists them.
fn linked(limit: &Limit) -> Result<BTreeSet<String>, TaskError> {
    let Limit { name, features, .. } = limit;
    let tree = ["tree", "--edges=normal", "--prefix=none", "--package", name, features];
    let lines = cargo::output(&mut cargo::cargo(&tree))?;
    let versions = lines.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(versions.map(str::to_owned).collect())
}

fn exceeded(limit: &Limit, linked: &BTreeSet<String>) -> Vec<String> {
    let Limit { name, features, never, max } = *limit;
    let names = linked.iter().filter_map(|line| line.split(' ').next());
    let bad = names.filter(|name| never.iter().any(|family| is_of_family(name, family)));
    let mut found: Vec<_> = bad
        .map(|bad| {
            format!("{name} {features} may not link {bad}: see `cargo tree -p {name} -i {bad}`")
        })
        .collect();
    if linked.len() > max {
        let count = linked.len();
        found.push(format!("{name} {features} consists of {count} crates, the limit is {max}"));
    }
    found
}

/// Whether a crate is the family's head or is named after it: `diesel`, `diesel_migrations`.
fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVER: &str = "aquaware";
    const END_TO_END: &str = "aquaware-tests";

    fn dependency(name: &str, kind: &str, features: &[&str]) -> Dependency {
        let entry = json!({
            "name": name,
            "source": null,
            "req": "*",
            "kind": if kind == "normal" { None } else { Some(kind) },
            "optional": false,
            "uses_default_features": true,
            "features": features,
            "target": null,
            "rename": null,
            "registry": null,
        });
        serde_json::from_value(entry).unwrap()
    }

    /// Whether the first may depend on the second, and whether its tests may.
    fn allowed(from: &str, to: &str) -> (bool, bool) {
        let may = |kind| forbidden(from, &dependency(to, kind, &[])).is_none();
        assert_eq!(may("normal"), may("build"), "{from} -> {to}");
        (may("normal"), may("dev"))
    }

    #[test]
    fn dependencies_may_point_down() {
        for (from, to) in [
            (CORE, TOKEN),
            (KIT, CORE),
            (SQL, CORE),
            (REDIS, CORE),
            (VERIFIER, TOKEN),
            (SERVER, SQL),
            (SERVER, HTTP),
            (SERVER, VERIFIER),
            (END_TO_END, SERVER),
            (END_TO_END, SERVERS),
            ("own-users", CORE),
            ("xtask", SERVERS),
            ("xtask", END_TO_END),
        ] {
            assert_eq!(allowed(from, to), (true, true), "{from} -> {to}");
        }
    }

    #[test]
    fn dependencies_up_or_sideways_are_forbidden_even_in_tests() {
        for (from, to) in [
            (TOKEN, CORE),
            (CORE, SQL),
            (SQL, REDIS),
            (REDIS, SQL),
            (HTTP, KEYS),
            (VERIFIER, CORE),
            (VERIFIER, HTTP),
            (CLIENT, TOKEN),
            (HTTP, SERVER),
            (SERVER, END_TO_END),
            (END_TO_END, "own-users"),
            (SERVERS, CORE),
        ] {
            assert_eq!(allowed(from, to), (false, false), "{from} -> {to}");
        }
    }

    #[test]
    fn the_test_kit_and_throwaway_servers_are_for_tests() {
        for (from, to) in [(SQL, KIT), (REDIS, KIT), (SERVER, KIT), (SQL, SERVERS)] {
            assert_eq!(allowed(from, to), (false, true), "{from} -> {to}");
        }
        for from in [VERIFIER, KIT, SERVER, CORE] {
            assert_eq!(allowed(from, SERVERS), (false, false), "{from}");
        }
    }

    #[test]
    fn a_crate_may_name_itself_in_its_tests_only() {
        assert_eq!(allowed(CORE, CORE), (false, true));
    }

    #[test]
    fn foreign_crates_are_not_decided_here() {
        assert_eq!(allowed(CORE, "redis"), (true, true));
    }

    #[test]
    fn only_tests_use_the_test_feature() {
        for (from, to, shipped) in
            [(SERVER, CORE, true), (SQL, CORE, true), (KIT, CORE, false), (END_TO_END, CORE, false)]
        {
            let found = forbidden(from, &dependency(to, "normal", &["testing"]));
            assert_eq!(found.is_some(), shipped, "{from}");
            assert_eq!(forbidden(from, &dependency(to, "dev", &["testing"])), None);
        }
    }

    #[test]
    fn forbidden_crates_and_their_relatives_are_found_however_far_down() {
        let limit = Limit { name: CORE, features: "--all-features", never: &IO, max: 3 };
        let linked = |names: &[&str]| names.iter().map(|name| format!("{name} v1.0.0")).collect();
        assert_eq!(exceeded(&limit, &linked(&["serde", "redistribute"])), [""; 0]);
        for name in ["tokio", "tokio-util", "actix-rt", "libsqlite3-sys"] {
            let found = exceeded(&limit, &linked(&["serde", name]));
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].contains(&format!("may not link {name}:")), "{found:?}");
        }
        assert_eq!(exceeded(&limit, &linked(&["a", "b", "c", "d"])).len(), 1);
    }
}
