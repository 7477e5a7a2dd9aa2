//! Sessions that renew themselves.
pub mod account;
pub mod claims;
pub mod id;
pub mod jwt;
pub mod keys;
pub mod password;
pub mod policy;
pub mod random;
pub mod retry;
pub mod secret;
pub mod service;
pub mod session;
pub mod store;
pub mod succession;
pub mod time;

pub use crate::session::Session;
