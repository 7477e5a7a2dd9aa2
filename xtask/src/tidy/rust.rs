//! Checks of Rust sources that neither the compiler nor clippy makes.
//!
//! Clocks, randomness and the environment are clippy's: see `clippy.toml`.

use crate::tidy::finding::Finding;
use crate::tree::{File, Tree};

/// A file with more lines than this, tests not counted, should be split.
const MAX_LINES: usize = 500;

/// Text that code may contain in some files only.
struct Banned {
    word: &'static str,
    /// The beginnings of the paths of files that may contain it.
    allowed: &'static [&'static str],
    why: &'static str,
}

const BANNED: [Banned; 3] = [
    Banned { word: "#[ignore", allowed: &["xtask/src/tidy/"], why: "run the test or remove it" },
    Banned {
        word: "jsonwebtoken::",
        allowed: &["crates/token/src/jwt", "crates/core/src/jwt", "tests/", "xtask/"],
        why: "only the module `jwt` of crates/token uses it",
    },
    Banned { word: "\t", allowed: &[], why: "indent with blanks, in strings too" },
];

/// Files that do not begin with a description of their content.
pub(super) fn opening(tree: &Tree) -> Vec<Finding> {
    let silent = |file: &&File| !is_description(file.text.lines().next().unwrap_or_default());
    let sources = tree.with_suffix(".rs").filter(silent);
    sources
        .map(|file| Finding::line(&file.path, 1, "does not begin with a `//!` line or its README"))
        .collect()
}

/// Files that are too long to be read in one go.
pub(super) fn size(tree: &Tree) -> Vec<Finding> {
    let sized = tree.with_suffix(".rs").map(|file| (file, file.lines_without_tests().count()));
    sized
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| {
            Finding::file(&file.path, format!("{lines} lines without tests, over {MAX_LINES}"))
        })
        .collect()
}

/// Banned text in lines that are not comments.
pub(super) fn banned_words(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_suffix(".rs") {
        for Banned { word, allowed, why } in &BANNED {
            if allowed.iter().any(|start| file.path.starts_with(start)) {
                continue;
            }
            let is_code = |line: &str| !line.trim_start().starts_with("//");
            let lines = file.text.lines().enumerate();
            let bad = lines.filter(|(_, line)| line.contains(word) && is_code(line));
            let what = format!("{word:?} here: {why}");
            findings.extend(bad.map(|(at, _)| Finding::line(&file.path, at + 1, what.as_str())));
        }
    }
    findings
}

/// A library may begin with the text of its README instead.
fn is_description(line: &str) -> bool {
    let is_readme = line.starts_with("#![doc = include_str!(");
    is_readme || line.strip_prefix("//!").is_some_and(|words| words.contains(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    #[test]
    fn a_file_begins_with_its_description() {
        for bad in ["", "use std::fs;\n", "// no\n", "\n//! late\n", "//! .\n", "//!\n//! late\n"] {
            assert_eq!(opening(&tree(&[("a.rs", bad)])).len(), 1, "{bad:?}");
        }
        let good =
            [("a.rs", "//! Things.\n"), ("b.rs", "#![doc = include_str!(\"x\")]"), ("c.txt", "")];
        assert_eq!(opening(&tree(&good)), []);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_are_not_counted() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(size(&tree(&[("a.rs", &long)])).len(), 1);
        let limit = "x\n".repeat(MAX_LINES);
        assert_eq!(size(&tree(&[("a.rs", &limit)])), []);
        let tested = format!("x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(size(&tree(&[("a.rs", &tested)])), []);
        assert_eq!(size(&tree(&[("a/tests.rs", &long), ("a.sql", &long)])), []);
    }

    #[test]
    fn an_import_for_tests_does_not_hide_the_rest() {
        let text = format!("#[cfg(test)]\nuse x;\n{}", "x\n".repeat(MAX_LINES));
        assert_eq!(size(&tree(&[("a.rs", &text)])).len(), 1);
    }

    #[test]
    fn every_banned_word_is_found_except_where_it_is_allowed() {
        for Banned { word, allowed, .. } in &BANNED {
            let text = format!("//! A.\n    let x = {word};\n");
            let found = banned_words(&tree(&[("crates/core/src/a.rs", &text), ("a.toml", word)]));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
            for start in *allowed {
                assert_eq!(banned_words(&tree(&[(&format!("{start}/a.rs"), &text)])), [], "{word}");
            }
        }
    }

    #[test]
    fn comments_may_contain_banned_words() {
        let text = "//! A.\n// never #[ignore]\n/// nor jsonwebtoken::encode\n";
        assert_eq!(banned_words(&tree(&[("a.rs", text)])), []);
    }
}
