//! The composition: the only file that knows every part. From a checked configuration to a running
//! server, and down again.

mod keeper;
mod parts;
mod running;
mod stores;

pub(crate) use self::parts::StartError;
pub(crate) use self::running::{Running, serve, start};
