//! `insert` and `find`: a record is read back exactly as it was stored.

use std::slice::from_ref;

use aquaware_core::claims::{MAX_EXTRA_BYTES, Scope};
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::store::{Outcome, SessionStore};
use aquaware_core::time::Timestamp;
use serde_json::json;

use crate::compare::{
    insert, is_applied, is_refused, is_stored, list_all, same_outcome, same_sessions,
};
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, full, minimal};

pub(super) async fn the_store_answers_a_ping(fixture: SessionFixture) -> CheckResult {
    Ok(fixture.store().ping().await?)
}

async fn round_trips(store: &dyn SessionStore, session: Session) -> CheckResult {
    let session = insert(store, session).await?;
    is_stored(store, &session).await
}

pub(super) async fn a_minimal_session_is_read_back_unchanged(
    fixture: SessionFixture,
) -> CheckResult {
    round_trips(fixture.store(), minimal(1)).await
}

pub(super) async fn every_optional_field_is_read_back(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    round_trips(store, full(1)).await?;
    let some = || Some("here".to_owned());
    let devices = [
        Device { name: some(), ..Device::default() },
        Device { ip: some(), ..Device::default() },
        Device { user_agent: some(), ..Device::default() },
    ];
    for (number, device) in (2..).zip(devices) {
        round_trips(store, Session { device, ..minimal(number) }).await?;
    }
    round_trips(store, Session { mark: Some(sample::mark(9)), ..minimal(5) }).await?;
    round_trips(store, Session { shown_use: full(0).shown_use, ..minimal(8) }).await?;
    round_trips(store, Session { used_from: full(0).used_from, ..minimal(9) }).await?;
    round_trips(store, Session { scope: full(0).scope, ..minimal(6) }).await?;
    round_trips(store, Session { claims: full(0).claims, ..minimal(7) }).await
}

pub(super) async fn every_end_reason_is_read_back(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for (number, reason) in (1..).zip(EndReason::ALL) {
        let session = Session { ended: Some(sample::ended(reason)), ..full(number) };
        round_trips(store, session).await?;
        let live = insert(store, full(100 + number)).await?;
        let outcome = store.end(&live.id, sample::ended(reason)).await?;
        let expected = sample::over(&live, sample::ended(reason));
        is_applied(store, "an end", outcome, &expected).await?;
    }
    Ok(())
}

pub(super) async fn any_text_is_read_back_unchanged(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    for (number, text) in (1..).zip(sample::DIFFICULT_TEXTS) {
        round_trips(store, with_text(number, text)).await?;
    }
    Ok(())
}

fn with_text(number: u64, text: &str) -> Session {
    let some = || Some(text.to_owned());
    Session {
        device: Device { name: some(), ip: some(), user_agent: some() },
        claims: sample::claims(json!({"text": text, (text): [text]})),
        ..minimal(number)
    }
}

