//! PostgreSQL and MariaDB from outside, on real servers: the guarantees of the ports, and how they hold
//! when the server or the network fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper that cannot continue has found a failure"
)]

/// Creates a test for each engine from each generic function.
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* $test:ident),* $(,)?) => {
        mod postgres {
            $($(#[$meta])* #[test] fn $test() { super::$test::<crate::engine::Postgresql>(); })*
        }
        mod mariadb {
            $($(#[$meta])* #[test] fn $test() { super::$test::<crate::engine::Maria>(); })*
        }
    };
}

mod conformance;
mod databases;
mod engine;
mod faults;
mod fixtures;
mod many;
mod opening;
mod operations;
mod pooled;
#[path = "../records/mod.rs"]
mod records;
mod status;
mod tls;
