//! JWT access and refresh tokens: claims, ids, signing and verification, JWK Sets and token status
//! lists. This is everything that a service needs in order to verify tokens.
//!
//! The crate does no I/O and has no async runtime; time and randomness are arguments. Policy,
//! sessions and the life cycle of keys are in `aquaware-core`, which re-exports this crate.
//! Resource servers normally use `aquaware-verifier`, which fetches keys and status lists.
//!
//! ```
//! use aquaware_token::id::{Audience, Issuer};
//! use aquaware_token::jwt::{AccessCheck, KeySet, TokenError};
//! use aquaware_token::time::{Clock, Leeway, SystemClock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The JWK Set of the issuer, and the rules that every token must meet.
//! let keys = KeySet::from_json(br#"{
//!     "keys": [{
//!         "kty": "OKP", "crv": "Ed25519", "kid": "2026-01", "alg": "EdDSA", "use": "sig",
//!         "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
//!     }]
//! }"#)?;
//! let check = AccessCheck {
//!     issuer: Issuer::new("https://auth.example.com")?,
//!     audiences: vec![Audience::new("https://api.example.com")?],
//!     leeway: Leeway::NONE,
//! };
//!
//! let outcome = check.check("not a token", &keys, SystemClock.now());
//! assert_eq!(outcome, Err(TokenError::Malformed));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! Both features are for tests only.
//! - `testing`: a clock moved by hand, reproducible randomness, sample values, and signing of
//!   arbitrary claims.
//! - `proptest`: strategies for ids, times and claims.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod claims;
mod error;
pub mod id;
mod json;
pub mod jwt;
pub mod random;
pub mod secret;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;

pub use self::error::error_chain;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
