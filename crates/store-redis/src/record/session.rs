//! A session as the fields of its key.

use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::session::{Device, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::StoreError;
use redis::Value;

use super::{FieldList, Read, Reader, Writer, claims_text};

/// The fields of `session`. Its id is the name of the key.
pub(crate) fn session_fields(session: &Session) -> Result<FieldList, StoreError> {
    let Session {
        id: _,
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
    let mut fields = Writer::default();
    fields.put("subject", subject.as_str());
    fields.put("client", client.as_str());
    fields.put_some("scope", Some(scope.to_string()).filter(|scope| !scope.is_empty()));
    fields.put_some("claims", claims_text(claims)?);
    fields.put_some("device", name.as_deref());
    fields.put_some("ip", ip.as_deref());
    fields.put_some("agent", user_agent.as_deref());
    fields.put_time("created", *created_at);
    fields.put_time("ends", *ends_at);
    fields.put("generation", generation.number().to_string());
    fields.put_time("issued", *issued_at);
    fields.put_time("expires", *expires_at);
    fields.put_time("used", *last_used_at);
    fields.put_some("mark", mark.as_ref().map(|mark| mark.as_bytes().to_vec()));
    if let Some(Ended { at, reason }) = ended {
        fields.put_time("ended", *at);
        fields.put("reason", reason.as_str());
    }
    fields.put_some("status", status.map(|index| index.number().to_string()));
    Ok(fields.0)
}

/// The session `id` as its fields say; `None` where there are none.
pub(crate) fn session_of(id: &SessionId, fields: Value) -> Result<Option<Session>, StoreError> {
    Reader::of(fields)
        .and_then(|fields| fields.map(|fields| read(id, fields)).transpose())
        .map_err(|what| StoreError::corrupt(format!("session {id}"), what))
}

fn read(id: &SessionId, mut fields: Reader) -> Read<Session> {
    Ok(Session {
        id: *id,
        subject: Subject::new(fields.text("subject")?).map_err(|_| "the subject is none")?,
        client: ClientId::new(fields.text("client")?).map_err(|_| "the client is none")?,
        scope: Scope::parse(&fields.some_text("scope")?.unwrap_or_default())
            .map_err(|_| "the scope is none")?,
        claims: fields.claims("claims")?,
        device: Device {
            name: fields.some_text("device")?,
            ip: fields.some_text("ip")?,
            user_agent: fields.some_text("agent")?,
        },
        created_at: fields.time("created")?,
        ends_at: fields.time("ends")?,
        generation: generation(&fields.text("generation")?)?,
        issued_at: fields.time("issued")?,
        expires_at: fields.time("expires")?,
        last_used_at: fields.time("used")?,
        mark: fields.some_bytes("mark").map(|mark| mark_of(&mark)).transpose()?,
        ended: ended(&mut fields)?,
        status: fields.some_text("status")?.map(|text| status(&text)).transpose()?,
    })
}

fn generation(text: &str) -> Read<Generation> {
    let number = text.parse().ok().and_then(Generation::new);
    // The scripts compare the text, so one number must have one spelling.
    number
        .filter(|generation| generation.number().to_string() == text)
        .ok_or("the generation is out of range")
}

fn status(text: &str) -> Read<StatusIndex> {
    index_of(text).ok_or("the status index is out of range")
}

/// The index with this number in its one spelling.
pub(crate) fn index_of(text: &str) -> Option<StatusIndex> {
    let number = text.parse().ok().filter(|number: &u32| number.to_string() == text);
    number.map(StatusIndex::from_number)
}

fn mark_of(bytes: &[u8]) -> Read<Mark> {
    bytes.try_into().map(Mark::from_bytes).map_err(|_| "the mark is not 16 bytes")
}

fn ended(fields: &mut Reader) -> Read<Option<Ended>> {
    match (fields.some_time("ended")?, fields.some_text("reason")?) {
        (None, None) => Ok(None),
        (Some(at), Some(reason)) => {
            let reason = reason.parse().map_err(|_| "the reason of its end is unknown")?;
            Ok(Some(Ended { at, reason }))
        }
        (Some(_), None) => Err("it ended without a reason"),
        (None, Some(_)) => Err("it has a reason to have ended but no time"),
    }
}

#[cfg(test)]
mod tests {
    use aquaware_core::session::ExtraClaims;
    use aquaware_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use aquaware_core::session::EndReason;

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
            mark: Some(Mark::from_bytes([9; 16])),
            ended: Some(Ended { at: Timestamp::from_millis(6), reason: EndReason::Reuse }),
            status: Some(StatusIndex::from_number(u32::MAX)),
        }
    }

    fn bare() -> Session {
        Session {
            scope: Scope::default(),
            claims: ExtraClaims::new(),
            device: Device::default(),
            mark: None,
            ended: None,
            status: None,
            ..session()
        }
    }

    fn value(fields: &FieldList) -> Value {
        Value::Array(fields.iter().cloned().map(Value::BulkString).collect())
    }

    #[test]
    fn a_session_comes_back_from_its_fields_as_it_went_in() {
        for session in [session(), bare()] {
            let fields = value(&session_fields(&session).unwrap());
            assert_eq!(session_of(&session.id, fields).unwrap(), Some(session));
        }
    }

    #[test]
    fn no_fields_are_no_session() {
        assert_eq!(session_of(&session().id, Value::Array(vec![])).unwrap(), None);
        assert_eq!(session_of(&session().id, Value::Map(vec![])).unwrap(), None);
    }

    #[test]
    fn fields_that_nobody_here_wrote_are_reported_by_their_key() {
        for (name, spoilt) in [
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
            let mut fields = session_fields(&session()).unwrap();
            let place = fields.iter().position(|field| field == name.as_bytes()).unwrap();
            fields[place + 1] = spoilt.as_bytes().to_vec();
            let error = session_of(&session().id, value(&fields)).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(&session().id.to_string()), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn every_field_but_the_optional_ones_must_be_there() {
        let all = session_fields(&bare()).unwrap();
        for place in (0..all.len()).step_by(2) {
            let mut fields = all.clone();
            fields.drain(place..place + 2);
            assert!(session_of(&bare().id, value(&fields)).is_err(), "{:?}", all[place]);
        }
    }
}
