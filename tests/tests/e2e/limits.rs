//! Limits: what is counted, for whom, and that rejected requests have no side effects.

use aquaware_tests::{Person, Response, Server, Setup, Store};
use serde_json::json;

#[track_caller]
fn is_limited(response: &Response, code: &str, at_most: u64) {
    response.is_problem(429, code);
    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=at_most).contains(&wait), "{}", response.describe());
}

#[test]
fn failed_logins_lock_the_account_even_against_the_right_password() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let person = client.new_person();
    let other = client.new_person();
    for spelling in [&person.email, &person.email.to_uppercase(), &person.email.to_lowercase()] {
        client.try_log_in(spelling, "quartz wrong").is_problem(401, "invalid_credentials");
    }
    let locked = client.try_log_in(&person.email, &person.password);
    is_limited(&locked, "account_locked", 900);
    is_limited(&client.try_log_in(&person.email, "quartz wrong"), "account_locked", 900);
    let _ = client.log_in(&other);
}

#[test]
fn unknown_accounts_are_locked_in_the_same_way() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let person = client.new_person();
    for email in [person.email.as_str(), "nobody@example.com"] {
        for _ in 0..3 {
            client.try_log_in(email, "quartz wrong").is_problem(401, "invalid_credentials");
        }
    }
    let known = client.try_log_in(&person.email, "quartz wrong");
    let unknown = client.try_log_in("nobody@example.com", "quartz wrong");
    is_limited(&known, "account_locked", 900);
    assert_eq!(known.body, unknown.body);
}

#[test]
fn a_successful_login_clears_the_count() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let person = client.new_person();
    for _ in 0..4 {
        for _ in 0..2 {
            client.try_log_in(&person.email, "quartz wrong").is_problem(401, "invalid_credentials");
        }
        let _ = client.log_in(&person);
    }
}

#[test]
fn a_wrong_current_password_counts_as_a_failed_login() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let body =
        json!({ "current_password": "quartz wrong", "new_password": Person::new().password });
    let change = || client.post("/auth/password").bearer(&tokens.access).json(&body).send();
    for _ in 0..3 {
        change().is_problem(401, "invalid_credentials");
    }
    is_limited(&change(), "account_locked", 900);
    is_limited(&client.try_log_in(&person.email, &person.password), "account_locked", 900);
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(tokens.refresh(), None);
}

#[test]
fn concurrent_guesses_at_the_password_change_get_no_more_responses_than_the_limit() {
    let server = Setup::new()
        .set("limits.failed_logins_per_account", "10/15m")
        // Slow enough that all guesses have begun before the first one ends.
        .set("accounts.argon2.memory_kib", "16384")
        .set("accounts.argon2.iterations", "1")
        .set("accounts.argon2.max_concurrent", "1")
        .set("accounts.argon2.max_waiting", "1000")
        .start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let guess = &|password: &str| {
        let body = json!({ "current_password": password, "new_password": Person::new().password });
        client.post("/auth/password").bearer(&tokens.access).json(&body).send()
    };
    let responses: Vec<Response> = std::thread::scope(|scope| {
        let guesses = (0..100).map(|n| match n {
            50 => person.password.clone(),
            _ => format!("quartz wrong {n}"),
        });
        let guesses: Vec<_> = guesses.map(|it| scope.spawn(move || guess(&it))).collect();
        guesses.into_iter().map(|guess| guess.join().expect("a response")).collect()
    });
    let (locked, answered): (Vec<_>, Vec<_>) = responses.iter().partition(|it| it.status == 429);
    assert!(answered.len() <= 10, "{} of 100 were answered", answered.len());
    locked.into_iter().for_each(|response| is_limited(response, "account_locked", 900));
}

#[test]
fn password_changes_that_succeed_or_are_too_weak_lock_nothing() {
    let server = Setup::new().set("limits.failed_logins_per_account", "3/15m").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let mut current = person.password;
    for _ in 0..4 {
        let new = Person::new().password;
        for (new, status) in [("password", 422), (&new, 204)] {
            let body = json!({ "current_password": current, "new_password": new });
            client.post("/auth/password").bearer(&tokens.access).json(&body).send().is(status);
        }
        current = new;
    }
}

#[test]
fn a_lock_ends_after_its_duration() {
    let server = Setup::new().set("limits.failed_logins_per_account", "2/2s").start();
    let client = server.client();
    let person = client.new_person();
    // On a busy machine, the lock may end before the right password arrives, which clears the count.
    let locked = (0..20).find_map(|_| {
        for _ in 0..2 {
            client.try_log_in(&person.email, "quartz wrong").is_problem(401, "invalid_credentials");
        }
        let right = client.try_log_in(&person.email, &person.password);
        (right.status != 200).then_some(right)
    });
    let locked = locked.expect("two failures lock the account");
    is_limited(&locked, "account_locked", 2);
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    aquaware_tests::pause(std::time::Duration::from_secs(wait));
    let _ = client.log_in(&person);
}

#[test]
fn logins_and_sign_ups_are_limited_separately_per_address() {
    let server = Setup::new()
        .set("limits.login_per_address", "3/1h")
        .set("limits.signup_per_address", "2/1h")
        .start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let _ = client.log_in(&person);
    client.try_log_in("nobody@example.com", "x").is_problem(401, "invalid_credentials");
    is_limited(&client.try_log_in(&person.email, &person.password), "rate_limited", 3600);
    client.sign_up(&Person::new()).is(201);
    is_limited(&client.sign_up(&Person::new()), "rate_limited", 3600);
    // Existing sessions are unaffected.
    client.me(&tokens.access).is(200);
    for _ in 0..5 {
        let _ = client.refreshed(tokens.refresh(), None);
    }
}

