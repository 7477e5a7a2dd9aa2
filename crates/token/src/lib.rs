//! JWT access and refresh tokens: claims, ids, signing and verification, JWK sets and token status
//! lists. This is everything that a service needs to verify tokens.
//!
//! No I/O, no async runtime; time and randomness are arguments. Policy, sessions and the life
//! cycle of keys are in `aquaware-core`, which re-exports this crate.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod claims;
pub mod id;
pub mod jwt;
pub mod random;
pub mod secret;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
