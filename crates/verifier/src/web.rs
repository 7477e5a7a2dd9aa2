//! Bearer tokens in web servers (RFC 6750): one set of rules, and thin layers for each framework.

#[cfg(feature = "actix")]
pub(crate) mod actix;
pub(crate) mod auth;
#[cfg(feature = "axum")]
pub(crate) mod axum;
pub(crate) mod credentials;
pub(crate) mod rejection;
pub(crate) mod resource;
#[cfg(feature = "tower")]
pub(crate) mod tower;
