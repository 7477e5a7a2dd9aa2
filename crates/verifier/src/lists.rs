//! Status lists (draft-ietf-oauth-status-list-20): which are fetched, from where, and what they say
//! about a token.

pub(crate) mod aggregation;
pub(crate) mod allowed;
pub(crate) mod cache;
pub(crate) mod entry;
pub(crate) mod fixed;
pub(crate) mod list;
pub(crate) mod source;
