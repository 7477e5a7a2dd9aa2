//! What the holder of an access token may learn about refreshes, and the trace of repeats.

use super::*;
use crate::origin::OriginRecord;
use crate::session::Device;

fn view(service: &TestService, caller: &Session) -> Vec<SessionView> {
    let context = service.context();
    block_on(service.sessions.page_of(&context, caller, None, 100)).unwrap().0
}

#[test]
fn a_refresh_becomes_visible_only_after_twice_the_retry_window() {
    for rotation in [Rotation::Always, Rotation::Never] {
        let service = TestService::new(ProfileSettings {
            retry_window: WINDOW,
            rotation,
            ..ProfileSettings::default()
        });
        let (phone, here) = (service.open(), service.open());
        let of_phone = || {
            let listed = view(&service, &here.session);
            listed.into_iter().find(|it| it.id == phone.session.id).unwrap()
        };
        let mut token = token_of(&phone);
        let mut shown = of_phone();
        assert_eq!(shown.last_used_at, service.clock.now());
        for _ in 0..3 {
            service.advance(HOUR);
            let used_at = service.clock.now();
            let (granted, _) = service.refresh(&token, None).unwrap();
            token = granted.refresh.map_or(token, |refresh| refresh.token.expose().to_owned());
            for _ in 0..12 {
                assert_eq!(of_phone(), shown, "{rotation:?}");
                service.advance(Duration::from_millis(4999));
            }
            service.advance(Duration::from_millis(12));
            let next = of_phone();
            assert_eq!(next.last_used_at, used_at, "{rotation:?}");
            assert_eq!(next.expires_at > shown.expires_at, rotation == Rotation::Always);
            shown = next;
        }
        // Refreshes in quick succession stay hidden until they are over.
        service.advance(HOUR);
        for _ in 0..5 {
            let (granted, _) = service.refresh(&token, None).unwrap();
            token = granted.refresh.map_or(token, |refresh| refresh.token.expose().to_owned());
            assert_eq!(of_phone(), shown, "{rotation:?}");
            service.advance(Duration::from_secs(50));
        }
    }
}

#[test]
fn the_callers_own_session_was_used_now_and_hides_its_refresh_too() {
    let service = TestService::new(with_window(WINDOW));
    let here = service.open();
    let before = view(&service, &here.session).remove(0);
    service.advance(HOUR);
    service.refresh(&token_of(&here), None).unwrap();
    service.advance(Duration::from_secs(1));
    let own = view(&service, &here.session).remove(0);
    assert!(own.current);
    assert_eq!((own.last_used_at, own.expires_at), (service.clock.now(), before.expires_at));
}

fn with_record(record: OriginRecord) -> TestService {
    let mut service = TestService::new(with_window(WINDOW));
    let sessions = fixture::sessions(service.store.clone(), service.policy.clone());
    let settings = SessionSettings { record, ..SessionSettings::default() };
    service.sessions = Arc::new(sessions.with_settings(settings));
    service
}

fn from(service: &TestService, token: &str, ip: &str, user_agent: &str) -> RefreshOutcome {
    let context = service.context();
    let token = &service.sessions.check_refresh(&context, token).unwrap();
    let device =
        Device { name: None, ip: Some(ip.to_owned()), user_agent: Some(user_agent.to_owned()) };
    let (presenter, device) = (Presenter::FirstParty, Some(&device));
    let request = RefreshRequest { token, presenter, scope: None, retry_key: None, device };
    block_on(service.sessions.renew(&context, request)).unwrap().1
}

#[test]
fn a_repeat_from_elsewhere_is_answered_and_leaves_a_trace() {
    let elsewhere = |record, ip, agent| {
        let service = with_record(record);
        let token = token_of(&service.open());
        assert_eq!(from(&service, &token, "203.0.113.1", "curl/8"), RefreshOutcome::Advanced);
        match from(&service, &token, ip, agent) {
            RefreshOutcome::RepeatedElsewhere { first, repeat } => {
                let network = |it: crate::origin::Origin| it.network.unwrap().masked().to_string();
                Some((network(first), network(repeat)))
            }
            RefreshOutcome::Repeated => None,
            other => panic!("{other:?}"),
        }
    };
    let (full, masked) = (OriginRecord::Full, OriginRecord::Masked);
    let here = "203.0.113.0/24".to_owned();
    assert_eq!(elsewhere(full, "203.0.113.1", "curl/8"), None);
    assert_eq!(elsewhere(full, "203.0.113.2", "curl/8"), Some((here.clone(), here.clone())));
    assert_eq!(elsewhere(masked, "203.0.113.2", "curl/9"), None);
    let there = "2001:db8:1::/48".to_owned();
    assert_eq!(elsewhere(masked, "2001:db8:1:2::3", "curl/8"), Some((here.clone(), there)));
    assert_eq!(elsewhere(masked, "203.0.113.1", "wget/1"), Some((here.clone(), here)));
    assert_eq!(elsewhere(OriginRecord::None, "192.0.2.1", "wget/1"), None);
}

#[test]
fn a_dead_token_costs_one_read_once_that_is_known() {
    let service = TestService::new(with_window(WINDOW));
    let (token, other) = (token_of(&service.open()), token_of(&service.open()));
    let id = service.sessions.check_refresh(&service.context(), &token).unwrap().claims().sid;
    block_on(service.sessions.end(&service.context(), &id, EndReason::Logout)).unwrap();
    assert!(matches!(service.refresh(&token, None), Err(RefreshError::Ended(_))));
    service.store.calls();
    for _ in 0..3 {
        assert!(matches!(service.refresh(&token, None), Err(RefreshError::Ended(_))));
        assert_eq!(service.store.calls(), ["find"]);
    }
    assert!(service.refresh(&other, None).is_ok());
    assert_eq!(service.store.calls(), ["advance"]);
}
