//! Status lists on the side of the issuer: which index a session gets, and how long everything
//! lives. The lists themselves are in [`aquaware_token::status`], re-exported here.
//!
//! An index is drawn at random at the login of a session and kept for its life, so that a refresh
//! writes nothing more. It is free for another session only when no verifier can mistake one for
//! the other: see [`Spans`].

mod space;
mod spans;

pub use aquaware_token::status::*;

pub(crate) use self::space::Space;
pub use self::spans::Spans;
