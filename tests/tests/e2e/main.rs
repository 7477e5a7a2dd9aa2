//! The built program, from outside: every promise of the contract that a client can see.
//!
//! Each test starts a server of its own, so they run beside each other in any order. Nothing here
//! knows the server's code; what a test expects stands in docs/http-api.md and
//! docs/configuration.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is tests"
)]

mod accounts;
mod bad_bodies;
mod bad_tokens;
mod bearer;
mod bodies;
mod commands_accounts;
mod commands_keys;
mod commands_sessions;
mod commands_store;
mod commands_token;
mod configuration;
mod conventions;
mod cookies;
mod crash;
mod demo;
mod journey;
mod keys_under_load;
mod leaks;
mod lifetimes;
mod limits;
mod loss;
mod oauth_clients;
mod oauth_desk;
mod oauth_form;
mod oauth_grants;
mod oauth_introspect;
mod oauth_metadata;
mod oauth_outage;
mod oauth_refresh;
mod oauth_revoke;
mod outage;
mod passwords;
mod races;
mod replicas;
mod restart;
mod sessions;
mod status_lists;
mod status_verifier;
mod succession;
mod tokens;
