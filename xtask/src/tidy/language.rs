//! Phrases that plain technical English does without, counted in comments and documentation.
//!
//! Each is right now and then; many of them make a text hard to read. The limits are those that
//! well-written Rust projects stay far below. Tests are not counted.

use std::fmt;

use crate::tidy::markdown;
use crate::tree::{File, Tree};

/// Phrases of one kind, and how many of them 10,000 words may contain.
struct Kind {
    name: &'static str,
    phrases: &'static [&'static str],
    /// Words that make a phrase harmless if they follow it.
    unless_before: &'static str,
    max: f64,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "people without a role",
        phrases: &["nobody", "nobody's", "somebody", "whoever", "whom", "whose"],
        unless_before: "",
        max: 6.0,
    },
    Kind { name: "\"is no X\"", phrases: &["is no", "are no"], unless_before: "longer", max: 3.0 },
    Kind {
        name: "\"stands\" and \"lies\"",
        phrases: &["stand", "stands", "lie", "lies"],
        unless_before: "for",
        max: 1.0,
    },
    Kind {
        name: "\"by itself\" and \"of its own\"",
        phrases: &["by itself", "by themselves", "of its own", "of ours"],
        unless_before: "",
        max: 2.0,
    },
];

/// How many phrases of each kind were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    words: usize,
    phrases: [usize; KINDS.len()],
}

/// Counts the phrases in the comments of sources and in the documentation.
pub(super) fn count(tree: &Tree) -> Counts {
    let mut counts = Counts::default();
    for file in tree.files() {
        if file.path.ends_with(".rs") && !is_test(&file.path) {
            comments(file).for_each(|line| counts.add(line));
        } else if is_page(&file.path) {
            markdown::prose(&file.text).for_each(|(_, line)| counts.add(line));
        }
    }
    counts
}

impl Counts {
    fn add(&mut self, line: &str) {
        let words: Vec<String> = line
            .split(|c: char| !c.is_ascii_alphabetic() && c != '\'')
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        self.words += words.len();
        for (kind, count) in KINDS.iter().zip(&mut self.phrases) {
            *count += (0..words.len()).filter(|at| kind.begins(words.split_at(*at).1)).count();
        }
    }

    fn per_ten_thousand(&self) -> impl Iterator<Item = (&'static Kind, f64)> {
        let rate = |count: usize| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let words = u32::try_from(self.words.max(1)).unwrap_or(u32::MAX);
            f64::from(count) * 10_000.0 / f64::from(words)
        };
        KINDS.iter().zip(self.phrases.map(rate))
    }

    /// A line for each kind of which there are too many.
    pub(super) fn excess(&self) -> Vec<String> {
        let over = self.per_ten_thousand().filter(|(kind, rate)| *rate > kind.max);
        let line = |(kind, rate): (&Kind, f64)| {
            let Kind { name, max, phrases, .. } = kind;
            let phrases = phrases.join(", ");
            format!("{name}: {rate:.1} per 10,000 words, the limit is {max} ({phrases})")
        };
        over.map(line).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, rate) in self.per_ten_thousand() {
            write!(f, "{} {rate:.1} (at most {}), ", kind.name, kind.max)?;
        }
        write!(f, "{} words", self.words)
    }
}

impl Kind {
    /// Whether these words begin with a phrase of this kind.
    fn begins(&self, words: &[String]) -> bool {
        self.phrases.iter().any(|phrase| {
            let mut rest = words.iter();
            phrase.split(' ').all(|word| rest.next().is_some_and(|it| it == word))
                && rest.next().is_none_or(|next| next != self.unless_before)
        })
    }
}

fn comments(file: &File) -> impl Iterator<Item = &str> {
    file.lines_without_tests().filter_map(|line| line.trim_start().strip_prefix("//"))
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "test" | "tests" | "test.rs" | "tests.rs"))
}

fn is_page(path: &str) -> bool {
    let is_document = path.starts_with("docs/") && path.ends_with(".md");
    is_document || matches!(path, "README.md" | "CONTRIBUTING.md")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::tree;

    fn phrases(path: &str, text: &str) -> [usize; KINDS.len()] {
        count(&tree(&[(path, text)])).phrases
    }

    #[test]
    fn phrases_are_found_in_comments_and_pages() {
        let text = "/// Nobody whose key is no key stands by itself.\nlet nobody = 1;\n";
        assert_eq!(phrases("src/a.rs", text), [2, 1, 1, 1]);
        assert_eq!(
            phrases("docs/adr/a.md", "It lies of its own.\n```\nnobody\n```\n"),
            [0, 0, 1, 1]
        );
        assert_eq!(phrases("README.md", "Somebody"), [1, 0, 0, 0]);
    }

    #[test]
    fn longer_words_and_harmless_uses_are_not_phrases() {
        assert_eq!(
            phrases("src/a.rs", "// standard, replies, it stands for this, is not\n"),
            [0; 4]
        );
    }

    #[test]
    fn tests_and_other_files_are_not_counted() {
        for path in ["tests/src/a.rs", "src/a/tests.rs", "notes.md", "a.toml"] {
            assert_eq!(phrases(path, "// nobody\n"), [0; 4], "{path}");
        }
        assert_eq!(phrases("src/a.rs", "#[cfg(test)]\nmod tests {\n// nobody\n}\n"), [0; 4]);
    }

    #[test]
    fn too_many_are_reported_and_few_are_not() {
        let words = |nobodies| Counts { words: 10_000, phrases: [nobodies, 3, 1, 2] };
        assert_eq!(words(6).excess(), [""; 0]);
        let found = words(7).excess();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("people without a role: 7.0 per"), "{found:?}");
    }
}
