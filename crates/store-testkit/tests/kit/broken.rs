//! Stores with one flaw each: the checks for that flaw must fail.

mod accounts;
mod counters;
mod outbox;
mod sessions;
