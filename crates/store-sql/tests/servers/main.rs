//! PostgreSQL and MariaDB from outside, on real servers: what the ports promise, and what becomes
//! of it when the server or the network doesn't hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that finds no way on has found a failure"
)]

/// Makes a test of each fact for each engine: a function of the engine with the fact's name.
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* $fact:ident),* $(,)?) => {
        mod postgres {
            $($(#[$meta])* #[test] fn $fact() { super::$fact::<crate::engine::Postgresql>(); })*
        }
        mod mariadb {
            $($(#[$meta])* #[test] fn $fact() { super::$fact::<crate::engine::Maria>(); })*
        }
    };
}

mod conformance;
mod databases;
mod engine;
mod faults;
mod opening;
mod sample;
mod status;
mod steps;
mod tls;
