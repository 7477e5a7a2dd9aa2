//! A row of `sessions`, and the record it stands for.

use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::session::{Device, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::Queryable;

use super::{claims_of, claims_text};

/// A row of `sessions`, its fields in the order of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub(crate) struct SessionRow {
    pub(crate) id: Vec<u8>,
    pub(crate) subject: String,
    pub(crate) client: String,
    pub(crate) scope: String,
    pub(crate) claims: Option<String>,
    pub(crate) device_name: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) ends_at: i64,
    pub(crate) generation: i64,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) mark: Option<Vec<u8>>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) end_reason: Option<String>,
    pub(crate) status_index: Option<i64>,
}

/// A generation as a column keeps it.
pub(crate) fn number(generation: Generation) -> i64 {
    // The type's own bound is 53 bits, so the fallback never speaks.
    i64::try_from(generation.number()).unwrap_or(i64::MAX)
}

impl SessionRow {
    /// The row of `session`.
    pub(crate) fn of(session: &Session) -> Result<Self, StoreError> {
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
        } = session;
        Ok(Self {
            id: id.as_bytes().to_vec(),
            subject: subject.as_str().to_owned(),
            client: client.as_str().to_owned(),
            scope: scope.to_string(),
            claims: claims_text(claims)?,
            device_name: name.clone(),
            ip: ip.clone(),
            user_agent: user_agent.clone(),
            created_at: created_at.millis(),
            ends_at: ends_at.millis(),
            generation: number(*generation),
            issued_at: issued_at.millis(),
            expires_at: expires_at.millis(),
            last_used_at: last_used_at.millis(),
            mark: mark.map(|mark| mark.as_bytes().to_vec()),
            ended_at: ended.map(|ended| ended.at.millis()),
            end_reason: ended.map(|ended| ended.reason.as_str().to_owned()),
            status_index: status.map(|index| index.number().into()),
        })
    }

    /// The record this row stands for.
    pub(crate) fn into_session(self) -> Result<Session, StoreError> {
        let key = self.key();
        self.read().map_err(|what| StoreError::corrupt(key, what))
    }

    /// What an operator finds the row by.
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
            mark,
            ended_at,
            end_reason,
            status_index,
        } = self;
        Ok(Session {
            id: SessionId::from_bytes(sixteen(&id).ok_or("the id is not 16 bytes")?),
            subject: Subject::new(subject).map_err(|_| "the subject is none")?,
            client: ClientId::new(client).map_err(|_| "the client is none")?,
            scope: Scope::parse(&scope).map_err(|_| "the scope is none")?,
            claims: claims_of(claims.as_deref())?,
            device: Device { name: device_name, ip, user_agent },
            created_at: Timestamp::from_millis(created_at),
            ends_at: Timestamp::from_millis(ends_at),
            generation: u64::try_from(generation)
                .ok()
                .and_then(Generation::new)
                .ok_or("the generation is out of range")?,
            issued_at: Timestamp::from_millis(issued_at),
            expires_at: Timestamp::from_millis(expires_at),
            last_used_at: Timestamp::from_millis(last_used_at),
            mark: mark.map(|mark| mark_of(&mark)).transpose()?,
            ended: ended_of(ended_at, end_reason.as_deref())?,
            status: status_index.map(status_of).transpose()?,
        })
    }
}

fn sixteen(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

fn mark_of(bytes: &[u8]) -> Result<Mark, &'static str> {
    sixteen(bytes).map(Mark::from_bytes).ok_or("the mark is not 16 bytes")
}

fn ended_of(at: Option<i64>, reason: Option<&str>) -> Result<Option<Ended>, &'static str> {
    match (at, reason) {
        (None, None) => Ok(None),
        (Some(at), Some(reason)) => {
            let reason = reason.parse().map_err(|_| "the reason of its end is unknown")?;
            Ok(Some(Ended { at: Timestamp::from_millis(at), reason }))
        }
        (Some(_), None) => Err("it ended without a reason"),
        (None, Some(_)) => Err("it has a reason to have ended but no time"),
    }
}

/// The status index of a column, or what is wrong with it.
pub(super) fn status_of(number: i64) -> Result<StatusIndex, &'static str> {
    u32::try_from(number)
        .map(StatusIndex::from_number)
        .map_err(|_| "the status index is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquaware_core::session::EndReason;

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
            mark: Some(Mark::from_bytes([9; 16])),
            ended: Some(Ended { at: Timestamp::from_millis(6), reason: EndReason::Reuse }),
            status: Some(StatusIndex::from_number(u32::MAX)),
        }
    }

    fn bare() -> Session {
        Session {
            scope: Scope::default(),
            claims: serde_json::Map::new(),
            device: Device::default(),
            mark: None,
            ended: None,
            status: None,
            ..session()
        }
    }

    #[test]
    fn a_session_comes_back_from_its_row_as_it_went_in() {
        for session in [session(), bare()] {
            let row = SessionRow::of(&session).unwrap();
            assert_eq!(row.into_session().unwrap(), session);
        }
    }

    #[test]
    fn every_reason_comes_back() {
        for reason in EndReason::ALL {
            let ended = Some(Ended { at: Timestamp::from_millis(6), reason });
            let session = Session { ended, ..session() };
            let row = SessionRow::of(&session).unwrap();
            assert_eq!(row.into_session().unwrap(), session);
        }
    }

    #[test]
    fn a_row_that_nobody_here_wrote_is_reported_by_its_key() {
        type Spoil = fn(&mut SessionRow);
        let spoils: [(&str, Spoil); 13] = [
            ("subject", |row| row.subject = "a\nsecret".to_owned()),
            ("client", |row| row.client = "no client!".to_owned()),
            ("scope", |row| row.scope = "a\"secret".to_owned()),
            ("claims", |row| row.claims = Some("[\"secret\"]".to_owned())),
            ("generation", |row| row.generation = 0),
            ("generation", |row| row.generation = -1),
            ("generation", |row| row.generation = i64::MAX),
            ("mark", |row| row.mark = Some(vec![1; 15])),
            ("reason", |row| row.end_reason = Some("secret".to_owned())),
            ("reason", |row| row.end_reason = None),
            ("no time", |row| row.ended_at = None),
            ("status index", |row| row.status_index = Some(-1)),
            ("status index", |row| row.status_index = Some(1 << 32)),
        ];
        for (what, spoil) in spoils {
            let mut row = SessionRow::of(&session()).unwrap();
            spoil(&mut row);
            let error = row.into_session().unwrap_err().to_string();
            assert!(error.contains(&session().id.to_string()), "{error}");
            assert!(error.contains(what), "{error} should name {what}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_row_whose_id_is_none_is_reported_too() {
        let mut row = SessionRow::of(&session()).unwrap();
        row.id = vec![1; 3];
        let error = row.into_session().unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { key, .. } if key.contains("3 bytes")));
    }
}
