//! Where a session is kept: the port, and the implementation in memory.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

/// Keeps one text, which contains the secrets of a session.
///
/// The client calls it on threads that may block. Several processes may share one storage.
pub trait Storage: fmt::Debug + Send + Sync {
    /// The text that was saved last, or `None`.
    ///
    /// # Errors
    /// It cannot be read. The session is unaffected.
    fn load(&self) -> io::Result<Option<String>>;

    /// Replaces the text; `None` removes it. When this returns, a crash or a power cut must not
    /// lose the text; while it runs, they must leave the old text or the new one.
    ///
    /// # Errors
    /// It cannot be written. The client then does not use what it could not save.
    fn save(&self, text: Option<&str>) -> io::Result<()>;

    /// Replaces the text if it still is `current`, and returns whether it did.
    ///
    /// The default reads, compares and saves. A storage that several processes share should
    /// compare as late as it can.
    ///
    /// # Errors
    /// As [`Self::load`] and [`Self::save`].
    fn replace(&self, current: &str, text: &str) -> io::Result<bool> {
        let unchanged = self.load()?.map(Zeroizing::new).is_some_and(|now| *now == current);
        if unchanged {
            self.save(Some(text))?;
        }
        Ok(unchanged)
    }
}

/// Keeps the session in the memory of the process. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Option<Zeroizing<String>>>>);

impl Storage for MemoryStorage {
    fn load(&self) -> io::Result<Option<String>> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(text.as_ref().map(|text| text.to_string()))
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        let text = text.map(|text| Zeroizing::new(text.to_owned()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }
}

/// Shows whether there is a text, never the text.
impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("MemoryStorage").field(&text.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_replaced_only_if_it_is_the_expected_one() {
        let storage = MemoryStorage::default();
        assert!(!storage.replace("a", "b").unwrap());
        storage.save(Some("a")).unwrap();
        assert!(!storage.replace("x", "b").unwrap());
        assert!(storage.replace("a", "b").unwrap());
        assert_eq!(storage.load().unwrap().as_deref(), Some("b"));
        storage.save(None).unwrap();
        assert_eq!(storage.load().unwrap(), None);
    }

    #[test]
    fn the_text_is_not_shown() {
        let storage = MemoryStorage::default();
        storage.save(Some("secret")).unwrap();
        assert_eq!(format!("{storage:?}"), "MemoryStorage(true)");
    }
}
