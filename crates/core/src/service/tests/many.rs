//! Accounts with many sessions: the limit, pages of the list, and ends in batches.

use std::num::NonZeroU32;

use super::*;
use crate::id::SessionId;
use crate::session::Ended;

fn limited(limit: u32) -> TestService {
    let mut service = TestService::new(ProfileSettings::default());
    let settings = SessionSettings {
        sessions_per_account: NonZeroU32::new(limit),
        ..SessionSettings::default()
    };
    let sessions = fixture::sessions(service.store.clone(), service.policy.clone());
    service.sessions = Arc::new(sessions.with_settings(settings));
    service
}

fn live(service: &TestService) -> Vec<SessionId> {
    let listed = block_on(service.sessions.list(&service.context(), &subject())).unwrap();
    listed.into_iter().map(|session| session.id).collect()
}

#[test]
fn a_login_beyond_the_limit_ends_the_least_recently_used_session() {
    let service = limited(3);
    let opened = [0; 3].map(|_| {
        service.advance(HOUR);
        service.open()
    });
    service.advance(HOUR);
    // The oldest is used, so the second is the one whose last use is longest ago.
    assert!(service.refresh(&token_of(&opened[0]), None).is_ok());
    service.advance(HOUR);
    let device = service.open_for("device");
    assert_eq!(device.displaced, [], "another client has its own limit");
    let fourth = service.open();
    assert_eq!(fourth.displaced, [opened[1].session.id]);
    let ended = block_on(service.memory.find(&opened[1].session.id)).unwrap().unwrap().ended;
    assert_eq!(ended, Some(Ended { at: service.clock.now(), reason: EndReason::Limit }));
    let refused = service.refresh(&token_of(&opened[1]), None);
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Limit))));
    assert_eq!(live(&service).len(), 4);
}

#[test]
fn after_the_limit_was_lowered_one_login_reaches_it() {
    let mut service = limited(1200);
    for _ in 0..1200 {
        assert_eq!(service.open().displaced, []);
    }
    let random = Arc::new(SeededRandom::new(99));
    let snapshot = fixture::snapshot(service.policy.clone());
    let settings =
        SessionSettings { sessions_per_account: NonZeroU32::new(2), ..SessionSettings::default() };
    service.sessions =
        Arc::new(Sessions::new(service.store.clone(), random, snapshot).with_settings(settings));
    service.advance(HOUR);
    let newest = service.open();
    assert_eq!(newest.displaced.len(), 1199);
    assert!(live(&service).contains(&newest.session.id));
    assert_eq!(live(&service).len(), 2);
}

#[test]
fn pages_contain_every_live_session_once_newest_first() {
    let service = limited(1000);
    let mut expected = Vec::new();
    for number in 0..25 {
        if number % 3 != 0 {
            service.advance(Duration::from_secs(1));
        }
        expected.push((service.clock.now(), service.open().session.id));
    }
    let context = service.context();
    // One has ended, and one has expired without being ended.
    let (_, ended) = expected.remove(7);
    block_on(service.sessions.end(&context, &ended, EndReason::Logout)).unwrap();
    let expired = Session {
        id: SessionId::from_bytes([9; 16]),
        expires_at: service.clock.now(),
        status: None,
        ..service.record_of(&expected[3].1)
    };
    assert!(block_on(service.memory.insert(&expired)).unwrap());
    expected.sort();
    let expected: Vec<SessionId> = expected.into_iter().rev().map(|(_, id)| id).collect();
    assert_eq!(live(&service), expected);
    for limit in [1, 2, 7, 24, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = block_on(service.sessions.page(&context, &subject(), after, limit)).unwrap();
            assert!(page.sessions.len() <= limit as usize);
            found.extend(page.sessions.iter().map(|session| session.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{limit} a page");
    }
}

#[test]
fn all_sessions_end_in_batches_and_an_end_erases_their_origin() {
    let service = limited(2000);
    for _ in 0..1203 {
        service.open();
    }
    service.store.calls();
    let (context, all) = (service.context(), EndReason::LogoutAll);
    let ended = block_on(service.sessions.end_all(&context, &subject(), None, all)).unwrap();
    assert_eq!(ended, EndedSessions { revoked: 1203, remaining: false });
    // 64, 128, 256, 500 and the other 255.
    assert_eq!(service.store.calls(), ["end_all"; 5]);
    assert_eq!(live(&service), []);
    for session in service.copy() {
        assert_eq!(session.device, Default::default());
        assert!(session.claims.is_empty() && session.used_from.is_none());
    }
}
