//! The kit, tried on stores that are right and on stores that are wrong.

#![allow(clippy::unwrap_used, reason = "every file here is a test")]

mod broken;
mod memory;
