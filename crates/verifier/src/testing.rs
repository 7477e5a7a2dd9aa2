//! For unit tests of services (feature `testing`): an issuer in memory, valid and invalid tokens,
//! and a clock moved by hand. No server, no network, no sleeping. Never use it in production.
//!
//! ```
//! use aquaware_verifier::testing::TestIssuer;
//! use std::time::Duration;
//!
//! let issuer = TestIssuer::new();
//! let verifier = issuer.verifier();
//!
//! let token = issuer.token().subject("ann").scope("tanks:read").sign();
//! assert_eq!(verifier.verify(&token)?.sub.as_str(), "ann");
//!
//! let revocable = issuer.token().status(7).sign();
//! assert!(verifier.verify(&revocable).is_ok());
//! issuer.revoke(7);
//! assert!(verifier.verify(&revocable).is_err());
//!
//! issuer.clock().advance(Duration::from_secs(3600));
//! assert!(verifier.verify(&token).is_err());
//! # Ok::<(), aquaware_verifier::VerifyError>(())
//! ```
#![allow(
    clippy::expect_used,
    reason = "the inputs are constants that satisfy the rules; otherwise the test must stop"
)]

mod issuer;
mod signer;
mod status_list;
mod token;

pub use aquaware_token::status::StatusList;
pub use aquaware_token::testing::ManualClock;

pub use self::issuer::TestIssuer;
pub use self::signer::{AUDIENCE, ISSUER, START, STATUS_ENTRIES, STATUS_LIST};
pub use self::status_list::TestStatusList;
pub use self::token::TestToken;
