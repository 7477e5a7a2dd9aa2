//! The files of the repository: what git tracks or would track, read once.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Directories that are never part of the repository, for when git isn't there to say so.
const FOREIGN: [&str; 2] = [".git", "target"];

/// All files, with their text where they have one.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    paths: BTreeSet<String>,
    files: Vec<File>,
}

/// A file of text.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// A file or directory can't be read.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => walk(root, "")?,
        };
        let mut tree = Self::default();
        for path in paths {
            match fs::read(root.join(&path)) {
                Ok(bytes) => tree.add(path, bytes),
                // Deleted, and git hasn't been told yet.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(unreadable(&path, source)),
            }
        }
        Ok(tree)
    }

    /// The files of text.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The files whose name ends in `suffix`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> impl Iterator<Item = &File> {
        self.files().filter(move |file| file.path.ends_with(suffix))
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The file at `path`, if it is one of text.
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

    /// Takes a file in. Bytes that are no text are known by their path only.
    fn add(&mut self, path: String, bytes: Vec<u8>) {
        if let Ok(text) = String::from_utf8(bytes) {
            self.files.push(File { path: path.clone(), text });
        }
        self.paths.insert(path);
    }
}

/// What git tracks, and what it would if told to; `None` without git or outside a repository.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let names = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(below)).map_err(|source| unreadable(below, source))? {
        let entry = entry.map_err(|source| unreadable(below, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(|source| unreadable(&path, source))?;
        if !kind.is_dir() {
            paths.push(path);
        } else if !FOREIGN.contains(&name.as_str()) {
            paths.extend(walk(root, &path)?);
        }
    }
    Ok(paths)
}

fn unreadable(path: &str, source: std::io::Error) -> Failure {
    Failure::Io { what: format!("can't read {path:?}"), source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cargo;

    /// A tree of these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add((*path).to_owned(), text.as_bytes().to_vec());
        }
        tree
    }

    #[test]
    fn directories_are_there_if_something_is_in_them() {
        let tree = tree(&[("docs/adr/0001-a.md", "")]);
        for path in ["docs", "docs/adr", "docs/adr/0001-a.md", ""] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["doc", "docs/ad", "docs/adr/0001-a.md/x"] {
            assert!(!tree.has(path), "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_still_exist() {
        let mut tree = Tree::default();
        tree.add("logo.png".into(), vec![0xff, 0xfe]);
        assert!(tree.has("logo.png"));
        assert_eq!(tree.files().count(), 0);
    }

    #[test]
    fn this_file_is_found_with_git_and_without_and_build_output_is_not() {
        let here = "xtask/src/tidy/tree.rs".to_owned();
        let walked = walk(cargo::root(), "").unwrap();
        let listed = tracked(cargo::root()).unwrap_or_else(|| walked.clone());
        for paths in [walked, listed] {
            assert!(paths.contains(&here));
            assert!(!paths.iter().any(|path| path.starts_with("target/")));
        }
    }
}
