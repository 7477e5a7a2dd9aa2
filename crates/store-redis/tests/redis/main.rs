//! The Redis store on real servers: the contract of the ports, what operators rely on, and lost
//! connections, servers and acknowledged writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test that cannot continue has found a failure"
)]

mod conformance;
mod connecting;
mod failover;
mod faults;
mod keys;
mod many;
mod records;
mod servers;
mod status;
