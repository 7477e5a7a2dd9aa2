#![doc = include_str!("../README.md")]
//!
//! The core decides which key is active when; this crate stores what it decided. [`KeyDirectory`]
//! and [`KeyFollower`] are for servers, [`LockedKeys`] is for commands that change keys by hand.

#[cfg(not(unix))]
compile_error!("aquaware-key-directory relies on owners and modes of files, so it needs Unix");

mod access;
mod directory;
mod error;
mod follower;
mod locked;

pub use self::directory::{KeyDirectory, RELOAD_EVERY};
pub use self::error::KeyDirectoryError;
pub use self::follower::KeyFollower;
pub use self::locked::LockedKeys;
