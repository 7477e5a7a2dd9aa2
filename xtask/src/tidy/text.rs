//! Checks of any text file.

use crate::tidy::finding::Finding;
use crate::tree::Tree;

/// The beginnings of paths that exist on one person's machine only.
const PRIVATE: [&str; 4] = ["/home/", "/root/", "/Users/", "/tmp/"];
/// This file, which has to name them.
const EXCUSED: &str = "xtask/src/tidy/text.rs";

/// Lines that end in white space.
pub(super) fn trailing_whitespace(tree: &Tree) -> Vec<Finding> {
    lines(tree, |_, line| {
        line.ends_with([' ', '\t', '\r']).then(|| "whitespace at the end".to_owned())
    })
}

/// Absolute paths that exist on one person's machine only.
pub(super) fn private_paths(tree: &Tree) -> Vec<Finding> {
    lines(tree, |path, line| {
        let private = PRIVATE.iter().find(|start| path != EXCUSED && begins_path(line, start))?;
        Some(format!("a path under {private} exists on one machine only"))
    })
}

/// Whether the line contains an absolute path with this beginning; URLs and longer paths do not
/// count.
fn begins_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~})]*".contains(c))
    })
}

fn lines(tree: &Tree, check: impl Fn(&str, &str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (index, line) in file.text.split('\n').enumerate() {
            let what = check(&file.path, line);
            findings.extend(what.map(|what| Finding::line(&file.path, index + 1, what)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    #[test]
    fn whitespace_at_the_end_of_a_line_is_found() {
        for bad in ["a\nb \n", "a\nb\t", "a\nb\r\nc\n"] {
            let found = trailing_whitespace(&tree(&[("any.txt", bad)]));
            assert_eq!(found.len(), 1, "{bad:?}");
            assert_eq!(found[0].line, 2);
        }
        assert_eq!(trailing_whitespace(&tree(&[("any.txt", "a\n\n  b\n")])), []);
    }

    #[test]
    fn private_paths_are_found() {
        for bad in ["cd /home/me/x", "\"/root/.cargo\"", "=/tmp/x", "/Users/me"] {
            assert_eq!(private_paths(&tree(&[("run.sh", bad)])).len(), 1, "{bad}");
        }
    }

    #[test]
    fn other_paths_are_accepted() {
        let good = ["https://example.com/home/x", "/var/lib/x", "$DIR/tmp/x", "${d}/tmp/x", "/tmp"];
        for good in good {
            assert_eq!(private_paths(&tree(&[("run.sh", good)])), [], "{good}");
        }
    }
}
