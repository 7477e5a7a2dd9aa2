//! HTTP: how requests become calls of the core, and outcomes become answers.
//!
//! The submodules are the plumbing that every handler shares; no rule of the token system lives in
//! them. A handler reads as parse, call the service, answer, and every refusal is a [`Problem`].
//!
//! [`Problem`]: problem::Problem

pub(crate) mod application;
pub(crate) mod auth;
pub(crate) mod bearer;
pub(crate) mod body;
pub(crate) mod client_addr;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod document;
pub(crate) mod envelope;
pub(crate) mod failed_logins;
pub(crate) mod failure;
pub(crate) mod health;
pub(crate) mod key_set;
pub(crate) mod limits;
pub(crate) mod login;
pub(crate) mod oauth;
pub(crate) mod origin;
pub(crate) mod problem;
pub(crate) mod rates;
pub(crate) mod route;
pub(crate) mod state;
pub(crate) mod status_lists;
pub(crate) mod tls;
pub(crate) mod token_answer;
