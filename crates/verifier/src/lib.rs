//! What a resource server needs to check access tokens (RFC 9068), and no more.
//!
//! # What it promises
//! - **No request waits for the network.** [`Verifier::verify`] is a plain function: keys and
//!   status lists are fetched in the background.
//! - **A revoked token is refused within seconds**, where its issuer publishes Token Status Lists:
//!   with aquaware's `ttl`, 10 s after the list shows it.
//! - **No good token is refused** because keys rotate, as long as the issuer publishes a key before
//!   it signs with it; nor because the issuer is down, up to a staleness that is yours to set.
//! - **No rule is softer than it could be.** One algorithm per key and never a shared secret, the
//!   issuer and the audience exactly, `at+jwt` and nothing else, expired at its second.
//! - **Made-up keys cost nothing**: one fetch in flight, a cooldown between two.
//!
//! It works with any issuer of RFC 9068 tokens. It issues nothing and stores nothing. The manual is
//! `docs/verifier.md`.
//!
//! # Ten lines
//! ```no_run
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use aquaware_verifier::Verifier;
//!
//! let verifier = Verifier::builder()
//!     .issuer("https://auth.example.com")
//!     .audience("tanks")
//!     .discover()
//!     .await?;
//!
//! // Per request:
//! let claims = verifier.verify(token)?;
//! claims.require_scope("tanks:read")?;
//! println!("{}", claims.sub);
//! # Ok(())
//! # }
//! ```
//!
//! # In a web server
//! The features `actix` and `tower` give every answer of RFC 6750 §3 by themselves: see
//! [`Protection`]. The feature `testing` mints tokens in unit tests, without a server.

#![cfg_attr(
    not(any(feature = "actix", feature = "tower")),
    allow(rustdoc::broken_intra_doc_links, reason = "what it names is behind those features")
)]

#[cfg(doctest)]
#[doc = include_str!("../../../docs/verifier.md")]
mod manual {}

#[cfg(feature = "actix")]
mod actix;
mod address;
pub mod builder;
mod document;
mod error;
pub mod fetch;
pub mod freshness;
mod health;
mod lists;
mod origin;
#[cfg(any(feature = "actix", feature = "tower"))]
mod protection;
mod refresh;
mod rejection;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tower")]
mod tower;
mod verifier;

pub use aquaware_token::claims::{Audiences, BearerClaims, MissingScope, Scope};
pub use aquaware_token::jwt::{Algorithm, TokenError, Verified};
pub use aquaware_token::random::Random;
pub use aquaware_token::status::{StatusClaim, StatusReference};
pub use aquaware_token::time::{Clock, SystemClock, Timestamp};

#[cfg(feature = "actix")]
pub use crate::actix::{Bearer, Refused};
pub use crate::builder::Builder;
pub use crate::error::{Problem, RefreshError, StartError};
pub use crate::fetch::Fetch;
pub use crate::health::{Health, Stale, StatusHealth};
pub use crate::lists::MOST_LISTS;
#[cfg(any(feature = "actix", feature = "tower"))]
pub use crate::protection::{Protection, Refusal};
pub use crate::rejection::Rejection;
#[cfg(feature = "tower")]
pub use crate::tower::Protected;
pub use crate::verifier::Verifier;
