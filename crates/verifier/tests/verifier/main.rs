//! The public interface of the verifier, against a scripted issuer.
//!
//! Tokio's time is paused: it jumps to the next timer when all tasks are idle, and the clock of the
//! verifier follows. An outage of an hour takes milliseconds, and the tests are deterministic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure of the set-up ends the test"
)]

mod cached_tokens;
mod caches;
mod client;
mod examples;
mod flood;
mod http;
mod issuers;
mod outage;
mod resource;
mod rotation;
mod site;
mod start;
mod status;
mod status_fetches;
mod status_outage;
mod status_places;
mod status_trust;
mod status_waiting;
mod tokens;
mod web;
