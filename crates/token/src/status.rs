//! Token status lists (draft-ietf-oauth-status-list-20): one bit per session, from which offline
//! verifiers learn of a revocation within seconds.
//!
//! A session keeps one [index](StatusIndex) for its whole life, so all of its access tokens refer to
//! the same bit. The allocation of indices and the lifetimes of lists are in `aquaware-core`.

mod list;
mod token;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use self::list::{MAX_UNPACKED_BYTES, PackedList, Status, StatusList, UnpackError};
pub use self::token::StatusListClaims;
use crate::id::{IdError, Issuer};

/// Number of entries in every list, whether used or not.
pub const LIST_ENTRIES: u32 = 1 << LIST_BITS;
const LIST_BITS: u32 = 20;

/// A session's index in the status lists: the upper bits select the list, the lower bits the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusIndex(u32);

impl StatusIndex {
    /// Restores an index from the number that a store keeps.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number for a store to keep.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The list that contains the entry.
    #[must_use]
    pub const fn list(self) -> ListId {
        ListId(self.0 >> LIST_BITS)
    }

    /// The entry in that list, below [`LIST_ENTRIES`].
    #[must_use]
    pub const fn entry(self) -> u32 {
        self.0 & (LIST_ENTRIES - 1)
    }

    /// The `status` claim for access tokens of `issuer` (§6.2).
    #[must_use]
    pub fn claim(self, issuer: &Issuer) -> StatusClaim {
        let reference = StatusReference { idx: self.entry().into(), uri: self.list().uri(issuer) };
        StatusClaim { status_list: Some(reference) }
    }
}

/// The id of an issuer's status list: a number below [`ListId::COUNT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(u32);

impl ListId {
    /// Maximum number of lists, given by the range of [`StatusIndex`].
    pub const COUNT: u32 = 1 << (u32::BITS - LIST_BITS);

    /// The id of list `number`; `None` if it is not below [`ListId::COUNT`].
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The number of the list.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The URL at which `issuer` publishes the list: the `uri` in access tokens and the `sub` of the
    /// list itself.
    #[must_use]
    pub fn uri(self, issuer: &Issuer) -> String {
        format!("{}/status-lists/{self}", issuer.as_str().trim_end_matches('/'))
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for ListId {
    type Err = IdError;

    /// Accepts only the form that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = text.parse().ok().and_then(Self::new);
        id.filter(|id| id.to_string() == text).ok_or(IdError::new("status list"))
    }
}

/// The `status` claim of a token (§6.1). Mechanisms other than status lists are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusClaim {
    /// The token's entry in a status list, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_list: Option<StatusReference>,
}

/// A token's entry in a status list (§6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReference {
    /// The index of the entry in the list.
    pub idx: u64,
    /// The URL of the list.
    pub uri: String,
}

impl<'de> Deserialize<'de> for StatusClaim {
    /// Accepts only an object: a status that cannot be read is an error, never "no status".
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members: Map<String, Value> = Map::deserialize(deserializer)?;
        let status_list = match members.remove("status_list") {
            Some(list @ Value::Object(_)) => {
                Some(serde_json::from_value(list).map_err(D::Error::custom)?)
            }
            Some(_) => return Err(D::Error::custom("status_list is not an object")),
            None => None,
        };
        Ok(Self { status_list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    #[test]
    fn an_index_is_a_list_and_an_entry() {
        let index = StatusIndex::from_number(3 * LIST_ENTRIES + 5);
        assert_eq!((index.list().number(), index.entry()), (3, 5));
        let last = StatusIndex::from_number(u32::MAX);
        assert_eq!((last.list().number(), last.entry()), (ListId::COUNT - 1, LIST_ENTRIES - 1));
    }

    #[test]
    fn the_claim_has_the_form_of_the_draft() {
        let index = StatusIndex::from_number(LIST_ENTRIES + 7);
        let claim = serde_json::to_value(index.claim(&fixture::issuer())).unwrap();
        let uri = "https://auth.example.com/prod1/status-lists/1";
        assert_eq!(claim, serde_json::json!({"status_list": {"idx": 7, "uri": uri}}));
    }

    #[test]
    fn a_list_id_has_one_spelling() {
        assert_eq!("4095".parse(), Ok(ListId(4095)));
        for invalid in ["", "4096", "00", "01", "+1", "-1", "1.0", " 1", "x", "../1", "١"] {
            assert!(invalid.parse::<ListId>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_reference_is_an_index_and_a_url_and_other_mechanisms_are_ignored() {
        let read = |json: &str| serde_json::from_str::<StatusClaim>(json).ok();
        let known = read(r#"{"status_list":{"idx":0,"uri":"https://a.example/1"},"other":{}}"#);
        assert_eq!(known.unwrap().status_list.unwrap().idx, 0);
        assert_eq!(read(r#"{"other":{}}"#), Some(StatusClaim::default()));
        for invalid in [
            r#"{"status_list":null}"#,
            r#"{"status_list":{"idx":-1,"uri":"https://a.example/1"}}"#,
            r#"{"status_list":{"idx":1.5,"uri":"https://a.example/1"}}"#,
            r#"{"status_list":{"idx":"0","uri":"https://a.example/1"}}"#,
            r#"{"status_list":{"idx":0}}"#,
            r#"{"status_list":[0,"https://a.example/1"]}"#,
            "[]",
            "null",
        ] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
    }
}
