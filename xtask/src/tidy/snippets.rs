//! Code in the documentation that was taken from a file is still in that file.
//!
//! Such a block follows a line `<!-- from PATH -->`. Indentation does not count.

use crate::tidy::finding::Finding;
use crate::tree::Tree;

/// Blocks that are not in the file they name.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in tree.with_suffix(".md") {
        let lines: Vec<&str> = page.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let source = line.strip_prefix("<!-- from ").and_then(|it| it.strip_suffix(" -->"));
            let Some(source) = source else { continue };
            let rest = lines.iter().skip(index + 1);
            let mut block = rest.skip_while(|it| it.is_empty());
            let is_code = block.next().is_some_and(|it| it.starts_with("```"));
            let code: Vec<&str> =
                block.take_while(|it| !it.starts_with("```")).map(|it| it.trim()).collect();
            let found = tree.file(source).is_some_and(|file| contains(&file.text, &code));
            if !is_code || code.is_empty() || !found {
                let what = format!("the code is not in {source}");
                findings.push(Finding::line(&page.path, index + 1, what));
            }
        }
    }
    findings
}

/// Whether the lines follow each other in the text.
fn contains(text: &str, code: &[&str]) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(code.len().max(1)).any(|window| window == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    fn found(code: &str) -> usize {
        let page = format!("text\n<!-- from a.js -->\n\n```js\n{code}\n```\nmore\n");
        let source = "if (a) {\n    one();\n    two();\n}\n";
        check(&tree(&[("p.md", &page), ("a.js", source)])).len()
    }

    #[test]
    fn code_that_is_not_in_its_file_is_found() {
        assert_eq!(found("one();\n  two();"), 0);
        assert_eq!(found("one();\nthree();"), 1);
        assert_eq!(found("two();\none();"), 1);
        assert_eq!(found(""), 1);
    }

    #[test]
    fn a_file_that_does_not_exist_and_a_missing_block_are_found() {
        for page in ["<!-- from b.js -->\n```js\na\n```\n", "<!-- from a.js -->\na\n"] {
            assert_eq!(check(&tree(&[("p.md", page), ("a.js", "a\n")])).len(), 1, "{page}");
        }
    }
}
