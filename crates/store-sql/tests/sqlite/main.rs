//! The SQLite store from outside: what the ports promise, and what an operator relies on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that finds no way on has found a failure"
)]

mod accounts;
mod conformance;
mod durability;
mod opening;
mod sample;
mod sessions;
mod trouble;
