//! The parts of Markdown that the checks need: links, code spans, headings. Code blocks are skipped.

use std::collections::BTreeSet;

/// The destinations of links, with their lines.
pub(super) fn destinations(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let prose = outside_code(line);
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let all = inline.map(|(inside, _)| inside).chain(definition.map(|(_, target)| target));
        // A title may follow the destination.
        let destinations = all.filter_map(|inside| inside.split_whitespace().next());
        found.extend(destinations.map(|destination| (number, destination.to_owned())));
    }
    found
}

/// The words in code spans that could be names of files, with their lines.
///
/// Anything after a colon is a position in the file. Patterns are not names.
pub(super) fn named_files(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let words = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
        let names = words.map(|word| word.split(':').next().unwrap_or_default());
        let plain = names.filter(|name| name.chars().all(is_of_name) && name.contains(['/', '.']));
        found.extend(plain.map(|name| (number, name.to_owned())));
    }
    found
}

/// The anchors of a page's headings, as the common hosts derive them.
pub(super) fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| slug(line.trim_start_matches('#').trim())).collect()
}

/// The lines outside fenced code blocks, numbered from one.
pub(super) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!fence && !in_code).then_some((index + 1, line))
    })
}

fn outside_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-".contains(c)
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_found_with_their_lines() {
        let text = "x\n[a](b.md \"title\") ![c](d.png)\n[e]: f.md\n";
        let expected = [(2, "b.md"), (2, "d.png"), (3, "f.md")];
        assert_eq!(destinations(text), expected.map(|(line, to)| (line, to.to_owned())));
    }

    #[test]
    fn link_texts_may_be_code() {
        assert_eq!(destinations("[`a`](b.md)"), [(1, "b.md".to_owned())]);
    }

    #[test]
    fn code_contains_no_links() {
        assert_eq!(destinations("```\n[a](b.md)\n```\n`[a](c.md)`\n"), []);
    }

    #[test]
    fn file_names_are_found_in_code_spans() {
        let text = "src/a.rs `src/b.rs:3` `cargo x docs/c.toml` `src/*.rs` `word`\n";
        let expected = ["src/b.rs", "docs/c.toml"].map(|name| (1, name.to_owned()));
        assert_eq!(named_files(text), expected);
    }

    #[test]
    fn anchors_are_headings_in_lower_case() {
        let text = "# A Title\n## `code` & more, twice\n```\n# no heading\n```\n";
        assert_eq!(anchors(text), BTreeSet::from(["a-title".into(), "code--more-twice".into()]));
    }
}
