//! Stores that are wrong in one way each: the check that is there for it must fail.

mod accounts;
mod sessions;
