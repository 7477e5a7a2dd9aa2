//! A session as the fields of its key.

use aquaware_core::id::SessionId;
use aquaware_core::session::Session;
use aquaware_core::store::{StoreError, StoredSession};
use redis::Value;

use super::fields::{FieldList, Read, Reader, Writer};

/// The fields of `session`. Its id is part of the key.
pub(crate) fn session_fields(session: &Session) -> FieldList {
    let StoredSession {
        id: _,
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
    } = StoredSession::from(session);
    let mut fields = Writer::default();
    fields.put("subject", subject);
    fields.put("client", client);
    fields.put_some("scope", Some(scope).filter(|scope| !scope.is_empty()));
    fields.put_some("claims", claims);
    fields.put_some("device", device_name);
    fields.put_some("ip", ip);
    fields.put_some("agent", user_agent);
    fields.put_integer("created", created_at);
    fields.put_integer("ends", ends_at);
    fields.put_integer("generation", generation);
    fields.put_integer("issued", issued_at);
    fields.put_integer("expires", expires_at);
    fields.put_integer("used", last_used_at);
    fields.put_some_integer("shown_used", shown_used_at);
    fields.put_some_integer("shown_expires", shown_expires_at);
    fields.put_some("mark", mark);
    fields.put_some("used_from", used_from);
    fields.put_some_integer("ended", ended_at);
    fields.put_some("reason", end_reason);
    fields.put_some_integer("status", status_index);
    fields.finish()
}

/// The session `id` with these fields; `None` if there are none.
pub(crate) fn session_of(id: &SessionId, fields: Value) -> Result<Option<Session>, StoreError> {
    let stored = Reader::new(fields)
        .and_then(|fields| fields.map(|fields| read(id, fields)).transpose())
        .map_err(|what| StoreError::corrupt(format!("session {id}"), what))?;
    stored.map(StoredSession::into_session).transpose()
}

fn read(id: &SessionId, mut fields: Reader) -> Read<StoredSession> {
    Ok(StoredSession {
        id: id.as_bytes().to_vec(),
        subject: fields.text("subject")?,
        client: fields.text("client")?,
        scope: fields.some_text("scope")?.unwrap_or_default(),
        claims: fields.some_text("claims")?,
        device_name: fields.some_text("device")?,
        ip: fields.some_text("ip")?,
        user_agent: fields.some_text("agent")?,
        created_at: fields.integer("created")?,
        ends_at: fields.integer("ends")?,
        generation: fields.integer("generation")?,
        issued_at: fields.integer("issued")?,
        expires_at: fields.integer("expires")?,
        last_used_at: fields.integer("used")?,
        shown_used_at: fields.some_integer("shown_used")?,
        shown_expires_at: fields.some_integer("shown_expires")?,
        mark: fields.some_bytes("mark"),
        used_from: fields.some_text("used_from")?,
        ended_at: fields.some_integer("ended")?,
        end_reason: fields.some_text("reason")?,
        status_index: fields.some_integer("status")?,
    })
}

#[cfg(test)]
mod tests {
    use aquaware_core::claims::Scope;
    use aquaware_core::id::{ClientId, Generation, Subject};
    use aquaware_core::retry::Mark;
    use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Use};
    use aquaware_core::status::StatusIndex;
    use aquaware_core::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([7; 16]),
            subject: Subject::new("ann").unwrap(),
            client: ClientId::new("web").unwrap(),
            scope: Scope::parse("read write").unwrap(),
            claims: json!({"roles": ["admin"]}).as_object().unwrap().clone(),
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

    fn value(fields: &FieldList) -> Value {
        Value::Array(fields.iter().cloned().map(Value::BulkString).collect())
    }

    #[test]
    fn sessions_round_trip() {
        for session in [session(), bare()] {
            let fields = value(&session_fields(&session));
            assert_eq!(session_of(&session.id, fields).unwrap(), Some(session));
        }
    }

    #[test]
    fn a_key_without_fields_is_not_a_session() {
        assert_eq!(session_of(&session().id, Value::Array(vec![])).unwrap(), None);
        assert_eq!(session_of(&session().id, Value::Map(vec![])).unwrap(), None);
    }

    #[test]
    fn invalid_fields_are_reported_by_their_key() {
        for (name, invalid) in [
            ("subject", "secret\n"),
            ("client", "no secret!"),
            ("scope", "a\"secret"),
            ("claims", "[\"secret\"]"),
            ("created", "secret"),
            ("generation", "0"),
            ("generation", "-1"),
            ("generation", "007"),
            ("generation", "9007199254740993"),
            ("mark", "secret"),
            ("ended", "secret"),
            ("reason", "secret"),
            ("status", "secret"),
            ("status", ""),
            ("status", "-1"),
            ("status", "+1"),
            ("status", "007"),
            ("status", "4294967296"),
        ] {
            let mut fields = session_fields(&session());
            let position = fields.iter().position(|field| field == name.as_bytes()).unwrap();
            fields[position + 1] = invalid.as_bytes().to_vec();
            let error = session_of(&session().id, value(&fields)).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(&session().id.to_string()), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn missing_required_fields_are_reported() {
        let all = session_fields(&bare());
        for position in (0..all.len()).step_by(2) {
            let mut fields = all.clone();
            fields.drain(position..position + 2);
            assert!(session_of(&bare().id, value(&fields)).is_err(), "{:?}", all[position]);
        }
    }
}
