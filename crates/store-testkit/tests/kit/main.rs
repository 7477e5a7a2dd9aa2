//! The kit, tested on correct stores and on stores with one flaw each.

#![allow(clippy::unwrap_used, reason = "every file here is a test")]

mod broken;
mod memory;
mod resets;
