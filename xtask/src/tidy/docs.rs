//! Checks of the documentation: its links lead somewhere and its tables can be read.

use std::collections::BTreeMap;

use crate::tidy::finding::Finding;
use crate::tidy::markdown::{anchors, destinations, named_files, prose};
use crate::tree::{File, Tree};

const RECORDS: &str = "docs/adr/";
const CHANGELOG: &str = "CHANGELOG.md";
const FRONT_PAGE: &str = "README.md";
/// The longest text of a table cell that can still be read in a column.
const MAX_CELL: usize = 200;
/// All crates have the version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Relative links that lead nowhere, to a file or to a heading in it.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_suffix(".md") {
        for (line, destination) in destinations(&file.text) {
            if is_elsewhere(&destination) || leads_somewhere(tree, file, &destination) {
                continue;
            }
            let what = format!("the link to {destination} leads nowhere");
            findings.push(Finding::line(&file.path, line, what));
        }
    }
    findings
}

/// Files that the front page or the documentation names but that do not exist.
///
/// Decision records may name files that existed once.
pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    let current = |file: &&File| {
        let page = file.path.strip_prefix("docs/").is_some_and(|page| !page.contains('/'));
        page || file.path == FRONT_PAGE
    };
    let mut findings = Vec::new();
    for file in tree.with_suffix(".md").filter(current) {
        let missing =
            named_files(&file.text).into_iter().filter(|(_, name)| is_missing(tree, name));
        findings.extend(missing.map(|(line, name)| {
            Finding::line(&file.path, line, format!("`{name}` does not exist"))
        }));
    }
    findings
}

/// Decision records without a number, or with the number of another record.
pub(super) fn decision_records(tree: &Tree) -> Vec<Finding> {
    let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in tree.paths() {
        let Some(name) = path.strip_prefix(RECORDS).filter(|name| *name != "README.md") else {
            continue;
        };
        let Some(number) = record_number(name) else {
            findings.push(Finding::file(path, "must be called NNNN-title.md"));
            continue;
        };
        if let Some(first) = numbers.insert(number, path) {
            findings.push(Finding::file(path, format!("has the number of {first}")));
        }
    }
    findings
}

/// A changelog that is missing or has no section for the current work.
pub(super) fn changelog(tree: &Tree) -> Vec<Finding> {
    let headings = |file: &File| file.text.lines().any(is_current_heading);
    if tree.file(CHANGELOG).is_some_and(headings) {
        return Vec::new();
    }
    vec![Finding::file(CHANGELOG, format!("has no section `Unreleased` or `{VERSION}`"))]
}

/// Table cells with more text than a column can show.
pub(super) fn long_cells(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_suffix(".md") {
        for (number, row) in prose(&file.text).filter(|(_, line)| line.starts_with('|')) {
            let longest = row.split('|').map(|cell| cell.trim().chars().count()).max();
            if let Some(length) = longest.filter(|length| *length > MAX_CELL) {
                let what = format!("a table cell of {length} characters, over {MAX_CELL}");
                findings.push(Finding::line(&file.path, number, what));
            }
        }
    }
    findings
}

/// Whether a link leaves the repository: it begins with a scheme, as `https:` or `mailto:`.
fn is_elsewhere(destination: &str) -> bool {
    destination.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
    })
}

fn leads_somewhere(tree: &Tree, from: &File, destination: &str) -> bool {
    let (path, anchor) = destination.split_once('#').unwrap_or((destination, ""));
    let target = match path {
        "" => Some(from.path.clone()),
        path => resolve(&from.path, path),
    };
    let Some(target) = target.filter(|target| tree.has(target)) else { return false };
    let page = tree.file(&target).filter(|file| file.path.ends_with(".md"));
    anchor.is_empty() || page.is_none_or(|page| anchors(&page.text).contains(anchor))
}

/// The path from the root, of a path relative to a file; `None` above the root.
fn resolve(file: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a word names a file of this repository that does not exist.
///
/// It names a file if it begins with a directory of the root, or ends like sources and pages; the
/// latter may leave out directories at the front.
fn is_missing(tree: &Tree, name: &str) -> bool {
    let path = name.trim_end_matches('/');
    let top = path.split_once('/').map(|(top, _)| top);
    if top.is_some_and(|top| !top.is_empty() && tree.has(top)) {
        return !tree.has(path);
    }
    let ending = format!("/{path}");
    let is_source = [".rs", ".md", ".lua"].iter().any(|end| path.ends_with(end));
    is_source && !tree.paths().any(|known| known == path || known.ends_with(&ending))
}

fn record_number(name: &str) -> Option<&str> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && !title.is_empty()).then_some(number)
}

