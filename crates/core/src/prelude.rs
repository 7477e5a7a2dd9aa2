//! What a service over `Sessions` needs: `use aquaware_core::prelude::*`.

pub use crate::claims::Scope;
pub use crate::id::{ClientId, Subject};
pub use crate::jwt::Algorithm;
pub use crate::policy::ProfileSettings;
pub use crate::retry::RetryKey;
pub use crate::service::{Error, ErrorKind, NewSession, RequestContext, Sessions, TokenResponse};
pub use crate::time::{Clock, SystemClock, Timestamp};
