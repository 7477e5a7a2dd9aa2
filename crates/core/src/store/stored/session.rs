//! A session as plain values.

use serde::{Deserialize, Serialize};

use super::{base64url, claims_text, read_claims};
use crate::claims::Scope;
use crate::id::{ClientId, Generation, SessionId, Subject};
use crate::retry::Mark;
use crate::session::{Device, Ended, Session, Use};
use crate::status::StatusIndex;
use crate::store::StoreError;
use crate::time::Timestamp;

/// A session as a store keeps it. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The 16 bytes of the session's id.
    #[serde(with = "base64url")]
    pub id: Vec<u8>,
    /// [`Session::subject`].
    pub subject: String,
    /// [`Session::client`].
    pub client: String,
    /// [`Session::scope`], separated by spaces; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// [`Session::claims`] as a JSON object; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// [`Device::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// [`Device::ip`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// [`Device::user_agent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// [`Session::created_at`].
    pub created_at: i64,
    /// [`Session::ends_at`].
    pub ends_at: i64,
    /// [`Session::generation`].
    pub generation: i64,
    /// [`Session::issued_at`].
    pub issued_at: i64,
    /// [`Session::expires_at`].
    pub expires_at: i64,
    /// [`Session::last_used_at`].
    pub last_used_at: i64,
    /// [`Use::at`] of [`Session::shown_use`]; present together with `shown_expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_used_at: Option<i64>,
    /// [`Use::expires_at`] of [`Session::shown_use`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_expires_at: Option<i64>,
    /// The 16 bytes of [`Session::mark`].
    #[serde(default, with = "base64url::option", skip_serializing_if = "Option::is_none")]
    pub mark: Option<Vec<u8>>,
    /// The text of [`Session::used_from`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_from: Option<String>,
    /// [`Ended::at`]; present together with `end_reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// [`Ended::reason`] by its stable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<String>,
    /// The number of [`Session::status`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_index: Option<i64>,
}

impl From<&Session> for StoredSession {
    fn from(session: &Session) -> Self {
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
            shown_use,
            mark,
            used_from,
            ended,
            status,
        } = session;
        Self {
            id: id.as_bytes().to_vec(),
            subject: subject.as_str().to_owned(),
            client: client.as_str().to_owned(),
            scope: scope.to_string(),
            claims: claims_text(claims),
            device_name: name.clone(),
            ip: ip.clone(),
            user_agent: user_agent.clone(),
            created_at: created_at.millis(),
            ends_at: ends_at.millis(),
            // A generation has at most 53 bits, so the fallback is never taken.
            generation: i64::try_from(generation.number()).unwrap_or(i64::MAX),
            issued_at: issued_at.millis(),
            expires_at: expires_at.millis(),
            last_used_at: last_used_at.millis(),
            shown_used_at: shown_use.map(|shown| shown.at.millis()),
            shown_expires_at: shown_use.map(|shown| shown.expires_at.millis()),
            mark: mark.map(|mark| mark.as_bytes().to_vec()),
            used_from: used_from.map(|origin| origin.to_string()),
            ended_at: ended.map(|ended| ended.at.millis()),
            end_reason: ended.map(|ended| ended.reason.as_str().to_owned()),
            status_index: status.map(|index| index.number().into()),
        }
    }
}

impl StoredSession {
    /// The session these values stand for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], naming the first invalid field.
    pub fn into_session(self) -> Result<Session, StoreError> {
        let key = self.key();
        self.read().map_err(|what| StoreError::corrupt(key, what))
    }

    /// The name by which an operator finds the record.
    fn key(&self) -> String {
        <[u8; 16]>::try_from(self.id.as_slice()).map_or_else(
            |_| format!("session with an id of {} bytes", self.id.len()),
            |bytes| format!("session {}", SessionId::from_bytes(bytes)),
        )
    }

    fn read(self) -> Result<Session, &'static str> {
        let Self {
            id,
            subject,
            client,
            scope,
            claims,
            device_name,
            ip,
            user_agent,
            created_at,
            ends_at,
            generation,
            issued_at,
            expires_at,
            last_used_at,
            shown_used_at,
            shown_expires_at,
            mark,
            used_from,
            ended_at,
            end_reason,
            status_index,
        } = self;
        Ok(Session {
            id: SessionId::from_bytes(sixteen(&id).ok_or("id: not 16 bytes")?),
            subject: Subject::new(subject).map_err(|_| "subject: invalid")?,
            client: ClientId::new(client).map_err(|_| "client: invalid")?,
            scope: Scope::parse(&scope).map_err(|_| "scope: invalid")?,
            claims: read_claims(claims.as_deref())?,
            device: Device { name: device_name, ip, user_agent },
            created_at: Timestamp::from_millis(created_at),
            ends_at: Timestamp::from_millis(ends_at),
            generation: u64::try_from(generation)
                .ok()
                .and_then(Generation::new)
                .ok_or("generation: out of range")?,
            issued_at: Timestamp::from_millis(issued_at),
            expires_at: Timestamp::from_millis(expires_at),
            last_used_at: Timestamp::from_millis(last_used_at),
            shown_use: read_use(shown_used_at, shown_expires_at)?,
            mark: match mark {
                Some(mark) => Some(Mark::from_bytes(sixteen(&mark).ok_or("mark: not 16 bytes")?)),
                None => None,
            },
            used_from: match used_from {
                Some(text) => Some(text.parse().map_err(|_| "used_from: invalid")?),
                None => None,
            },
            ended: read_end(ended_at, end_reason.as_deref())?,
            status: match status_index {
                Some(number) => {
                    let number = u32::try_from(number).map_err(|_| "status_index: out of range")?;
                    Some(StatusIndex::from_number(number))
                }
                None => None,
            },
        })
    }
}

