//! Bodies that do not match their media type.

use std::borrow::Cow;

use crate::error_code::ErrorCode;
use crate::problem::{FieldError, Problem};

/// The most fields a body may have.
const MAX_FIELDS: usize = 64;

/// A body that cannot be parsed as its media type, or has invalid field names.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) detail: Cow<'static, str>,
    pub(super) errors: Vec<FieldError>,
}

impl Malformed {
    pub(super) fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), errors: Vec::new() }
    }

    pub(super) fn field(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: "Some fields are missing or malformed.".into(),
            errors: vec![FieldError::new(name, message)],
        }
    }

    /// Checks the names of all fields.
    ///
    /// # Errors
    /// When a name occurs more than once, or there are too many fields.
    pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Self> {
        let mut names: Vec<_> = names.collect();
        if names.len() > MAX_FIELDS {
            return Err(Self::new("The body has more than 64 fields."));
        }
        names.sort_unstable();
        let mut twice: Vec<_> = names
            .windows(2)
            .filter_map(|two| (two.first() == two.last()).then(|| two.first())?)
            .collect();
        twice.dedup();
        if twice.is_empty() {
            return Ok(());
        }
        let error = |name: &&&str| FieldError::new(name, "is given more than once");
        let errors = twice.iter().map(error).collect();
        Err(Self { detail: "Some fields are given more than once.".into(), errors })
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::new(ErrorCode::InvalidRequest, malformed.detail).with_errors(malformed.errors)
    }
}
