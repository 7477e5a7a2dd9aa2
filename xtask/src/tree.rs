//! The files of the repository, as git lists them, read once.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

/// All files, with their text if they are valid UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    paths: BTreeSet<String>,
    files: Vec<File>,
}

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The lines of a Rust file before its unit tests; none of a file called `tests.rs`.
    pub(crate) fn lines_without_tests(&self) -> impl Iterator<Item = &str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |pair: &[&str]| matches!(pair, ["#[cfg(test)]", module] if module.contains("mod tests"));
        let end = lines.windows(2).position(begins).unwrap_or(lines.len());
        lines.into_iter().take(if self.path.ends_with("/tests.rs") { 0 } else { end })
    }
}

impl Tree {
    /// Reads the files at `root` that git tracks, or would track if they were added.
    ///
    /// # Errors
    /// `root` is not in a git repository, or a file cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self, TaskError> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let paths = cargo::output(Command::new("git").args(list).current_dir(root))?;
        let mut tree = Self::default();
        for path in paths.split_terminator('\0') {
            match fs::read(root.join(path)) {
                Ok(bytes) => tree.add(path.to_owned(), bytes),
                // Deleted, but not yet staged.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(TaskError::io(format!("cannot read {path}"))(error)),
            }
        }
        Ok(tree)
    }

    /// The text files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The text files whose name ends in `suffix`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> impl Iterator<Item = &File> {
        self.files().filter(move |file| file.path.ends_with(suffix))
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The text file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }

    /// Whether there is a file or a directory at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let directory = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self.paths().any(|known| known.starts_with(&directory))
    }

    /// Adds a file. Only the path of a binary file is kept.
    fn add(&mut self, path: String, bytes: Vec<u8>) {
        if let Ok(text) = String::from_utf8(bytes) {
            self.files.push(File { path: path.clone(), text });
        }
        self.paths.insert(path);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree of these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add((*path).to_owned(), text.as_bytes().to_vec());
        }
        tree
    }

    #[test]
    fn a_directory_exists_if_it_contains_a_file() {
        let tree = tree(&[("docs/adr/0001-a.md", "")]);
        for path in ["docs", "docs/adr", "docs/adr/0001-a.md", ""] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["doc", "docs/ad", "docs/adr/0001-a.md/x"] {
            assert!(!tree.has(path), "{path}");
        }
    }

    #[test]
    fn binary_files_exist_without_text() {
        let mut tree = Tree::default();
        tree.add("logo.png".into(), vec![0xff, 0xfe]);
        assert!(tree.has("logo.png"));
        assert_eq!(tree.files().count(), 0);
    }

    #[test]
    fn this_file_is_listed_and_build_output_is_not() {
        let tree = Tree::read(cargo::root()).unwrap();
        assert!(tree.has("xtask/src/tree.rs"));
        assert!(!tree.paths().any(|path| path.starts_with("target/")));
    }

    #[test]
    fn unit_tests_are_left_out() {
        let text = "#[cfg(test)]\nuse x;\na\n#[cfg(test)]\nmod tests {}\n";
        let tree = tree(&[("src/a.rs", text), ("src/a/tests.rs", text)]);
        let counts = tree.files().map(|file| file.lines_without_tests().count());
        assert_eq!(counts.collect::<Vec<_>>(), [3, 0]);
    }
}
