//! Client authentication at each of the three endpoints (RFC 6749 §2.3).

use aquaware_tests::{Client, Response, Setup, wait_for};

use crate::oauth_support::{
    By, INTROSPECT, REVOKE, ROBOT, SHOP, THE_ROBOT, THE_SHOP, TOKEN, WEB, ask, basic, granted,
    is_rejected, refresh, refreshed, robot_token, session_of, setup, shop_session, start,
};

#[track_caller]
fn for_itself(client: &Client, by: By<'_>) -> Response {
    ask(client, TOKEN, by, &[("grant_type", "client_credentials")]).send()
}

#[test]
fn a_secret_is_accepted_in_the_header_and_in_the_body() {
    let (_server, client) = start();
    let mut tokens = shop_session(&client);
    for by in [THE_SHOP, By::Post("shop", SHOP)] {
        tokens = refreshed(&client, by, tokens.refresh());
        let response = ask(&client, INTROSPECT, by, &[("token", tokens.refresh())]).send();
        assert_eq!(response.expect(200).member("active"), true, "{by:?}");
    }
    for by in [THE_ROBOT, By::Post("robot", ROBOT)] {
        let _ = granted(for_itself(&client, by));
    }
    ask(&client, REVOKE, By::Post("shop", SHOP), &[("token", tokens.refresh())]).send().is(200);
    is_rejected(&refresh(&client, THE_SHOP, tokens.refresh()), "invalid_grant");
}

/// The secret of `shop` contains characters that must be escaped; unescaped it is another secret.
#[test]
fn basic_credentials_are_form_encoded_and_the_scheme_is_case_insensitive() {
    use base64::Engine as _;
    let (_server, client) = start();
    let tokens = shop_session(&client);
    let fields = [("token", tokens.refresh())];
    let with = |value: &str| {
        ask(&client, INTROSPECT, By::Anonymous, &fields).header("authorization", value)
    };
    let good = basic("shop", SHOP);
    for value in [good.clone(), good.replace("Basic", "basic"), good.replace("Basic ", "BASIC   ")]
    {
        with(&value).send().is(200);
    }
    let encoded =
        |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    for value in [
        encoded(&format!("shop:{SHOP}")),
        encoded("shop"),
        encoded(""),
        encoded(":"),
        encoded(&format!(":{ROBOT}")),
        encoded("shop:%ff"),
        encoded("shop:%"),
        encoded("%73hop:"),
        "Basic ***".to_owned(),
        "Basic  ".to_owned(),
        "Basic".to_owned(),
    ] {
        is_rejected(&with(&value).send(), "invalid_client");
    }
}

#[test]
fn every_failed_client_authentication_gets_the_same_error() {
    let (_server, client) = start();
    let web = session_of(&client, "web", "");
    let shop = shop_session(&client);
    let bad = [
        By::Anonymous,
        By::ClientId("nobody"),
        By::ClientId("shop"),
        By::ClientId("no such\u{e9}"),
        By::ClientId("a b\"c"),
        By::Basic("shop", "wrong"),
        By::Basic("shop", ""),
        By::Basic("shop", ROBOT),
        By::Basic("nobody", SHOP),
        By::Basic("web", "anything"),
        By::Basic("web", SHOP),
        By::Post("shop", "wrong"),
        By::Post("nobody", SHOP),
        By::Post("web", SHOP),
    ];
    let mut bodies = Vec::new();
    for by in bad {
        let refused = refresh(&client, by, shop.refresh());
        is_rejected(&refused, "invalid_client");
        bodies.push(refused.body);
        is_rejected(&refresh(&client, by, web.refresh()), "invalid_client");
        is_rejected(&for_itself(&client, by), "invalid_client");
        let fields = [("token", shop.refresh())];
        is_rejected(&ask(&client, INTROSPECT, by, &fields).send(), "invalid_client");
        is_rejected(&ask(&client, REVOKE, by, &fields).send(), "invalid_client");
        let password = [("grant_type", "password"), ("username", "x"), ("password", "y")];
        is_rejected(&ask(&client, TOKEN, by, &password).send(), "invalid_client");
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one body for all of them");
    // None of these requests had a side effect.
    assert_eq!(refreshed(&client, THE_SHOP, shop.refresh()).generation(), 2);
    assert_eq!(refreshed(&client, WEB, web.refresh()).generation(), 2);
}

#[test]
fn authenticating_in_two_ways_is_rejected() {
    let (_server, client) = start();
    let shop = shop_session(&client);
    let token = shop.refresh();
    let grant = [("grant_type", "refresh_token"), ("refresh_token", token), ("token", token)];
    for path in [TOKEN, REVOKE, INTROSPECT] {
        for more in
            [&[("client_id", "shop"), ("client_secret", SHOP)][..], &[("client_secret", SHOP)]]
        {
            let fields = [&grant[..], more].concat();
            is_rejected(&ask(&client, path, THE_SHOP, &fields).send(), "invalid_request");
        }
        // Two different ids are two clients.
        let fields = [&grant[..], &[("client_id", "web")]].concat();
        is_rejected(&ask(&client, path, THE_SHOP, &fields).send(), "invalid_request");
        // A secret without a client id identifies no client.
        let fields = [&grant[..], &[("client_secret", SHOP)]].concat();
        is_rejected(&ask(&client, path, By::Anonymous, &fields).send(), "invalid_request");
    }
    let call = ask(&client, TOKEN, THE_SHOP, &grant);
    let twice = call.header("authorization", &basic("shop", SHOP)).send();
    is_rejected(&twice, "invalid_request");
    // Repeating the client id beside Basic is allowed.
    let fields = [&grant[..], &[("client_id", "shop")]].concat();
    let _ = granted(ask(&client, TOKEN, THE_SHOP, &fields).send());
}

#[test]
fn credentials_in_the_query_are_rejected() {
    let (_server, client) = start();
    let shop = shop_session(&client);
    let token = shop.refresh();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("token", token)];
    for query in [
        "client_id=shop",
        "client_secret=x",
        "client%5Fsecret=x",
        "x=1&client_secret",
        "client_secret=",
    ] {
        for path in [TOKEN, REVOKE, INTROSPECT] {
            for by in [THE_SHOP, By::Anonymous, WEB] {
                let response = ask(&client, &format!("{path}?{query}"), by, &fields).send();
                is_rejected(&response, "invalid_request");
            }
        }
    }
    assert_eq!(refreshed(&client, THE_SHOP, token).generation(), 2);
}

