//! A record comes back as it was kept, whatever is in it.

use std::slice::from_ref;

use aquaware_core::claims::{MAX_EXTRA_BYTES, Scope};
use aquaware_core::id::{Generation, SessionId};
use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::store::SessionStore;
use aquaware_core::time::Timestamp;
use serde_json::json;

use crate::bench::SessionBench;
use crate::compare::{inserted, same_outcome, same_sessions, stands};
use crate::failure::{Failure, Verdict, ensure, same};
use crate::sample::{self, plain, rich};

pub(super) async fn the_store_answers(bench: SessionBench) -> Verdict {
    Ok(bench.store().ping().await?)
}

async fn comes_back(store: &dyn SessionStore, session: Session) -> Verdict {
    let session = inserted(store, session).await?;
    stands(store, &session).await
}

pub(super) async fn a_plain_session_comes_back_as_it_was(bench: SessionBench) -> Verdict {
    comes_back(bench.store(), plain(1)).await
}

pub(super) async fn every_optional_field_comes_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    comes_back(store, rich(1)).await?;
    let some = || Some("here".to_owned());
    let devices = [
        Device { name: some(), ..Device::default() },
        Device { ip: some(), ..Device::default() },
        Device { user_agent: some(), ..Device::default() },
    ];
    for (number, device) in (2..).zip(devices) {
        comes_back(store, Session { device, ..plain(number) }).await?;
    }
    comes_back(store, Session { mark: Some(sample::mark(9)), ..plain(5) }).await?;
    comes_back(store, Session { scope: rich(0).scope, ..plain(6) }).await?;
    comes_back(store, Session { claims: rich(0).claims, ..plain(7) }).await
}

pub(super) async fn every_end_reason_comes_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for (number, reason) in (1..).zip(EndReason::ALL) {
        let session = Session { ended: Some(sample::ended(reason)), ..rich(number) };
        comes_back(store, session).await?;
        let live = inserted(store, rich(100 + number)).await?;
        let outcome = store.end(&live.id, sample::ended(reason)).await?;
        let wanted = Session { ended: Some(sample::ended(reason)), ..live };
        crate::compare::done(store, "an end", outcome, &wanted).await?;
    }
    Ok(())
}

pub(super) async fn any_text_comes_back_whole(bench: SessionBench) -> Verdict {
    let store = bench.store();
    for (number, text) in (1..).zip(sample::TEXTS) {
        comes_back(store, with_text(number, text)).await?;
    }
    Ok(())
}

fn with_text(number: u64, text: &str) -> Session {
    let some = || Some(text.to_owned());
    Session {
        device: Device { name: some(), ip: some(), user_agent: some() },
        claims: sample::claims(json!({"text": text, (text): [text]})),
        ..plain(number)
    }
}

