//! Support for the end-to-end tests of the built program. It is written against the contract, and
//! uses none of the server's code.
//!
//! A test starts its own [`Server`] in its own directory, sends requests through
//! [`Client`]s, and may lose responses on purpose ([`LossyProxy`]), or kill and restart it. Every
//! response that a client receives is checked against the conventions of the contract, whatever the
//! test is about: see [`Response`].
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

mod call;
mod client;
mod clock;
mod conventions;
mod database;
mod description;
mod device;
mod jws;
mod mail_server;
mod person;
mod program;
mod proxy;
mod random;
mod raw;
mod receiver;
mod response;
mod server;
mod setup;
mod status;
mod store;
mod terminal;
mod time;

pub use call::Call;
pub use client::{Client, Tokens};
pub use database::Database;
pub use description::reference;
pub use device::Device;
pub use jws::{Jws, base64url, from_base64url, unsigned};
pub use mail_server::{Mail, MailServer};
pub use person::{Person, retry_key};
pub use program::{Finished, Outcome};
pub use proxy::LossyProxy;
pub use random::Random;
pub use raw::{exchange, hang_up};
pub use receiver::{Answer, Message, Receiver, WEBHOOK_SECRET};
pub use response::Response;
pub use server::{Server, Stopped};
pub use setup::{ISSUER, Setup, free_address};
pub use status::{StatusEntry, StatusListToken};
pub use store::Store;
pub use time::{has_begun, pause, until, wait_for};
