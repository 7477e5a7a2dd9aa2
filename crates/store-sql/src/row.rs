//! Rows: records as the tables keep them, the same for every engine.
//!
//! Each way names every field, so that a new one breaks it. A row that can't be what this program
//! wrote is an error that names the record and never repeats what is in it.

mod account;
mod revoked;
mod session;

use aquaware_core::session::ExtraClaims;
use aquaware_core::store::StoreError;

pub(crate) use self::account::AccountRow;
#[cfg(all(test, feature = "sqlite"))]
pub(crate) use self::revoked::RevokedRow;
pub(crate) use self::revoked::{revocations, revoked_since};
pub(crate) use self::session::{SessionRow, number};
use crate::error::Failure;

/// Claims as a column keeps them: JSON, or nothing for none.
pub(crate) fn claims_text(claims: &ExtraClaims) -> Result<Option<String>, StoreError> {
    if claims.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(claims)
        .map(Some)
        .map_err(|_| Failure::Unexpected("claims that are no JSON").before_commit())
}

/// Claims of a column, or what is wrong with it.
fn claims_of(text: Option<&str>) -> Result<ExtraClaims, &'static str> {
    text.map_or(Ok(ExtraClaims::new()), |text| {
        serde_json::from_str(text).map_err(|_| "the claims are no JSON object")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_claims_are_no_text() {
        assert_eq!(claims_text(&ExtraClaims::new()).unwrap(), None);
        assert_eq!(claims_of(None), Ok(ExtraClaims::new()));
    }

    #[test]
    fn claims_come_back_as_they_went_in() {
        let claims = json!({
            "roles": ["a", "\u{0}", "\u{1F41F}"], "share": 0.1 + 0.2, "tiny": 5e-324,
            "many": u64::MAX, "few": i64::MIN, "none": null,
        });
        let claims = claims.as_object().unwrap();
        let text = claims_text(claims).unwrap();
        assert_eq!(claims_of(text.as_deref()).as_ref(), Ok(claims));
    }

    #[test]
    fn what_is_no_object_is_no_claims() {
        for bad in ["", "[]", "null", "{\"a\":", "1"] {
            assert!(claims_of(Some(bad)).is_err(), "{bad}");
        }
    }
}
