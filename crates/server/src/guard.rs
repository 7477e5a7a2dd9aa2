//! `aquaware guard`: the verifier as a small HTTP service, which reverse proxies ask before they pass
//! a request on.
//!
//! It has no store, no keys and no configuration file; the arguments name the issuers that it accepts.

mod check;
mod headers;
mod options;
mod running;

pub(crate) use self::headers::HeaderNames;
pub(crate) use self::options::{GuardOptions, IssuerOptions};
pub(crate) use self::running::run;
