//! Many requests with one token at the same time, on real threads.

use std::collections::BTreeSet;
use std::sync::Barrier;

use super::*;

const MANY: usize = 64;

/// What each of many threads gets that refresh with `token` at once, half of them with keys.
fn all_at_once(service: &TestService, token: &str) -> Vec<Refreshed> {
    let start = Barrier::new(MANY);
    let replica = service.replica();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..MANY)
            .map(|n| {
                let (start, replica) = (&start, &replica);
                scope.spawn(move || {
                    let key = (n % 2 == 0).then(|| format!("thread-{n:012}"));
                    let server = if n % 3 == 0 { replica } else { &*service.sessions };
                    start.wait();
                    refresh(server, token, key.as_deref(), &service.clock)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn concurrent_refreshes_return_the_same_token() {
    let service = TestService::new(with_window(WINDOW));
    let token = token_of(&service.open());
    let outcomes: Vec<_> = all_at_once(&service, &token).into_iter().map(Result::unwrap).collect();
    let tokens: BTreeSet<String> = outcomes.iter().map(|(granted, _)| token_of(granted)).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(service.record().generation.number(), 2);
    let count = |which| outcomes.iter().filter(|(_, renewal)| *renewal == which).count();
    assert_eq!((count(RefreshOutcome::Advanced), count(RefreshOutcome::Repeated)), (1, MANY - 1));
    let accesses: BTreeSet<&str> = outcomes.iter().map(|(g, _)| g.access.expose()).collect();
    assert_eq!(accesses.len(), MANY, "every caller has an access token of its own");
}

#[test]
fn concurrent_use_of_a_superseded_token_ends_the_session_once_and_returns_no_token() {
    let service = TestService::new(with_window(WINDOW));
    let stolen = token_of(&service.open());
    let live = renewed(service.refresh(&stolen, None));
    service.advance(HOUR);
    for outcome in all_at_once(&service, &stolen) {
        assert!(matches!(
            outcome,
            Err(RefreshError::Reused | RefreshError::Ended(EndReason::Reuse))
        ));
    }
    assert!(service.refresh(&live, None).is_err());
}

#[test]
fn without_a_window_concurrent_use_has_one_winner_and_ends_the_session() {
    let service = TestService::new(with_window(Duration::ZERO));
    let token = token_of(&service.open());
    let outcomes = all_at_once(&service, &token);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(service.record().ended.unwrap().reason, EndReason::Reuse);
}

/// A refresh never makes a session, so one that was ended meanwhile stays ended.
#[test]
fn a_refresh_that_races_with_a_logout_never_undoes_it() {
    let service = TestService::new(with_window(WINDOW));
    let token = token_of(&service.open());
    let id = service.record().id;
    let now = service.clock.now();
    let ended = Ended { at: now, reason: EndReason::Logout };
    service.store.before("advance", move |store| drop(block_on(store.end(&id, ended)).unwrap()));
    let refused = service.refresh(&token, None);
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Logout))));
    assert_eq!(service.record().ended, Some(ended));
}
