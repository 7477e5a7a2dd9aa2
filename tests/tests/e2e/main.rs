//! The built program, tested from outside: every promise that a client can observe.
//!
//! Each test starts its own server, so tests run concurrently and in any order. They do not use the
//! server's code; the expected behaviour is documented in docs/http-api.md and
//! docs/configuration.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is tests"
)]

mod account_changes;
mod accounts;
mod backups;
mod bad_bodies;
mod bad_tokens;
mod bearer;
mod bodies;
mod clocks;
mod commands_accounts;
mod commands_doctor;
mod commands_import;
mod commands_keys;
mod commands_sessions;
mod commands_store;
mod commands_token;
mod compat_simplejwt;
mod configuration;
mod conventions;
mod cookies;
mod crash;
mod demo;
mod deploy;
mod documents;
mod events;
mod guard;
mod hostile;
mod journey;
mod keys_under_load;
mod leaks;
mod lifetimes;
mod limits;
mod loss;
mod mail;
mod many_sessions;
mod metrics;
mod oauth_clients;
mod oauth_form;
mod oauth_grants;
mod oauth_introspect;
mod oauth_metadata;
mod oauth_outage;
mod oauth_refresh;
mod oauth_resource;
mod oauth_revoke;
mod oauth_support;
mod outage;
mod pages;
mod passwords;
mod races;
mod replicas;
mod restart;
mod sessions;
mod status_lists;
mod status_verifier;
mod succession;
mod tls;
mod tokens;
mod traces;
mod webhooks;