#[test]
fn forwarded_addresses_are_accepted_from_trusted_proxies_only() {
    let limited = || Setup::new().set("limits.login_per_address", "1/1h");
    let log_in = |server: &aquaware_tests::Server, address: &str| {
        let body = json!({ "email": "nobody@example.com", "password": "x" });
        let call = server.client().post("/auth/login").json(&body);
        call.header("x-forwarded-for", address).send()
    };
    let direct = limited().start();
    log_in(&direct, "203.0.113.1").is(401);
    is_limited(&log_in(&direct, "203.0.113.2"), "rate_limited", 3600);

    let behind = limited().set("listen.trusted_proxies", "127.0.0.0/8");
    let behind = behind.set("sessions.record", "full").start();
    log_in(&behind, "203.0.113.1").is(401);
    log_in(&behind, "203.0.113.2").is(401);
    is_limited(&log_in(&behind, "203.0.113.1"), "rate_limited", 3600);
    // Only the address that the proxy itself added counts: the right-most.
    is_limited(&log_in(&behind, "198.51.100.7, 203.0.113.1"), "rate_limited", 3600);
    let person = behind.client().new_person();
    let body = json!({ "email": person.email, "password": person.password });
    let call = behind.client().post("/auth/login").json(&body);
    let response = call.header("x-forwarded-for", "203.0.113.9").send().expect(200);
    let listed = behind.client().sessions(&response.text_of("access_token"));
    assert_eq!(listed[0]["ip"], "203.0.113.9");
}

#[test]
fn refreshes_are_limited_per_session_and_rejected_ones_are_not_counted() {
    let server = Setup::new()
        .set("limits.refresh_per_session", "3/1h")
        .set("clients.web.retry_window", "0s")
        .start();
    let client = server.client();
    let (person, mut tokens) = client.new_session();
    for _ in 0..3 {
        tokens = client.refreshed(tokens.refresh(), None);
    }
    for _ in 0..3 {
        is_limited(&client.refresh(tokens.refresh(), None), "rate_limited", 3600);
    }
    client.me(&tokens.access).is(200);
    let other = client.log_in(&person);
    let _ = client.refreshed(other.refresh(), None);

    let server = server.stop().start();
    assert_eq!(server.client().refreshed(tokens.refresh(), None).generation(), 5);
}

#[test]
fn a_flood_of_logins_is_rejected_while_other_requests_are_served() {
    let server = Setup::new()
        .set("accounts.argon2.memory_kib", "16384")
        .set("accounts.argon2.iterations", "4")
        .set("accounts.argon2.max_concurrent", "1")
        .set("accounts.argon2.max_waiting", "1")
        .start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let flood = || -> usize {
        let responses: Vec<Response> = std::thread::scope(|scope| {
            let log_in = || client.try_log_in(&person.email, &person.password);
            let flood: Vec<_> = (0..24).map(|_| scope.spawn(log_in)).collect();
            // Requests with a token do not wait for password hashing.
            client.me(&tokens.access).is(200);
            flood.into_iter().map(|login| login.join().expect("an response")).collect()
        });
        let (served, rejected): (Vec<_>, Vec<_>) =
            responses.iter().partition(|response| response.status == 200);
        rejected.into_iter().for_each(|response| response.is_problem(503, "overloaded"));
        served.len()
    };
    // On a busy machine, the logins of one flood may arrive one after the other.
    let served = (0..20).map(|_| flood()).find(|served| *served < 24);
    assert!(served.expect("a login is rejected") >= 1, "{served:?} of 24 were served");
    let _ = client.log_in(&person);
}

#[test]
fn invalid_tokens_do_not_use_up_the_limit_of_a_session() {
    let server = Setup::new().set("limits.refresh_per_session", "3/1h").start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let cut = &tokens.refresh()[..tokens.refresh().len() - 2];
    for _ in 0..6 {
        client.refresh(cut, None).is_problem(401, "invalid_refresh_token");
    }
    let _ = client.refreshed(tokens.refresh(), None);
}

/// Two servers on one Redis, with these limits.
fn two_on_redis(limits: &[(&str, &str)]) -> (Server, Server) {
    let start = |setup: Setup| {
        limits.iter().fold(setup, |setup, (key, value)| setup.set(key, value)).start()
    };
    let one = start(Setup::on(Store::REDIS));
    let keys = one.file("keys").display().to_string();
    let other = start(Setup::on(Store::REDIS).set("keys.directory", &keys));
    (one, other)
}

#[test]
fn with_redis_failures_at_any_replica_lock_the_account_at_all() {
    let (one, other) = two_on_redis(&[("limits.failed_logins_per_account", "5/15m")]);
    let person = one.client().new_person();
    for server in [&one, &other, &one, &other, &one] {
        let wrong = server.client().try_log_in(&person.email, "quartz wrong");
        wrong.is_problem(401, "invalid_credentials");
    }
    for server in [&one, &other] {
        let right = server.client().try_log_in(&person.email, &person.password);
        is_limited(&right, "account_locked", 900);
    }
    let _ = other.client().log_in(&one.client().new_person());
}

#[test]
fn with_redis_an_address_has_one_budget_at_all_replicas() {
    let (one, other) = two_on_redis(&[("limits.signup_per_address", "3/1h")]);
    for server in [&one, &other, &one] {
        server.client().sign_up(&Person::new()).is(201);
    }
    for server in [&one, &other] {
        is_limited(&server.client().sign_up(&Person::new()), "rate_limited", 3600);
    }
}
