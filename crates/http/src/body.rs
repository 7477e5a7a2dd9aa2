//! Request bodies: at most 16 KiB, in the media types that a resource accepts, as fields by name.
//!
//! A body is read completely before it is parsed; at 16 KiB, an incremental parser would gain
//! nothing. Bodies carry passwords and tokens, so the buffer and every value are overwritten when
//! dropped; the buffers of the HTTP library are out of reach.

mod fields;
mod json;
mod malformed;
mod media;
mod multipart;
pub(crate) mod oauth;
mod read;
mod urlencoded;

pub(crate) use self::fields::Fields;
pub(crate) use self::read::Text;
pub(crate) use self::urlencoded::{decoded as form_decoded, has_name as query_has};
