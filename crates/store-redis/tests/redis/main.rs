//! The Redis store on real servers: what the ports promise, what an operator relies on, and what
//! must not happen when connections, servers or acknowledged writes are lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that finds no way on has found a failure"
)]

mod conformance;
mod connecting;
mod keys;
mod sample;
mod servers;
mod status;
mod storm;
mod trouble;