fn sixteen(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

fn read_use(at: Option<i64>, expires_at: Option<i64>) -> Result<Option<Use>, &'static str> {
    let time = Timestamp::from_millis;
    match (at, expires_at) {
        (None, None) => Ok(None),
        (Some(at), Some(expires_at)) => {
            Ok(Some(Use { at: time(at), expires_at: time(expires_at) }))
        }
        (Some(_), None) => Err("shown_expires_at: missing, but shown_used_at is set"),
        (None, Some(_)) => Err("shown_used_at: missing, but shown_expires_at is set"),
    }
}

fn read_end(at: Option<i64>, reason: Option<&str>) -> Result<Option<Ended>, &'static str> {
    match (at, reason) {
        (None, None) => Ok(None),
        (Some(at), Some(reason)) => {
            let reason = reason.parse().map_err(|_| "end_reason: unknown")?;
            Ok(Some(Ended { at: Timestamp::from_millis(at), reason }))
        }
        (Some(_), None) => Err("end_reason: missing, but ended_at is set"),
        (None, Some(_)) => Err("ended_at: missing, but end_reason is set"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::{EndReason, ExtraClaims};
    use crate::testing::strategy;

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([7; 16]),
            subject: Subject::new("ann").unwrap(),
            client: ClientId::new("web").unwrap(),
            scope: Scope::parse("read write").unwrap(),
            claims: serde_json::json!({"roles": ["admin"]}).as_object().unwrap().clone(),
            device: Device {
                name: Some("kitchen \0 tablet".to_owned()),
                ip: Some(String::new()),
                user_agent: Some("\u{1F41F}".to_owned()),
            },
            created_at: Timestamp::from_millis(1),
            ends_at: Timestamp::from_millis(i64::MAX),
            generation: Generation::MAX,
            issued_at: Timestamp::from_millis(-3),
            expires_at: Timestamp::from_millis(4),
            last_used_at: Timestamp::from_millis(5),
            shown_use: Some(Use {
                at: Timestamp::from_millis(2),
                expires_at: Timestamp::from_millis(3),
            }),
            mark: Some(Mark::from_bytes([9; 16])),
            used_from: Some("203.0.113.0/24 0f1e2d3c4b5a6978".parse().unwrap()),
            ended: Some(Ended { at: Timestamp::from_millis(6), reason: EndReason::Reuse }),
            status: Some(StatusIndex::from_number(u32::MAX)),
        }
    }

    fn bare() -> Session {
        Session {
            scope: Scope::default(),
            claims: ExtraClaims::new(),
            device: Device::default(),
            shown_use: None,
            mark: None,
            used_from: None,
            ended: None,
            status: None,
            ..session()
        }
    }

    fn assert_round_trip(session: &Session) {
        let stored = StoredSession::from(session);
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<StoredSession>(&json).unwrap(), stored, "{json}");
        assert_eq!(stored.into_session().unwrap(), *session);
    }

    #[test]
    fn sessions_round_trip() {
        assert_round_trip(&session());
        assert_round_trip(&bare());
        for reason in EndReason::ALL {
            let ended = Some(Ended { at: Timestamp::from_millis(6), reason });
            assert_round_trip(&Session { ended, ..session() });
        }
    }

    proptest! {
        #[test]
        fn generated_sessions_round_trip(session in strategy::session()) {
            assert_round_trip(&session);
        }
    }

    #[test]
    fn absent_values_take_no_room_in_json() {
        let json = serde_json::to_value(StoredSession::from(&bare())).unwrap();
        let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let times = ["created_at", "ends_at", "expires_at", "issued_at", "last_used_at"];
        let mut expected = [&["client", "generation", "id", "subject"][..], &times].concat();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn invalid_values_are_reported_by_field_and_key() {
        type Damage = fn(&mut StoredSession);
        let damages: [(&str, Damage); 16] = [
            ("subject", |row| row.subject = "a\nsecret".to_owned()),
            ("client", |row| row.client = "no client!".to_owned()),
            ("scope", |row| row.scope = "a\"secret".to_owned()),
            ("claims", |row| row.claims = Some("[\"secret\"]".to_owned())),
            ("generation", |row| row.generation = 0),
            ("generation", |row| row.generation = -1),
            ("generation", |row| row.generation = i64::MAX),
            ("mark", |row| row.mark = Some(vec![1; 15])),
            ("used_from", |row| row.used_from = Some("secret".to_owned())),
            ("shown_used_at", |row| row.shown_used_at = None),
            ("shown_expires_at", |row| row.shown_expires_at = None),
            ("end_reason", |row| row.end_reason = Some("secret".to_owned())),
            ("end_reason", |row| row.end_reason = None),
            ("ended_at", |row| row.ended_at = None),
            ("status_index", |row| row.status_index = Some(-1)),
            ("status_index", |row| row.status_index = Some(1 << 32)),
        ];
        for (field, damage) in damages {
            let mut stored = StoredSession::from(&session());
            damage(&mut stored);
            let StoreError::Corrupt { what, key } = stored.into_session().unwrap_err() else {
                panic!("{field}: the wrong kind of error");
            };
            assert_eq!(key, format!("session {}", session().id));
            assert!(what.starts_with(field), "{what} should name {field}");
            assert!(!what.contains("secret"), "{what}");
        }
    }

    #[test]
    fn an_id_of_the_wrong_length_is_reported_by_its_length() {
        let mut stored = StoredSession::from(&session());
        stored.id = vec![1; 3];
        let error = stored.into_session().unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { key, .. } if key.contains("3 bytes")));
    }
}
