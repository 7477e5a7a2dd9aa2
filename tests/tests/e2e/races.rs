//! Many requests with one token at the same moment.

use std::sync::Barrier;

use aquaware_tests::{Client, Response, Setup, Store, Tokens, on_every_store, retry_key};

const CALLERS: usize = 64;

on_every_store!(
    sixty_four_callers_get_one_and_the_same_successor,
    sixty_four_retries_with_one_key_need_no_window,
    without_window_and_key_one_caller_wins_and_the_session_ends,
    nothing_refreshes_after_a_logout_was_answered,
);

/// The responses to `count` concurrent callers, each with its own connection.
fn all_at_once<T: Send>(
    client: &Client,
    count: usize,
    ask: impl Fn(&Client, usize) -> T + Sync,
) -> Vec<T> {
    let start = Barrier::new(count);
    let (start, ask) = (&start, &ask);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    start.wait();
                    ask(client, number)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller is done")).collect()
    })
}

#[track_caller]
fn all_the_same(responses: &[Response], generation: u64) -> Tokens {
    let tokens: Vec<Tokens> = responses.iter().map(Tokens::of).collect();
    for other in &tokens {
        assert_eq!(other.refresh, tokens[0].refresh);
        assert_eq!(other.session, tokens[0].session);
    }
    assert_eq!(tokens[0].generation(), generation);
    tokens[0].clone()
}

fn sixty_four_callers_get_one_and_the_same_successor(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (_, mut tokens) = client.new_session();
    for generation in 2..5 {
        let refresh = tokens.refresh().to_owned();
        let responses = all_at_once(&client, CALLERS, |client, number| {
            let key = (number % 2 == 0).then(retry_key);
            client.refresh(&refresh, key.as_deref())
        });
        tokens = all_the_same(&responses, generation);
    }
    client.me(&tokens.access).is(200);
}

fn sixty_four_retries_with_one_key_need_no_window(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, first) = client.new_session();
    let key = retry_key();
    let responses =
        all_at_once(&client, CALLERS, |client, _| client.refresh(first.refresh(), Some(&key)));
    let second = all_the_same(&responses, 2);
    assert_eq!(client.refreshed(second.refresh(), None).generation(), 3);
}

fn without_window_and_key_one_caller_wins_and_the_session_ends(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let person = client.new_person();
    for _ in 0..20 {
        let first = client.log_in(&person);
        let responses = all_at_once(&client, 16, |client, _| client.refresh(first.refresh(), None));
        let (won, lost): (Vec<_>, Vec<_>) =
            responses.iter().partition(|response| response.status == 200);
        let tokens: Vec<_> = won.iter().map(|response| Tokens::of(response).refresh).collect();
        assert_eq!(won.len(), 1, "{tokens:?}");
        for response in lost {
            let code = response.text_of("code");
            assert!(["refresh_token_reused", "session_revoked"].contains(&code.as_str()), "{code}");
        }
        let winner = Tokens::of(won[0]);
        client.refresh(winner.refresh(), None).is_problem(401, "session_revoked");
    }
}

fn nothing_refreshes_after_a_logout_was_answered(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    for _ in 0..5 {
        let (_, first) = client.new_session();
        let responses = all_at_once(&client, 8, |client, number| {
            if number == 0 {
                client.log_out(first.refresh())
            } else {
                client.refresh(first.refresh(), None)
            }
        });
        responses[0].is(204);
        for response in &responses[1..] {
            if response.status == 200 {
                let tokens = Tokens::of(response);
                client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
                client.me(&tokens.access).is_invalid_token();
            } else {
                response.is_problem(401, "session_revoked");
            }
        }
        client.refresh(first.refresh(), None).is_problem(401, "session_revoked");
    }
}

#[test]
fn concurrent_refreshes_of_one_token_count_once_towards_the_limit() {
    let server = Setup::new().unset("limits.refresh_per_session").start();
    let client = server.client();
    let (_, mut tokens) = client.new_session();
    for generation in 2..6 {
        let refresh = tokens.refresh().to_owned();
        let responses = all_at_once(&client, CALLERS, |client, _| client.refresh(&refresh, None));
        tokens = all_the_same(&responses, generation);
    }
}

#[test]
fn concurrent_guesses_are_counted_individually() {
    let server = Setup::new().set("limits.failed_logins_per_account", "5/15m").start();
    let client = server.client();
    let person = client.new_person();
    let responses =
        all_at_once(&client, CALLERS, |client, _| client.try_log_in(&person.email, "a guess"));
    let told = responses.iter().filter(|response| response.status == 401).count();
    assert!(told <= 5, "{told} guesses were told that they were wrong");
    client.try_log_in(&person.email, &person.password).is_problem(429, "account_locked");
}

#[test]
fn only_one_of_many_concurrent_sign_ups_succeeds() {
    let server = Setup::new().start();
    let client = server.client();
    let person = aquaware_tests::Person::new();
    let responses = all_at_once(&client, 16, |client, _| client.sign_up(&person));
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    let _ = client.log_in(&person);
}
