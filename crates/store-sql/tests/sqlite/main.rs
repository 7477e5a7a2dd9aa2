//! The SQLite store from outside: the guarantees of the ports, and what an operator relies on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper that cannot continue has found a failure"
)]

mod accounts;
mod conformance;
mod durability;
mod errors;
mod fixtures;
mod many;
mod opening;
#[path = "../records/mod.rs"]
mod records;
mod sessions;
