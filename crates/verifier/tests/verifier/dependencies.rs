//! The size of the dependency tree: teams add this crate to services of their own.

use std::collections::BTreeSet;
use std::process::Command;

/// The normal dependencies of the crate on this platform, including itself, each once.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--no-default-features", "--features", &features.join(",")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).unwrap();
    // A crate that was printed before is marked with an asterisk.
    let names = tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned());
    names.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_dependency_tree_stays_small() {
    for (features, max) in [(&[][..], 88), (&["client"][..], 120)] {
        let crates = crates(features);
        assert!(crates.iter().any(|name| name.starts_with("aquaware-token ")), "{crates:?}");
        assert!(crates.len() <= max, "{} crates with {features:?}: {crates:#?}", crates.len());
    }
    for foreign in ["argon2 ", "zxcvbn ", "aquaware-core "] {
        assert!(!crates(&["client"]).iter().any(|name| name.starts_with(foreign)), "{foreign}");
    }
}