pub(super) async fn texts_of_maximum_length_are_read_back_unchanged(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    // 255 bytes each: of one byte per character, and of as many as a character can have.
    for (number, text) in [(1, "n".repeat(255)), (2, format!("{}abc", "🐟".repeat(63)))] {
        same("the length", &255, &text.len())?;
        let session = Session {
            client: sample::client_id(&"c".repeat(64)),
            device: Device {
                name: Some(text.clone()),
                ip: Some(text.clone()),
                user_agent: Some("u".repeat(1024)),
            },
            ..sample::owned_by(minimal(number), &text)
        };
        round_trips(store, session.clone()).await?;
        same_sessions("the list", from_ref(&session), &list_all(store, &session.subject).await?)?;
    }
    let scope = Scope::parse(&"s".repeat(1023));
    let scope = scope.map_err(|error| CheckError::new(error.to_string()))?;
    let claims = sample::claims(json!({"c": "x".repeat(MAX_EXTRA_BYTES - r#"{"c":""}"#.len())}));
    round_trips(store, Session { scope, claims, ..minimal(3) }).await
}

pub(super) async fn claims_of_every_json_type_are_read_back(
    fixture: SessionFixture,
) -> CheckResult {
    let store = fixture.store();
    let claims = sample::claims_of_every_type();
    round_trips(store, Session { claims: claims.clone(), ..minimal(1) }).await?;
    // Claims must also survive being replaced, and an advance after that.
    let session = insert(store, full(2)).await?;
    store.set_claims(&[session.id], &claims).await?;
    let session = Session { claims, ..session };
    is_stored(store, &session).await?;
    let step = sample::step(&session, 1);
    let outcome = store.advance(&session.id, &step).await?;
    let expected = sample::advanced(&session, &step);
    is_applied(store, "an advance", outcome, &expected).await
}

pub(super) async fn times_are_kept_to_the_millisecond(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let times = [
        sample::FIRST_INSTANT,
        Timestamp::from_millis(-1),
        Timestamp::from_millis(0),
        Timestamp::from_millis(1),
        Timestamp::from_millis(2_147_483_648_001),
        sample::NOON,
        sample::LAST_INSTANT,
    ];
    for (number, time) in (1..).zip(times) {
        // A store with automatic expiry drops a session that expired in the past.
        let expiry = if fixture.settings().purges { time } else { time.max(sample::NOON) };
        let session = Session {
            created_at: time,
            ends_at: expiry,
            issued_at: time,
            expires_at: expiry,
            last_used_at: time,
            ended: Some(Ended { at: time, reason: EndReason::Logout }),
            ..minimal(number)
        };
        round_trips(store, session).await?;
    }
    Ok(())
}

pub(super) async fn generations_are_kept_up_to_the_maximum(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    // Around the limits of 32-bit numbers and of exact doubles.
    let numbers = [1, 2, 255, 256, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 53) - 3, (1 << 53) - 2];
    for (number, at) in (1..).zip(numbers) {
        let generation = sample::generation(at);
        round_trips(store, Session { generation, ..minimal(number) }).await?;
    }
    let before = sample::generation(Generation::MAX.number() - 1);
    let session = insert(store, Session { generation: before, ..minimal(20) }).await?;
    let step = sample::step(&session, 1);
    let expected = sample::advanced(&session, &step);
    let outcome = store.advance(&session.id, &step).await?;
    is_applied(store, "the advance to the last generation", outcome, &expected).await?;
    // From one below the maximum: a store that compares doubles may confuse the two.
    let outcome = store.advance(&session.id, &step).await?;
    is_refused(store, "an advance from one before the last", outcome, &expected).await
}

pub(super) async fn ids_are_compared_bit_by_bit(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let mut ids = vec![[0; 16], [255; 16], [b' '; 16], [b'%'; 16]];
    for bit in 0..128_u32 {
        ids.push((1_u128 << bit).to_be_bytes());
    }
    let mut ids: Vec<SessionId> = ids.into_iter().map(SessionId::from_bytes).collect();
    // In base64url this id differs from the all-zero id only by case.
    let lower = format!("{}A", "a".repeat(21)).parse();
    ids.push(lower.map_err(|_| CheckError::new("21 times a, then A, is not a session id"))?);
    for (number, id) in ids.iter().enumerate() {
        let device = Device { name: Some(number.to_string()), ..Device::default() };
        insert(store, Session { id: *id, device, ..minimal(0) }).await?;
    }
    for (number, id) in ids.iter().enumerate() {
        let device = Device { name: Some(number.to_string()), ..Device::default() };
        is_stored(store, &Session { id: *id, device, ..minimal(0) }).await?;
    }
    same(
        "the number of listed sessions",
        &ids.len(),
        &list_all(store, &minimal(0).subject).await?.len(),
    )
}

pub(super) async fn inserting_a_known_id_changes_nothing(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    let session = insert(store, full(1)).await?;
    for other in [session.clone(), minimal(1), sample::owned_by(minimal(1), "bob")] {
        ensure(!store.insert(&other).await?, || {
            "a known id was inserted a second time".to_owned()
        })?;
        is_stored(store, &session).await?;
    }
    same_sessions("the list of bob", &[], &list_all(store, &sample::subject("bob")).await?)?;
    same_sessions("the list of ann", from_ref(&session), &list_all(store, &session.subject).await?)
}

pub(super) async fn an_unknown_session_is_not_found(fixture: SessionFixture) -> CheckResult {
    let store = fixture.store();
    same("find in an empty store", &None, &store.find(&sample::session_id(1)).await?)?;
    insert(store, minimal(2)).await?;
    same("find of another id", &None, &store.find(&sample::session_id(1)).await?)?;
    let outcome = store.end(&sample::session_id(1), sample::ended(EndReason::Logout)).await?;
    same_outcome("an end of an unknown session", &Outcome::NotFound, &outcome)
}