#[test]
fn a_bearer_token_does_not_authenticate_a_client_at_the_token_endpoint() {
    let (_server, client) = start();
    let robot = robot_token(&client, "introspect").text_of("access_token");
    let fields = [("grant_type", "client_credentials")];
    let response = ask(&client, TOKEN, By::Anonymous, &fields).bearer(&robot).send();
    is_rejected(&response, "invalid_client");
}

#[test]
fn a_generated_secret_authenticates_and_only_its_hash_is_configured() {
    let made = Setup::new().run(&["clients", "secret", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let (secret, hash) = (made["secret"].as_str().unwrap(), made["secret_hash"].as_str().unwrap());
    assert!(hash.starts_with("$sha256$"), "{hash}");
    let server = Setup::new()
        .with_file("secret.txt", &format!("{hash}\n"))
        .set("clients.robot.secret_hash", "file:secret.txt")
        .set("clients.robot.grants", "client_credentials")
        .start();
    let client = server.client();
    let _ = granted(for_itself(&client, By::Basic("robot", secret)));
    let _ = granted(for_itself(&client, By::Post("robot", secret)));
    is_rejected(&for_itself(&client, By::Basic("robot", hash)), "invalid_client");
}

#[test]
fn a_replaced_secret_is_rejected_immediately() {
    let file = |hash: &str| {
        format!("[clients.robot]\nsecret_hash = '{hash}'\ngrants = ['client_credentials']\n")
    };
    let made = || {
        let made = Setup::new().run(&["clients", "secret", "--json"]);
        let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
        [&made["secret"], &made["secret_hash"]].map(|it| it.as_str().unwrap().to_owned())
    };
    let ([old, old_hash], [new, new_hash]) = (made(), made());
    let server = Setup::new().with_file("aquaware.toml", &file(&old_hash)).start();
    let client = server.client();
    let _ = granted(for_itself(&client, By::Basic("robot", &old)));
    std::fs::write(server.file("aquaware.toml"), file(&new_hash)).unwrap();
    server.ask_to_reload();
    wait_for("the new secret", std::time::Duration::from_secs(60), || {
        (for_itself(&client, By::Basic("robot", &new)).status == 200).then_some(())
    });
    is_rejected(&for_itself(&client, By::Basic("robot", &old)), "invalid_client");
}

/// The secret of `robot` has an argon2id hash, which is checked in a bounded queue.
#[test]
fn a_flood_of_wrong_secrets_is_rejected_while_valid_clients_are_served() {
    let server = setup()
        .set("accounts.argon2.memory_kib", "16384")
        .set("accounts.argon2.iterations", "4")
        .set("accounts.argon2.max_concurrent", "1")
        .set("accounts.argon2.max_waiting", "1")
        .start();
    let client = server.client();
    let person = client.new_person();
    let _ = granted(for_itself(&client, THE_ROBOT));
    let responses: Vec<Response> = std::thread::scope(|scope| {
        let guess = || for_itself(&client, By::Basic("robot", "wrong"));
        let flood: Vec<_> = (0..24).map(|_| scope.spawn(guess)).collect();
        for _ in 0..3 {
            let _ = granted(for_itself(&client, THE_ROBOT));
            // Logins have a queue of their own.
            let _ = client.log_in(&person);
        }
        flood.into_iter().map(|guess| guess.join().expect("an response")).collect()
    });
    let served = responses.iter().filter(|response| response.status == 401).count();
    assert!(served >= 1, "{served} of 24 were served");
    for response in responses.iter().filter(|response| response.status != 401) {
        response.is_problem(503, "overloaded");
    }
}

#[test]
fn failed_client_authentications_are_limited_per_address() {
    let server = setup().set("limits.failed_clients_per_address", "3/1h").start();
    let client = server.client();
    let web = session_of(&client, "web", "");
    let _ = granted(for_itself(&client, THE_ROBOT));
    let ask = |path: &str, by: By<'_>| ask(&client, path, by, &[("token", "x")]).send();
    is_rejected(&ask(INTROSPECT, By::Basic("shop", "wrong")), "invalid_client");
    is_rejected(&ask(REVOKE, By::Post("nobody", "x")), "invalid_client");
    is_rejected(&for_itself(&client, By::Basic("robot", "wrong")), "invalid_client");
    for by in [By::Basic("robot", "wrong"), By::Post("nobody", "x"), THE_SHOP] {
        for response in [ask(INTROSPECT, by), ask(REVOKE, by), for_itself(&client, by)] {
            response.is_problem(429, "rate_limited");
            let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
            assert!((3000..=3600).contains(&wait), "{wait}");
        }
    }
    // A secret that was verified lately passes, and so do public clients and users.
    let _ = granted(for_itself(&client, THE_ROBOT));
    ask(INTROSPECT, THE_ROBOT).is(200);
    let _ = refreshed(&client, WEB, web.refresh());
    let _ = client.log_in(&client.new_person());
}

#[test]
fn successful_client_authentications_are_not_limited() {
    let server = setup().set("limits.failed_clients_per_address", "2/1h").start();
    let client = server.client();
    for _ in 0..3 {
        for by in [THE_SHOP, THE_ROBOT] {
            ask(&client, INTROSPECT, by, &[("token", "x")]).send().is(200);
        }
    }
    is_rejected(&for_itself(&client, By::Basic("robot", "wrong")), "invalid_client");
}

/// Secrets of a client that does not exist are never hashed.
#[test]
fn a_flood_of_unknown_clients_does_not_hold_up_logins() {
    let server = Setup::new()
        .unset("limits.failed_clients_per_address")
        .unset("accounts.argon2.memory_kib")
        .unset("accounts.argon2.iterations")
        .start();
    let client = server.client();
    let person = client.new_person();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let flood = || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let fields = [("token", "x"), ("client_id", "nobody"), ("client_secret", "y")];
            let status = client.post(INTROSPECT).form(&fields).send().status;
            assert!([401, 429].contains(&status), "{status}");
        }
    };
    std::thread::scope(|scope| {
        let flood: Vec<_> = (0..32).map(|_| scope.spawn(flood)).collect();
        for _ in 0..10 {
            let _ = client.log_in(&person);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        flood.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn client_secrets_and_tokens_are_not_in_logs_or_errors() {
    let server = setup().set("log.level", "trace").set("clients.shop.retry_window", "0s").start();
    let client = server.client();
    let wrong = "wrong-secret-0123456789";
    let oldest = shop_session(&client);
    let first = refreshed(&client, THE_SHOP, oldest.refresh());
    let next = refreshed(&client, THE_SHOP, first.refresh());
    let robot = robot_token(&client, "introspect").text_of("access_token");
    let fields = [("token", next.refresh())];
    let responses = [
        ask(&client, INTROSPECT, By::Post("robot", ROBOT), &fields).send(),
        ask(&client, INTROSPECT, By::Anonymous, &fields).bearer(&robot).send(),
        ask(&client, INTROSPECT, By::Basic("shop", wrong), &fields).send(),
        ask(&client, INTROSPECT, By::Post("shop", wrong), &fields).send(),
        client.post(&format!("{TOKEN}?client_secret={ROBOT}")).form(&fields).send(),
        refresh(&client, By::Post("shop", SHOP), oldest.refresh()),
        refresh(&client, WEB, next.refresh()),
        ask(&client, REVOKE, THE_SHOP, &fields).send(),
    ];
    let log = server.stop().log();
    assert!(log.contains("/oauth2/introspect"), "requests are logged\n{log}");
    let tail = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let encoded = |by: &str| by.split(' ').nth(1).unwrap().to_owned();
    for secret in [
        SHOP.to_owned(),
        ROBOT.to_owned(),
        wrong.to_owned(),
        encoded(&basic("shop", SHOP)),
        encoded(&basic("robot", ROBOT)),
        encoded(&basic("shop", wrong)),
        tail(first.refresh()),
        tail(next.refresh()),
        tail(&first.access),
        tail(&robot),
    ] {
        assert!(!log.contains(&secret), "{secret} is in the log");
        for response in &responses {
            assert!(!response.text().contains(&secret), "{secret}: {}", response.describe());
        }
    }
}
