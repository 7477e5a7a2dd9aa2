//! Two servers that share a store and a key directory behave like one server.

use std::sync::Barrier;
use std::thread;

use aquaware_tests::{Server, Setup, Store, Tokens, on_every_server, retry_key};

on_every_server!(
    a_session_is_good_at_every_replica,
    a_storm_across_both_leaves_one_live_generation,
    a_logout_at_one_counts_at_the_other,
);

/// Two replicas without a retry window, so that only the rules keep them consistent.
fn two(store: Store) -> (Server, Server) {
    let one = Setup::on(store).set("clients.web.retry_window", "0s").start();
    let keys = one.file("keys").display().to_string();
    let settings = Setup::on(store).set("clients.web.retry_window", "0s");
    let other = settings.set("keys.directory", &keys).start();
    (one, other)
}

fn a_session_is_good_at_every_replica(store: Store) {
    let (one, other) = two(store);
    let (_, mut tokens) = one.client().new_session();
    for turn in 0..6 {
        let server = if turn % 2 == 0 { &other } else { &one };
        server.client().me(&tokens.access).is(200);
        tokens = server.client().refreshed(tokens.refresh(), None);
    }
    assert_eq!(tokens.generation(), 7);
}

fn a_storm_across_both_leaves_one_live_generation(store: Store) {
    const CALLERS: usize = 16;
    let (one, other) = two(store);
    let (_, mut tokens) = one.client().new_session();
    for _ in 0..4 {
        let (barrier, key) = (Barrier::new(CALLERS), retry_key());
        let responses: Vec<_> = thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|number| {
                    let server = if number % 2 == 0 { &one } else { &other };
                    let (barrier, key, token) = (&barrier, &key, tokens.refresh());
                    scope.spawn(move || {
                        let client = server.client();
                        barrier.wait();
                        client.refresh(token, Some(key))
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let all: Vec<Tokens> = responses.iter().map(Tokens::of).collect();
        assert!(all.iter().all(|it| it.refresh() == all[0].refresh()), "one successor");
        assert_eq!(all[0].generation(), tokens.generation() + 1);
        tokens = all[0].clone();
    }
    let next = other.client().refreshed(tokens.refresh(), None);
    // The replica that did not supersede the token detects its reuse.
    one.client().refresh(tokens.refresh(), None).is_problem(401, "refresh_token_reused");
    other.client().refresh(next.refresh(), None).is_problem(401, "session_revoked");
}

fn a_logout_at_one_counts_at_the_other(store: Store) {
    let (one, other) = two(store);
    let (_, tokens) = one.client().new_session();
    other.client().me(&tokens.access).is(200);
    one.client().log_out(tokens.refresh()).is(204);
    other.client().me(&tokens.access).is_invalid_token();
    other.client().refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
}
