//! The tests that `docs/conformance.md` names exist, so that no promise is shown by a test that
//! was renamed or removed.

use std::collections::BTreeSet;

use crate::tidy::finding::Finding;
use crate::tree::Tree;

const PAGE: &str = "docs/conformance.md";
/// Checks in other languages, which are functions or texts of their scripts.
const SCRIPTS: [&str; 3] = [".py", ".mjs", ".cpp"];
const MAX_LINE: usize = 200;

/// Tests that are named but do not exist, and lines that are too long to read.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file(PAGE) else { return Vec::new() };
    let known = known_tests(tree);
    let mut findings = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        let number = index + 1;
        if line.chars().count() > MAX_LINE {
            findings.push(Finding::line(PAGE, number, format!("over {MAX_LINE} characters")));
        }
        let name = line.strip_prefix("- `").and_then(|rest| rest.strip_suffix('`'));
        if let Some(name) = name.filter(|name| !known.contains(name) && !is_scripted(tree, name)) {
            findings.push(Finding::line(PAGE, number, format!("there is no test `{name}`")));
        }
    }
    findings
}

/// The names of all functions; that a function is a test is not worth parsing.
fn known_tests(tree: &Tree) -> BTreeSet<&str> {
    let lines = tree.with_suffix(".rs").flat_map(|file| file.text.lines());
    let names = lines.filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next());
    names.collect()
}

fn is_scripted(tree: &Tree, name: &str) -> bool {
    let mut scripts = SCRIPTS.into_iter().flat_map(|suffix| tree.with_suffix(suffix));
    let forms = [
        format!("def {name}("),
        format!("void {name}("),
        format!("\"{name}\""),
        format!("'{name}'"),
    ];
    scripts.any(|script| forms.iter().any(|form| script.text.contains(form)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    #[test]
    fn a_named_test_that_does_not_exist_is_found() {
        let page = "Code: `x::y`.\n\n- `it_works`\n- `it_is_gone`\n- `by a script`\n- some text\n";
        let files = [
            (PAGE, page),
            ("a.rs", "#[test]\n    async fn it_works() {}\n// it_is_gone"),
            ("b.mjs", "check('by a script', () => {})"),
        ];
        let found = check(&tree(&files));
        assert_eq!(found, [Finding::line(PAGE, 4, "there is no test `it_is_gone`")]);
    }

    #[test]
    fn lines_of_more_than_two_hundred_characters_are_found() {
        for (length, expected) in [(MAX_LINE, 0), (MAX_LINE + 1, 1)] {
            assert_eq!(check(&tree(&[(PAGE, &"é".repeat(length))])).len(), expected);
        }
    }
}
