//! The composition: the only file that knows every part. From a checked configuration to a running
//! server, and down again.

mod administration;
mod maintenance;
mod parts;
mod running;
mod stores;

pub(crate) use self::administration::{Administration, administer, issuer};
pub(crate) use self::parts::StartError;
pub(crate) use self::running::{Running, serve, start};
pub(crate) use self::stores::{StoreLook, look_at_stores, migrate_stores};
