//! A bad network: half of all exchanges are lost, most of them after the server has processed them.

use aquaware_tests::{
    Client, Device, LossyProxy, Server, Setup, Store, Tokens, hang_up, on_every_store, retry_key,
};

const CLIENTS: u64 = 6;
const REFRESHES: u64 = 35;
/// The probability that this many retries all get lost is 2^-60.
const MOST_TRIES: usize = 60;

on_every_store!(
    retries_with_a_key_are_never_logged_out,
    retries_within_the_window_are_never_logged_out,
    hanging_up_while_the_server_works_uses_nothing_up,
);

/// The client library draws the keys, and keeps them until a refresh is answered.
fn retries_with_a_key_are_never_logged_out(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "0s").start();
    everybody_gets_through(&server, |tokens, proxy| {
        let (mut device, mut failed) = (Device::new(proxy.address(), tokens), 0);
        for generation in 2..REFRESHES + 2 {
            let success = (0..MOST_TRIES).find(|_| device.refresh());
            failed += success.expect("one of many exchanges is not lost");
            assert_eq!(device.generation(), generation, "each refresh advances the session by one");
        }
        assert!(failed <= proxy.lost(), "every response that arrived was a success");
        device.access().to_owned()
    });
}

fn retries_within_the_window_are_never_logged_out(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "1h").start();
    everybody_gets_through(&server, |tokens, proxy| {
        let client = Client::without_pool(proxy.address());
        let mut tokens = tokens.clone();
        for generation in 2..REFRESHES + 2 {
            tokens = insist(&client, tokens.refresh(), None);
            assert_eq!(tokens.generation(), generation, "each refresh advances the session by one");
        }
        tokens.access
    });
}

/// Runs many clients from their logins on. Each refreshes through a proxy of its own and returns its
/// last access token.
fn everybody_gets_through(
    server: &Server,
    one_client: impl Fn(&Tokens, &LossyProxy) -> String + Sync,
) {
    let one_client = |seed| {
        let (_, tokens) = server.client().new_session();
        let proxy = LossyProxy::to(server.public(), seed);
        let access = one_client(&tokens, &proxy);
        server.client().me(&access).is(200);
        proxy.lost()
    };
    let lost: usize = std::thread::scope(|scope| {
        let one_client = &one_client;
        let clients: Vec<_> =
            (0..CLIENTS).map(|seed| scope.spawn(move || one_client(seed))).collect();
        clients.into_iter().map(|client| client.join().expect("a client gets through")).sum()
    });
    let least = usize::try_from(CLIENTS * REFRESHES / 3).unwrap();
    assert!(lost > least, "only {lost} exchanges were lost");
}

/// Refreshes with the same token and key until a response arrives, which must be a success.
fn insist(client: &Client, token: &str, key: Option<&str>) -> Tokens {
    for _ in 0..MOST_TRIES {
        if let Ok(response) = client.refresh_call(token, key).try_send() {
            return Tokens::of(&response);
        }
    }
    panic!("{MOST_TRIES} exchanges were lost in a row");
}

/// The server may have done all, some or nothing of the work when it notices the closed connection.
fn hanging_up_while_the_server_works_uses_nothing_up(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let person = client.new_person();
    for _ in 0..50 {
        let tokens = client.log_in(&person);
        let key = retry_key();
        let body = serde_json::json!({ "refresh_token": tokens.refresh() }).to_string();
        let request = format!(
            "POST /auth/refresh HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        hang_up(server.public(), request.as_bytes());
        let next = client.refreshed(tokens.refresh(), Some(&key));
        assert_eq!(next.generation(), 2);
        assert_eq!(client.refreshed(tokens.refresh(), Some(&key)).refresh, next.refresh);
        client.me(&next.access).is(200);
    }
}

#[test]
fn a_device_can_always_refresh_with_its_one_token() {
    let server = Setup::new().start();
    let person = server.client().new_person();
    let device = server.client().log_in_as(&person, "device");
    let proxy = LossyProxy::to(server.public(), 77);
    let client = Client::without_pool(proxy.address());
    for _ in 0..20 {
        let renewed = insist(&client, device.refresh(), None);
        assert_eq!(renewed.refresh, None);
    }
    assert!(proxy.lost() > 0);
}

#[test]
fn a_theft_is_detected_on_a_bad_network_too() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    for seed in 100..104 {
        let (_, stolen) = server.client().new_session();
        let proxy = LossyProxy::to(server.public(), seed);
        let client = Client::without_pool(proxy.address());
        let owner = insist(&client, stolen.refresh(), Some(&retry_key()));
        let thief = server.client();
        thief.refresh(stolen.refresh(), Some(&retry_key())).is_problem(401, "refresh_token_reused");
        thief.refresh(stolen.refresh(), None).is_problem(401, "session_revoked");
        server.client().refresh(owner.refresh(), None).is_problem(401, "session_revoked");
        server.client().me(&owner.access).is_invalid_token();
    }
}
