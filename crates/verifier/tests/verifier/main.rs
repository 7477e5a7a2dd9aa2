//! The verifier as its users see it, against an issuer that is scripted.
//!
//! Time is tokio's, paused: it moves to the next timer when nothing else is left to do, and the
//! clock of the verifier moves with it. So an hour of outage takes milliseconds, and nothing is
//! left to chance.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what the scripted issuer can't do ends the test"
)]

mod caches;
mod client;
mod examples;
mod flood;
mod http;
mod layers;
mod outage;
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
