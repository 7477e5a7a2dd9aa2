//! Verifies JWT access tokens locally, with keys and status lists fetched in the background.
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "actix", feature = "axum", feature = "testing", feature = "tower")),
    allow(rustdoc::broken_intra_doc_links, reason = "some items are behind features")
)]

mod address;
mod builder;
mod document;
mod error;
pub mod fetch;
mod health;
#[cfg(feature = "client")]
mod http_client;
mod key_source;
pub mod limits;
mod lists;
mod refresh;
mod schedule;
mod set;
mod single;
#[cfg(feature = "testing")]
pub mod testing;
mod token_cache;
mod verifier;
#[cfg(any(feature = "actix", feature = "axum", feature = "tower"))]
mod web;

pub use aquaware_token::claims::{Audiences, BearerClaims, InsufficientScopeError, Scope};
pub use aquaware_token::jwt::{
    Algorithm, Profile, ProfileBuilder, ProfileError, ScopeClaim, TokenError, Verified,
};
pub use aquaware_token::random::Random;
pub use aquaware_token::status::{StatusClaim, StatusReference};
pub use aquaware_token::time::{Clock, SystemClock, Timestamp};

pub use crate::builder::Builder;
pub use crate::error::{BuildError, DocumentError, RefreshError, VerifyError};
pub use crate::fetch::Fetch;
pub use crate::health::{Health, StalePolicy, StatusHealth};
#[cfg(feature = "client")]
pub use crate::http_client::HttpClient;
pub use crate::verifier::Verifier;
#[cfg(feature = "actix")]
pub use crate::web::actix::BearerAuthMiddleware;
#[cfg(any(feature = "actix", feature = "axum", feature = "tower"))]
pub use crate::web::auth::{Bearer, BearerAuth};
#[cfg(any(feature = "actix", feature = "axum", feature = "tower"))]
pub use crate::web::rejection::{Rejection, RejectionKind};
#[cfg(any(feature = "actix", feature = "axum", feature = "tower"))]
pub use crate::web::resource::{ResourceError, ResourceMetadata};
#[cfg(feature = "tower")]
pub use crate::web::tower::BearerAuthService;
