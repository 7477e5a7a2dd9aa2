//! A session as the text that is stored, and back. Nothing else knows that text.

use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::session::{Device, Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The columns. Times are milliseconds: the JSON form of a `Timestamp` has whole seconds only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: SessionId,
    subject: Subject,
    client: ClientId,
    scope: Scope,
    claims: ExtraClaims,
    device: [Option<String>; 3],
    created_at: i64,
    ends_at: i64,
    generation: Generation,
    issued_at: i64,
    expires_at: i64,
    last_used_at: i64,
    mark: Option<[u8; 16]>,
    ended: Option<(i64, String)>,
    status: Option<u32>,
}

/// The text of a session.
pub(crate) fn encode(session: &Session) -> Result<String, StoreError> {
    // Names every field: one that is added to the record doesn't compile until it is stored.
    let Session {
        id,
        subject,
        client,
        scope,
        claims,
        device: Device { name, ip, user_agent },
        created_at,
        ends_at,
        generation,
        issued_at,
        expires_at,
        last_used_at,
        mark,
        ended,
        status,
    } = session.clone();
    let row = Row {
        id,
        subject,
        client,
        scope,
        claims,
        device: [name, ip, user_agent],
        created_at: created_at.millis(),
        ends_at: ends_at.millis(),
        generation,
        issued_at: issued_at.millis(),
        expires_at: expires_at.millis(),
        last_used_at: last_used_at.millis(),
        mark: mark.map(|mark| *mark.as_bytes()),
        ended: ended.map(|Ended { at, reason }| (at.millis(), reason.as_str().to_owned())),
        status: status.map(StatusIndex::number),
    };
    serde_json::to_string(&row).map_err(|error| StoreError::Rejected(error.into()))
}

/// The session of a text. What can't be one is reported as such, never as absent.
pub(crate) fn decode(key: &str, text: &str) -> Result<Session, StoreError> {
    let row: Row =
        serde_json::from_str(text).map_err(|error| StoreError::corrupt(key, error.to_string()))?;
    let ended = row.ended.map(|(at, word)| {
        let reason = word.parse().map_err(|_| StoreError::corrupt(key, "an unknown end"))?;
        Ok::<_, StoreError>(Ended { at: Timestamp::from_millis(at), reason })
    });
    let [name, ip, user_agent] = row.device;
    Ok(Session {
        id: row.id,
        subject: row.subject,
        client: row.client,
        scope: row.scope,
        claims: row.claims,
        device: Device { name, ip, user_agent },
        created_at: Timestamp::from_millis(row.created_at),
        ends_at: Timestamp::from_millis(row.ends_at),
        generation: row.generation,
        issued_at: Timestamp::from_millis(row.issued_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        last_used_at: Timestamp::from_millis(row.last_used_at),
        mark: row.mark.map(Mark::from_bytes),
        ended: ended.transpose()?,
        status: row.status.map(StatusIndex::from_number),
    })
}
