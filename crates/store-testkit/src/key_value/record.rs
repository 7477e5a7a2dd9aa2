//! Records as JSON texts.

use aquaware_core::account::Account;
use aquaware_core::session::Session;
use aquaware_core::store::{StoreError, StoredAccount, StoredSession};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn encode_session(session: &Session) -> Result<String, StoreError> {
    encode(&StoredSession::from(session))
}

pub(super) fn decode_session(key: &str, value: &str) -> Result<Session, StoreError> {
    decode::<StoredSession>(key, value)?.into_session()
}

pub(super) fn encode_account(account: &Account) -> Result<String, StoreError> {
    encode(&StoredAccount::from(account))
}

pub(super) fn decode_account(key: &str, value: &str) -> Result<Account, StoreError> {
    decode::<StoredAccount>(key, value)?.into_account()
}

fn encode<T: Serialize>(stored: &T) -> Result<String, StoreError> {
    serde_json::to_string(stored).map_err(|error| StoreError::Rejected(error.into()))
}

/// The cause is left out, because errors of `serde_json` may repeat parts of the value.
fn decode<T: DeserializeOwned>(key: &str, value: &str) -> Result<T, StoreError> {
    serde_json::from_str(value).map_err(|_| StoreError::corrupt(key, "not a stored record in JSON"))
}