fn is_current_heading(line: &str) -> bool {
    let Some(title) = line.strip_prefix("## ") else { return false };
    let first = title.split_whitespace().next().unwrap_or_default();
    let word = first.trim_matches(['[', ']']);
    word == "Unreleased" || word == VERSION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    #[test]
    fn a_link_to_a_missing_file_is_found() {
        let page = "text\n[a](missing.md) and [b](../up.md)\n[c]: gone/\n[d](../../out.md)\n";
        let found = links(&tree(&[("docs/a.md", page), ("out.md", "")]));
        let lines: Vec<_> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 2, 3, 4]);
    }

    #[test]
    fn links_to_existing_files_and_to_other_sites_are_accepted() {
        let page =
            "[a](b.md) [b](../src/) [c](../) [d](https://x.org/y) [e](mailto:a@b) [f](./b.md)";
        let files = [("docs/a.md", page), ("docs/b.md", ""), ("src/x.rs", "")];
        assert_eq!(links(&tree(&files)), []);
    }

    #[test]
    fn a_link_to_a_missing_heading_is_found() {
        let page = "# The top\n[a](#the-top) [b](b.md#its-rules) [c](#gone) [d](b.md#gone)\n";
        let found = links(&tree(&[("a.md", page), ("b.md", "## Its rules!\n")]));
        let messages: Vec<_> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            messages,
            ["the link to #gone leads nowhere", "the link to b.md#gone leads nowhere"]
        );
    }

    #[test]
    fn a_missing_file_is_found_by_its_name() {
        let page = "`src/gone.rs` `gone.rs` `old/judge.rs` `run src/no/x.toml` `new/page.md`\n";
        let found = names(&tree(&[("README.md", page), ("src/judge.rs", "")]));
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn existing_files_and_other_words_are_accepted() {
        let page = "`src/judge.rs` `judge.rs` `core/src/id.rs` `src/` `aquaware.toml` `/auth/login` \
                    `application/json` `src/judge.rs:12` `judge.rs::judge` `src/*.rs`\n";
        let files = [("docs/a.md", page), ("src/judge.rs", ""), ("crates/core/src/id.rs", "")];
        assert_eq!(names(&tree(&files)), []);
    }

    #[test]
    fn decision_records_may_name_files_that_existed_once() {
        assert_eq!(names(&tree(&[("docs/adr/0001-a.md", "`gone.rs`")])), []);
    }

    #[test]
    fn decision_records_have_unique_numbers() {
        let good =
            [("docs/adr/0001-a.md", ""), ("docs/adr/0002-b.md", ""), ("docs/adr/README.md", "")];
        assert_eq!(decision_records(&tree(&good)), []);
        let twice = [("docs/adr/0001-a.md", ""), ("docs/adr/0001-b.md", "")];
        assert_eq!(decision_records(&tree(&twice)).len(), 1);
        for bad in ["docs/adr/1-a.md", "docs/adr/0001.md", "docs/adr/0001-.md", "docs/adr/x.md"] {
            assert_eq!(decision_records(&tree(&[(bad, "")])).len(), 1, "{bad}");
        }
    }

    #[test]
    fn the_changelog_has_a_section_for_the_current_work() {
        let current = format!("## [{VERSION}] - 2026-01-01\n");
        for good in ["# Changelog\n\n## Unreleased\n", "## [Unreleased]\n", &current] {
            assert_eq!(changelog(&tree(&[("CHANGELOG.md", good)])), [], "{good}");
        }
        for bad in ["# Changelog\n", "## [0.0.0]\n", "Unreleased\n", ""] {
            assert_eq!(changelog(&tree(&[("CHANGELOG.md", bad)])).len(), 1, "{bad}");
        }
        assert_eq!(changelog(&tree(&[])).len(), 1);
    }

    #[test]
    fn long_table_cells_are_found() {
        for (length, expected) in [(MAX_CELL, 0), (MAX_CELL + 1, 1)] {
            let row = format!("| a | {} |\n", "x".repeat(length));
            assert_eq!(long_cells(&tree(&[("docs/a.md", &row), ("b.txt", &row)])).len(), expected);
        }
    }
}
