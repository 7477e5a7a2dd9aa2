//! What a store is like, for whoever runs it: each engine answers the same questions.

pub use aquaware_core::store::{Setting, StoreFacts};
