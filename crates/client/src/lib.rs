#![doc = include_str!("../README.md")]

mod answer;
mod builder;
mod client;
mod clock;
mod error;
mod file;
mod options;
mod record;
mod storage;

pub use reqwest;

pub use crate::builder::Builder;
pub use crate::client::Client;
pub use crate::error::{BuildError, Error, Reason};
pub use crate::file::FileStorage;
pub use crate::record::AccessToken;
pub use crate::storage::{MemoryStorage, Storage};
