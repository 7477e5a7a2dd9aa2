//! Checks of Rust sources that neither the compiler nor clippy makes.

use crate::tidy::tree::File;
use crate::tidy::{Finding, Tree};

/// Past this many lines, tests not counted, a file wants to be two.
const MOST_LINES: usize = 500;

/// Text that may stand in some files only.
struct Banned {
    word: &'static str,
    /// Paths begin so where it may.
    allowed: &'static [&'static str],
    why: &'static str,
}

const NOWHERE_ELSE: &[&str] = &["xtask/src/tidy/"];
const ENVIRONMENT: &[&str] = &[
    "crates/server/src/config/source.rs",
    // The convention of no-color.org is no setting of ours.
    "crates/server/src/demo.rs",
    "tests/",
    "xtask/",
];
const CLOCK: &[&str] = &[
    "crates/server/src/clock.rs",
    "crates/verifier/src/clock.rs",
    "examples/own-users/src/main.rs",
    "tests/",
    "xtask/",
];

const BANNED: [Banned; 9] = [
    Banned { word: "todo!", allowed: NOWHERE_ELSE, why: "finish it" },
    Banned { word: "unimplemented!", allowed: NOWHERE_ELSE, why: "finish it" },
    Banned { word: "#[ignore", allowed: NOWHERE_ELSE, why: "a test runs or goes" },
    Banned { word: "SystemTime::now", allowed: CLOCK, why: "take `now` as an argument" },
    Banned { word: "now_utc", allowed: CLOCK, why: "take `now` as an argument" },
    Banned { word: "thread_rng", allowed: NOWHERE_ELSE, why: "take a `Random` as an argument" },
    Banned { word: "rand::rng", allowed: NOWHERE_ELSE, why: "take a `Random` as an argument" },
    Banned { word: "env::var", allowed: ENVIRONMENT, why: "the configuration reads it, once" },
    Banned { word: "env::set_var", allowed: NOWHERE_ELSE, why: "it races with other threads" },
];

/// Files that don't begin by saying what they are.
pub(super) fn opening(tree: &Tree) -> Vec<Finding> {
    let silent = |file: &&File| !says_something(file.text.lines().next().unwrap_or_default());
    sources(tree)
        .filter(silent)
        .map(|file| Finding::line(&file.path, 1, "begins without a `//!` that says what it is"))
        .collect()
}

/// Files too long to be read in one go.
pub(super) fn size(tree: &Tree) -> Vec<Finding> {
    let sized = sources(tree).map(|file| (file, lines_without_tests(file)));
    sized
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(file, lines)| {
            Finding::file(&file.path, format!("{lines} lines without tests, over {MOST_LINES}"))
        })
        .collect()
}

/// Tabs, which rustfmt leaves alone in comments and strings.
pub(super) fn tabs(tree: &Tree) -> Vec<Finding> {
    lines(tree).filter(|line| line.text.contains('\t')).map(|line| line.finding("a tab")).collect()
}

/// Words that stand for something unfinished, or for time, chance and environment behind the
/// caller's back. Lines that are comments may speak of them.
pub(super) fn banned_words(tree: &Tree) -> Vec<Finding> {
    let code: Vec<_> =
        lines(tree).filter(|line| !line.text.trim_start().starts_with("//")).collect();
    let mut findings = Vec::new();
    for Banned { word, allowed, why } in &BANNED {
        let bad = code.iter().filter(|line| {
            line.text.contains(word) && !allowed.iter().any(|start| line.path.starts_with(start))
        });
        findings.extend(bad.map(|line| line.finding(&format!("`{word}` here: {why}"))));
    }
    findings
}

struct Line<'a> {
    path: &'a str,
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn finding(&self, what: &str) -> Finding {
        Finding::line(self.path, self.number, what)
    }
}

fn sources(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.with_suffix(".rs")
}

fn lines(tree: &Tree) -> impl Iterator<Item = Line<'_>> {
    sources(tree).flat_map(|file| {
        let numbered = file.text.lines().enumerate();
        numbered.map(|(index, text)| Line { path: &file.path, number: index + 1, text })
    })
}

fn says_something(line: &str) -> bool {
    line.strip_prefix("//!").is_some_and(|words| words.contains(char::is_alphabetic))
}

/// A file `tests.rs` is all tests; in others they begin with the module of that name.
fn lines_without_tests(file: &File) -> usize {
    if file.path.ends_with("/tests.rs") {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let begins =
        |pair: &[&str]| matches!(pair, ["#[cfg(test)]", module] if module.contains("mod tests"));
    lines.windows(2).position(begins).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tests::tree;

    #[test]
    fn a_file_says_what_it_is_first() {
        for bad in ["", "use std::fs;\n", "// no\n", "\n//! late\n", "//! .\n", "//!\n//! late\n"] {
            assert_eq!(opening(&tree(&[("a.rs", bad)])).len(), 1, "{bad:?}");
        }
        assert_eq!(opening(&tree(&[("a.rs", "//! Things.\n"), ("b.txt", "")])), []);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_are_free() {
        let long = "x\n".repeat(MOST_LINES + 1);
        assert_eq!(size(&tree(&[("a.rs", &long)])).len(), 1);
        let limit = "x\n".repeat(MOST_LINES);
        assert_eq!(size(&tree(&[("a.rs", &limit)])), []);
        let tested = format!("x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(size(&tree(&[("a.rs", &tested)])), []);
        assert_eq!(size(&tree(&[("a/tests.rs", &long), ("a.sql", &long)])), []);
    }

    #[test]
    fn an_import_for_tests_does_not_hide_the_rest() {
        let text = format!("#[cfg(test)]\nuse x;\n{}", "x\n".repeat(MOST_LINES));
        assert_eq!(size(&tree(&[("a.rs", &text)])).len(), 1);
    }

    #[test]
    fn tabs_are_found_in_rust_only() {
        let found = tabs(&tree(&[("a.rs", "//! A.\n\tx\n"), ("Makefile", "\tx\n")]));
        assert_eq!(found, [Finding::line("a.rs", 2, "a tab")]);
    }

    #[test]
    fn every_banned_word_is_found_outside_its_place_and_allowed_in_it() {
        for Banned { word, allowed, .. } in &BANNED {
            let text = format!("//! A.\n    let x = {word}();\n");
            let found = banned_words(&tree(&[("crates/core/src/a.rs", &text)]));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
            for start in *allowed {
                let path =
                    if start.ends_with('/') { format!("{start}a.rs") } else { (*start).into() };
                assert_eq!(banned_words(&tree(&[(&path, &text)])), [], "{word} in {path}");
            }
        }
    }

    #[test]
    fn comments_may_speak_of_banned_words() {
        let text = "//! A.\n// never SystemTime::now\n/// nor thread_rng\n";
        assert_eq!(banned_words(&tree(&[("a.rs", text)])), []);
    }
}
