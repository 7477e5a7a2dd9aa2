//! Doors for clients of other systems, off by default. They translate requests and responses; the rules
//! are those of every other login and refresh.

mod drf;
mod simplejwt;

#[cfg(feature = "documents")]
pub(crate) use self::simplejwt::Operations;
pub(crate) use self::simplejwt::routes;
