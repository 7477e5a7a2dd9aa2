//! What engines reached over a network have in common: threads of their own, a pool, a deadline for
//! each step, and what a failure means for the step that met it.
//!
//! A step never runs on its caller's runtime. It is handed to the store's own, where the
//! connections live, and does there what it began: a caller that goes away leaves no half-sent
//! statement, and a worker that ends takes no connection with it.

mod home;
mod options;
mod pool;
mod purge;
mod standing;
mod statements;
mod tls;
mod trouble;

pub(crate) use self::options::{check, parameters};
pub(crate) use self::pool::{Access, Link, Pool, Running};
pub(crate) use self::purge::{Forgetful, STRETCH, Seen, purge};
pub(crate) use self::standing::{Standing, Step as Migration, standing};
pub(crate) use self::statements::{
    AdvanceSession, EndSession, InsertSession, Step, TouchSession, Verdict,
};
pub(crate) use self::tls::{Security, Trust, of_handshake};
pub(crate) use self::trouble::{Fate, Trouble};
