//! The stores that the program can run on: one row each.

/// Where sessions and accounts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// What a failing test is named after.
    pub name: &'static str,
    /// Its URL, as the configuration takes it.
    pub url: &'static str,
    /// Whether sessions outlive the process.
    pub survives: bool,
}

impl Store {
    /// A file in the data directory.
    pub const SQLITE: Self = Self { name: "sqlite", url: "sqlite:aquaware.db", survives: true };
    /// Nothing but the process.
    pub const MEMORY: Self = Self { name: "memory", url: "memory:", survives: false };
}

/// Makes a test per store of each function named, which takes the [`Store`].
#[macro_export]
macro_rules! on_every_store {
    ($($fact:ident),* $(,)?) => { $(
        mod $fact {
            use $crate::Store;

            #[test]
            fn on_sqlite() {
                super::$fact(Store::SQLITE);
            }

            #[test]
            fn in_memory() {
                super::$fact(Store::MEMORY);
            }
        }
    )* };
}
