//! The HTTP API of Aquaware as routes for actix-web applications.
//!
//! The submodules are the plumbing that every handler shares; no rule of the token system lives in
//! them. A handler reads as parse, call the service, answer, and every refusal is a `Problem`.

mod aquaware;
mod auth;
mod bearer;
mod body;
mod builder;
mod chain;
mod client_address;
mod cookie;
mod cors;
mod document;
mod envelope;
mod error_chain;
mod error_map;
mod failed_logins;
mod hashing;
mod health;
mod key_set;
mod limiter;
mod limits;
mod login;
mod oauth;
mod origin;
mod problem;
mod request_limit;
mod route;
mod state;
mod status_lists;
mod token_response;

pub use self::aquaware::Aquaware;
pub use self::builder::{BuildError, Builder};
pub use self::envelope::management_middleware;
pub use self::hashing::{HashingPool, PoolSize};
pub use self::key_set::KEY_SET_MAX_AGE;
pub use self::limits::{Limits, Rate};
pub use self::route::not_found;
