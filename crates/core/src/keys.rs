//! Keys and their life: `next` (published, not yet signing), `active`, `retiring` (published, no
//! longer signing, until the last token it signed is dead), gone.
//!
//! Where a key stands is not stored but read off the instants in its record, so any number of
//! replicas with the same records and clocks agree without asking each other.

mod generate;
mod record;
mod ring;
mod rotation;

pub use self::generate::generate;
pub use self::record::{KeyRecord, RecordError};
pub use self::ring::{KeyRing, Phase, RingError, missing};
pub use self::rotation::{
    Schedule, Turn, Withdrawal, algorithm_of, due, rotate, signing_algorithm, withdraw,
};
