//! The issuer's part of status lists: allocation of indices, and time spans. The lists themselves are
//! in [`aquaware_token::status`], re-exported here.
//!
//! An index is drawn at random when a session is opened and kept for the session's life, so a refresh
//! writes nothing more. It is reused only when no verifier can mistake one session for the other: see
//! [`Spans`].

mod space;
mod spans;

pub use aquaware_token::status::*;

pub(crate) use self::space::Space;
pub use self::spans::Spans;
