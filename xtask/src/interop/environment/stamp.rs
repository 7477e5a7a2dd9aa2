//! The mark of a complete installation: what it was made from.

use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;

/// A file inside an installation, so that it goes with it.
#[derive(Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    /// The mark in this directory of what is made from these texts.
    pub(super) fn new(directory: PathBuf, made_from: &[&str]) -> Self {
        Self { path: directory.join("made-from"), text: made_from.join("\n") }
    }

    /// Whether the installation is there and made from the same.
    pub(super) fn fits(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Sets the mark, when all is done.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn set(&self) -> Result<(), Failure> {
        fs::write(&self.path, &self.text).map_err(|source| Failure::Io {
            what: format!("can't write {}", self.path.display()),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_stamp_fits_what_it_was_set_for_and_nothing_else() {
        let directory = TempDir::new().unwrap();
        let stamp = |made_from: &[&str]| Stamp::new(directory.path().to_owned(), made_from);
        assert!(!stamp(&["3.11", "a==1"]).fits());
        stamp(&["3.11", "a==1"]).set().unwrap();
        assert!(stamp(&["3.11", "a==1"]).fits());
        assert!(!stamp(&["3.11", "a==2"]).fits());
        assert!(!stamp(&["3.12", "a==1"]).fits());
    }
}
