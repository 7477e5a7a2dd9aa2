#![doc = include_str!("../README.md")]
//!
//! # Structure
//!
//! Handlers parse the request, call a use case of `aquaware-core`, and respond; no rule about tokens
//! is in this crate. Every error is a [`Problem`], and one module, `error_map`, turns the errors of
//! the use cases into responses.

mod aquaware;
mod auth;
mod bearer;
mod body;
mod builder;
mod client_address;
#[cfg(feature = "passwords")]
mod compat;
mod cookie;
mod document;
#[cfg(feature = "documents")]
mod documents;
#[cfg(any(feature = "documents", feature = "pages"))]
mod embedded;
mod error_code;
mod error_map;
mod events;
mod failures;
#[cfg(feature = "passwords")]
mod hashing;
mod health;
mod key_set;
mod limiter;
mod limits;
mod login;
mod metrics;
mod middleware;
mod narrowing;
mod oauth;
mod oauth_error;
mod observed;
mod origin;
#[cfg(feature = "pages")]
mod pages;
mod problem;
mod request_limit;
mod route;
#[cfg(feature = "documents")]
mod schema;
mod scrape;
mod state;
mod status_lists;
#[cfg(test)]
mod testing;
mod token_response;
mod unfinished;

pub use self::aquaware::{Aquaware, Authenticated};
pub use self::builder::{BuildError, Builder};
pub use self::error_code::ErrorCode;
pub use self::events::{EVENT_TARGET, Event, EventKind, Events, UnknownEventError};
#[cfg(feature = "passwords")]
pub use self::hashing::{HashingPool, PoolSize};
pub use self::limits::{Limits, Rate};
pub use self::metrics::{Channel, DeliveryOutcome, Metrics};
pub use self::middleware::{
    AnsweredRequest, RequestTracer, TraceContext, UnroutedResponse, management_middleware,
};
pub use self::origin::Origin;
pub use self::problem::{FieldError, Problem};
pub use self::route::not_found;