pub(super) async fn the_longest_names_come_back_whole(bench: SessionBench) -> Verdict {
    let store = bench.store();
    // 255 bytes each: of one byte per character, and of as many as a character can have.
    for (number, name) in [(1, "n".repeat(255)), (2, format!("{}abc", "🐟".repeat(63)))] {
        same("the length", &255, &name.len())?;
        let session = Session {
            client: sample::client(&"c".repeat(64)),
            device: Device {
                name: Some(name.clone()),
                ip: Some(name.clone()),
                user_agent: Some("u".repeat(1024)),
            },
            ..sample::of(plain(number), &name)
        };
        comes_back(store, session.clone()).await?;
        same_sessions("the list", from_ref(&session), &store.list(&session.subject).await?)?;
    }
    let scope = Scope::parse(&"s".repeat(1023));
    let scope = scope.map_err(|error| Failure::new(error.to_string()))?;
    let claims = sample::claims(json!({"c": "x".repeat(MAX_EXTRA_BYTES - r#"{"c":""}"#.len())}));
    comes_back(store, Session { scope, claims, ..plain(3) }).await
}

pub(super) async fn claims_of_every_shape_come_back(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let claims = sample::claims_of_every_shape();
    comes_back(store, Session { claims: claims.clone(), ..plain(1) }).await?;
    // The way through a change must be as good as the way in, and through an advance after it.
    let session = inserted(store, rich(2)).await?;
    store.set_claims(&session.subject, &claims).await?;
    let session = Session { claims, ..session };
    stands(store, &session).await?;
    let step = sample::step(&session, 1);
    let outcome = store.advance(&session.id, &step).await?;
    let wanted = sample::advanced(&session, &step);
    crate::compare::done(store, "an advance", outcome, &wanted).await
}

pub(super) async fn times_come_back_to_the_millisecond(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let times = [
        sample::DAWN,
        Timestamp::from_millis(-1),
        Timestamp::from_millis(0),
        Timestamp::from_millis(1),
        Timestamp::from_millis(2_147_483_648_001),
        sample::NOON,
        sample::DUSK,
    ];
    for (number, time) in (1..).zip(times) {
        // A store that forgets by itself would forget a session that expired in the past.
        let expiry = if bench.settings().purges { time } else { time.max(sample::NOON) };
        let session = Session {
            created_at: time,
            ends_at: expiry,
            issued_at: time,
            expires_at: expiry,
            last_used_at: time,
            ended: Some(Ended { at: time, reason: EndReason::Logout }),
            ..plain(number)
        };
        comes_back(store, session).await?;
    }
    Ok(())
}

pub(super) async fn generations_come_back_up_to_the_last(bench: SessionBench) -> Verdict {
    let store = bench.store();
    // Where doubles and 32-bit numbers begin to lie.
    let numbers = [1, 2, 255, 256, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 53) - 3, (1 << 53) - 2];
    for (number, at) in (1..).zip(numbers) {
        let generation = sample::generation(at);
        comes_back(store, Session { generation, ..plain(number) }).await?;
    }
    let before = sample::generation(Generation::LAST.number() - 1);
    let session = inserted(store, Session { generation: before, ..plain(20) }).await?;
    let step = sample::step(&session, 1);
    let wanted = sample::advanced(&session, &step);
    let outcome = store.advance(&session.id, &step).await?;
    crate::compare::done(store, "the advance to the last generation", outcome, &wanted).await?;
    // One below: a store that compares doubles may take it for the same.
    let outcome = store.advance(&session.id, &step).await?;
    crate::compare::standing(store, "an advance from one before the last", outcome, &wanted).await
}

pub(super) async fn ids_are_told_apart_by_every_bit(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let mut ids = vec![[0; 16], [255; 16], [b' '; 16], [b'%'; 16]];
    for place in 0..128_u32 {
        ids.push((1_u128 << place).to_be_bytes());
    }
    let mut ids: Vec<SessionId> = ids.into_iter().map(SessionId::from_bytes).collect();
    // Written down, this one differs from all zeros by nothing but case.
    let lower = format!("{}A", "a".repeat(21)).parse();
    ids.push(lower.map_err(|_| Failure::new("21 times a, then A, is a session id"))?);
    for (number, id) in ids.iter().enumerate() {
        let device = Device { name: Some(number.to_string()), ..Device::default() };
        inserted(store, Session { id: *id, device, ..plain(0) }).await?;
    }
    for (number, id) in ids.iter().enumerate() {
        let device = Device { name: Some(number.to_string()), ..Device::default() };
        stands(store, &Session { id: *id, device, ..plain(0) }).await?;
    }
    same("the sessions listed", &ids.len(), &store.list(&plain(0).subject).await?.len())
}

pub(super) async fn inserting_a_known_id_changes_nothing(bench: SessionBench) -> Verdict {
    let store = bench.store();
    let session = inserted(store, rich(1)).await?;
    for other in [session.clone(), plain(1), sample::of(plain(1), "bob")] {
        ensure(!store.insert(&other).await?, || "a known id was kept a second time".to_owned())?;
        stands(store, &session).await?;
    }
    same_sessions("bob's list", &[], &store.list(&sample::subject("bob")).await?)?;
    same_sessions("ann's list", from_ref(&session), &store.list(&session.subject).await?)
}

pub(super) async fn an_unknown_session_is_absent(bench: SessionBench) -> Verdict {
    let store = bench.store();
    same("an empty store's find", &None, &store.find(&sample::id(1)).await?)?;
    inserted(store, plain(2)).await?;
    same("another id's find", &None, &store.find(&sample::id(1)).await?)?;
    let outcome = store.end(&sample::id(1), sample::ended(EndReason::Logout)).await?;
    same_outcome("an unknown session's end", &aquaware_core::store::Outcome::NotFound, &outcome)
}
