//! Checks of any file of text.

use crate::tidy::{Finding, Tree};

/// Where directories of one person or one machine begin.
const PRIVATE: [&str; 4] = ["/home/", "/root/", "/Users/", "/tmp/"];
/// The file that has to name them.
const EXCUSED: &str = "xtask/src/tidy/text.rs";

/// Lines that end in a blank.
pub(super) fn trailing_whitespace(tree: &Tree) -> Vec<Finding> {
    lines(tree, |_, line| {
        line.ends_with([' ', '\t', '\r']).then(|| "whitespace at the end".to_owned())
    })
}

/// Absolute paths that exist on somebody's machine only.
pub(super) fn private_paths(tree: &Tree) -> Vec<Finding> {
    lines(tree, |path, line| {
        let private = PRIVATE.iter().find(|start| path != EXCUSED && begins_path(line, start))?;
        Some(format!("a path under {private} exists on one machine only"))
    })
}

/// Whether an absolute path in the line begins so; a URL or a longer path isn't meant.
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
    use crate::tidy::tree::tests::tree;

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
    fn paths_of_one_machine_are_found() {
        for bad in ["cd /home/me/x", "\"/root/.cargo\"", "=/tmp/x", "/Users/me"] {
            assert_eq!(private_paths(&tree(&[("run.sh", bad)])).len(), 1, "{bad}");
        }
    }

    #[test]
    fn other_paths_are_nobodys_business() {
        let good = ["https://example.com/home/x", "/var/lib/x", "$DIR/tmp/x", "${d}/tmp/x", "/tmp"];
        for good in good {
            assert_eq!(private_paths(&tree(&[("run.sh", good)])), [], "{good}");
        }
    }
}
