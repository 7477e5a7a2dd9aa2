//! What the end-to-end tests drive the built program with: it knows the contract and nothing of
//! the code behind it.
//!
//! A test starts a [`Server`] of its own in a directory of its own, speaks to it through
//! [`Client`]s, and may lose answers on purpose ([`LossyProxy`]), kill it and start it again. Every
//! answer that a client receives is held against the conventions of the contract, whatever its
//! test is about: see [`Answer`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this package is all tests: what goes wrong here is a test that fails"
)]

/// The examples of the verifier's manual. They are tested here, because the crate's own package must
/// not refer to files outside it.
#[cfg(doctest)]
#[doc = include_str!("../../docs/verifier.md")]
mod verifier_manual {}

mod answer;
mod call;
mod client;
mod jws;
mod manners;
mod person;
mod program;
mod proxy;
mod random;
mod raw;
mod server;
mod setup;
mod status;
mod store;
mod terminal;
mod time;

pub use answer::Answer;
pub use call::Call;
pub use client::{Client, Tokens};
pub use jws::{Jws, base64url, from_base64url, unsigned};
pub use person::{Person, retry_key};
pub use program::{Finished, Outcome};
pub use proxy::LossyProxy;
pub use random::Random;
pub use raw::{exchange, hang_up};
pub use server::{Server, Stopped};
pub use setup::{ISSUER, Setup};
pub use status::{StatusEntry, StatusListToken};
pub use store::Store;
pub use time::{pause, until, wait_for};
