//! Records as hashes: conversions between the stored records of the core and the fields of a key.
//!
//! Each conversion names every field, so a new one must be added here before the crate compiles. A
//! key with an invalid value is reported by its name, and the value is never repeated. Unknown fields
//! are ignored, because a newer release may have written them.

mod account;
mod fields;
mod session;

pub(crate) use self::account::{account_fields, slot_of};
pub(crate) use self::fields::{FieldList, bytes, claims_text};
pub(crate) use self::session::{session_fields, session_of};
