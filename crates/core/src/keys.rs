//! The life cycle of keys: `next` (published, not yet signing), `active`, `retiring` (published, no
//! longer signing, until the last token it signed has expired), gone.
//!
//! The phase of a key is not stored but derived from the instants in its record, so replicas with the
//! same records and synchronized clocks agree without communicating.

use std::time::Duration;

mod generate;
mod record;
mod ring;
mod rotation;

pub use self::generate::generate;
pub use self::record::{KeyRecord, RecordError};
pub use self::ring::{KeyRing, Phase, RingError, missing};
pub use self::rotation::{
    KeyChange, MAX_CLOCK_LAG, Schedule, Withdrawal, algorithm_of, due, is_clock_behind, rotate,
    signing_algorithm, withdraw,
};

/// How long verifiers may cache the published keys, unless the issuer publishes them differently. A
/// key must be published for at least this long before it signs.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_secs(300);
