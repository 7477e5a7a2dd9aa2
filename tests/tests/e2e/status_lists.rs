//! Token status lists: a revocation reaches offline verifiers within a second and from
//! every replica.

use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use aquaware_servers::{Fault, Proxy, Redis, RedisOptions};
use aquaware_tests::{
    Client, Jws, Person, Server, Setup, StatusEntry, StatusListToken, Store, Tokens,
    on_every_store, pause, retry_key, wait_for,
};
use serde_json::json;

/// The promise of the contract: requests sent this long after a revocation was acknowledged
/// see it. The response itself may take longer on a machine that is busy with tests.
const WITHIN: Duration = Duration::from_secs(1);
/// A timeout for everything that is not promised.
const TIMEOUT: Duration = Duration::from_secs(60);

on_every_store!(
    every_way_of_ending_a_session_shows_within_a_second,
    no_two_sessions_share_an_entry,
    a_list_is_as_the_draft_wants_it,
);

fn with_status(store: Store) -> Setup {
    Setup::on(store).set("clients.web.status", "true")
}

/// A second server on the store and the keys of the first, unless the store is in memory.
fn replica_of(server: &Server, store: Store) -> Option<Server> {
    let url = match store.name {
        "sqlite" => format!("sqlite:{}", server.file("aquaware.db").display()),
        _ => store.url(),
    };
    let keys = server.file("keys").display().to_string();
    let setup = with_status(store).set("keys.directory", &keys).set("store.sessions", &url);
    store.survives.then(|| setup.set("store.accounts", &url).start())
}

/// Asserts that the status entries of `tokens`, which were just revoked, show it within a
/// second at every server.
#[track_caller]
fn shows(tokens: &Tokens, servers: &[&Server], how: &str) {
    let acknowledged = Instant::now();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    for server in servers {
        loop {
            let asked = acknowledged.elapsed();
            let response = server.client().get(entry.path()).send();
            // After an outage, the store may be away for another moment. No list is served then.
            let is_away = response.status == 503;
            if !is_away && StatusListToken::of(&response).value(entry.idx) == 1 {
                break;
            }
            assert!(asked < if is_away { TIMEOUT } else { WITHIN }, "{how} doesn't show");
            pause(Duration::from_millis(20));
        }
    }
}

#[track_caller]
fn is_valid(tokens: &Tokens, servers: &[&Server]) {
    let entry = StatusEntry::of(&tokens.access).unwrap();
    for server in servers {
        assert_eq!(entry.value(&server.client()), 0);
    }
}

type End = fn(&Client, &Person, &Tokens);

const WAYS: [(&str, End); 7] = [
    ("a logout", |client, _, tokens| client.log_out(tokens.refresh()).is(204)),
    ("a logout of the bearer", |client, _, tokens| {
        client.post("/auth/logout").bearer(&tokens.access).send().is(204);
    }),
    ("a logout everywhere", |client, _, tokens| {
        client.post("/auth/logout-all").bearer(&tokens.access).send().is(200);
    }),
    ("an end from another session", |client, person, tokens| {
        let other = client.log_in(person);
        let path = format!("/auth/sessions/{}", tokens.session);
        client.call("DELETE", &path).bearer(&other.access).send().is(204);
    }),
    ("a revocation", |client, _, tokens| {
        let form = [("token", tokens.access.as_str()), ("client_id", "web")];
        client.post("/oauth2/revoke").form(&form).send().is(200);
    }),
    ("a change of password", |client, person, _| {
        let other = client.log_in(person);
        let body = json!({
            "current_password": person.password, "new_password": "eleven green herons",
        });
        client.post("/auth/password").bearer(&other.access).json(&body).send().is(204);
    }),
    ("a reuse", |client, _, tokens| {
        let next = client.refreshed(tokens.refresh(), Some(&retry_key()));
        let _ = client.refreshed(next.refresh(), None);
        client.refresh(tokens.refresh(), None).is_problem(401, "refresh_token_reused");
    }),
];

fn every_way_of_ending_a_session_shows_within_a_second(store: Store) {
    let setup = with_status(store);
    let server = setup.clone().start();
    let replica = replica_of(&server, store);
    let servers: Vec<&Server> = std::iter::once(&server).chain(&replica).collect();
    let client = server.client();
    let (_, stays) = client.new_session();
    for (how, end) in WAYS {
        let (person, tokens) = client.new_session();
        is_valid(&tokens, &servers);
        end(&client, &person, &tokens);
        shows(&tokens, &servers, how);
    }
    if store.survives {
        let (person, tokens) = client.new_session();
        let email = person.email.as_str();
        is_valid(&tokens, &servers);
        setup.run(&["accounts", "disable", email]).is(0);
        shows(&tokens, &servers, "an account that is disabled");
        let (_, tokens) = client.new_session();
        setup.run(&["sessions", "revoke", &tokens.session]).is(0);
        shows(&tokens, &servers, "a revocation by command");
    }
    is_valid(&stays, &servers);
}

fn no_two_sessions_share_an_entry(store: Store) {
    let server = with_status(store).start();
    let client = server.client();
    let person = client.new_person();
    let sessions: Vec<Tokens> = (0..40).map(|_| client.log_in(&person)).collect();
    let mut entries: Vec<String> = sessions
        .iter()
        .map(|tokens| format!("{:?}", StatusEntry::of(&tokens.access).unwrap()))
        .collect();
    entries.sort();
    entries.dedup();
    assert_eq!(entries.len(), sessions.len());
    // A session keeps its entry, and revoking one session does not affect others.
    let next = client.refreshed(sessions[0].refresh(), None);
    assert_eq!(StatusEntry::of(&next.access), StatusEntry::of(&sessions[0].access));
    client.log_out(next.refresh()).is(204);
    shows(&next, &[&server], "a logout");
    for tokens in &sessions[1..] {
        is_valid(tokens, &[&server]);
    }
}

fn a_list_is_as_the_draft_wants_it(store: Store) {
    let server = with_status(store).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    assert_eq!(entry.uri, format!("{}{}", aquaware_tests::ISSUER, entry.path()));
    let response = client.get(entry.path()).send();
    let list = StatusListToken::of(&response);
    assert_eq!(response.header("cache-control"), Some("public, no-cache"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert!(response.header("vary").unwrap().contains("Accept-Encoding"));
    let (header, claims) = (&list.jws.header, &list.jws.claims);
    assert_eq!(header["typ"], "statuslist+jwt");
    let key = Jws::read(&tokens.access).header["kid"].clone();
    assert_eq!(header["kid"], key, "signed as access tokens are");
    assert_eq!(claims["sub"], entry.uri);
    assert_eq!(claims["ttl"], 10);
    assert_eq!(list.jws.number("exp") - list.jws.number("iat"), 24 * 3600);
    assert_eq!(list.entries(), 1 << 20);
    // The aggregation names all lists, and the metadata names the aggregation.
    let metadata = client.get("/.well-known/oauth-authorization-server").send().json();
    let all = metadata["status_list_aggregation_endpoint"].as_str().unwrap();
    assert_eq!(all, format!("{}/status-lists", aquaware_tests::ISSUER));
    let all = client.get("/status-lists").send().expect(200);
    assert_eq!(all.header("content-type"), Some("application/json"));
    let lists = all.member("status_lists");
    assert!(lists.as_array().unwrap().iter().any(|uri| *uri == entry.uri), "{lists}");
}

#[test]
fn a_list_is_signed_with_a_published_key_and_is_not_an_access_token() {
    let setup = with_status(Store::SQLITE);
    let server = setup.clone().start();
    let client = server.client();
    let token = client.get("/status-lists/0").send().text().to_owned();
    let jws = Jws::read(&token);
    let keys = client.get("/.well-known/jwks.json").send().json();
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == jws.header["kid"]).unwrap();
    let x = aquaware_tests::from_base64url(key["x"].as_str().unwrap());
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, x);
    public.verify(jws.signed().as_bytes(), &jws.signature).unwrap();
    client.me(&token).is_invalid_token();
    client.refresh(&token, None).is_problem(401, "invalid_refresh_token");
    let form = [("token", token.as_str()), ("client_id", "web")];
    client.post("/oauth2/revoke").form(&form).send().is(200);
    let told = setup.run_fed(&["token", "inspect", "--json"], &token).printed_json();
    assert_eq!((&told["kind"], &told["accepted"]), (&json!("status_list"), &json!(false)));
}

#[test]
fn an_unchanged_list_is_not_sent_again() {
    let server = with_status(Store::SQLITE).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    let get = || client.get(entry.path());
    let first = get().send().expect(200);
    let tag = first.header("etag").unwrap().to_owned();
    let known = get().header("If-None-Match", &tag).send();
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), Some(tag.as_str()));
    pause(Duration::from_millis(600));
    get().header("If-None-Match", &tag).send().is(304);
    assert_eq!(get().send().text(), first.text(), "the very same token");
    client.log_out(tokens.refresh()).is(204);
    let changed = wait_for("the list to change", TIMEOUT, || {
        let response = get().header("If-None-Match", &tag).send();
        (response.status == 200).then_some(response)
    });
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let head = client.call("HEAD", entry.path()).send();
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn gzip_shortens_a_list_without_changing_it() {
    let server = with_status(Store::SQLITE).start();
    let client = server.client();
    let plain = client.get("/status-lists/0").send().expect(200);
    let coded = client.get("/status-lists/0").header("Accept-Encoding", "br, gzip").send();
    assert_eq!(coded.header("content-encoding"), Some("gzip"));
    assert_ne!(coded.header("etag"), plain.header("etag"));
    assert!(coded.body.len() < plain.body.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*coded.body).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    let refused = client.get("/status-lists/0").header("Accept-Encoding", "gzip;q=0").send();
    assert_eq!((refused.header("content-encoding"), refused.text()), (None, plain.text()));
}

#[test]
fn other_lists_types_methods_and_times_are_rejected() {
    let server = with_status(Store::SQLITE).start();
    let client = server.client();
    for path in ["4096", "01", "-1", "x", "0/0", "0;x", "%30%30", "99999999999999999999"] {
        client.get(&format!("/status-lists/{path}")).send().is_problem(404, "not_found");
    }
    client.get("/status-lists/0?time=1700000000").send().is_problem(404, "not_found");
    let cwt = client.get("/status-lists/0").header("Accept", "application/statuslist+cwt");
    cwt.send().is_problem(406, "not_acceptable");
    client.get("/status-lists/0/").header("Accept", "text/html, */*;q=0.1").send().is(200);
    let posted = client.post("/status-lists/0").send();
    posted.is_problem(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), Some("GET, HEAD, OPTIONS"));
    // Every possible list exists, and is empty until one of its entries is revoked.
    let last = StatusListToken::of(&client.get("/status-lists/4095").send());
    assert!((0..1 << 20).step_by(4099).all(|idx| last.value(idx) == 0));
}

#[test]
fn only_clients_configured_for_it_have_a_status() {
    let server = with_status(Store::SQLITE).start();
    let client = server.client();
    let person = client.new_person();
    let device = client.log_in_as(&person, "device");
    assert_eq!(StatusEntry::of(&device.access), None);
    drop(server);
    let server = Setup::on(Store::SQLITE).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    assert_eq!(StatusEntry::of(&tokens.access), None);
    let metadata = client.get("/.well-known/oauth-authorization-server").send().json();
    assert!(metadata.get("status_list_aggregation_endpoint").is_none());
}

#[test]
fn disabling_status_lists_ends_no_session_and_keeps_revocations() {
    let server = with_status(Store::SQLITE).start();
    let (_, tokens) = server.client().new_session();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    let stopped = server.stop();
    let server = stopped.setup().set("clients.web.status", "false").start();
    let client = server.client();
    let next = client.refreshed(tokens.refresh(), None);
    assert_eq!(StatusEntry::of(&next.access), None);
    client.log_out(next.refresh()).is(204);
    let shows = || (entry.value(&client) == 1).then_some(());
    wait_for("the older token's entry to be set", TIMEOUT, shows);
}

#[test]
fn a_shared_secret_does_not_sign_lists() {
    let server = Setup::new().set("keys.algorithm", "HS256").start();
    for path in ["/status-lists/0", "/status-lists"] {
        server.client().get(path).send().is_problem(404, "not_found");
    }
}

#[test]
fn revocations_show_after_a_restart_and_a_key_rotation() {
    let setup = with_status(Store::SQLITE);
    let server = setup.start();
    let (_, tokens) = server.client().new_session();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    server.client().log_out(tokens.refresh()).is(204);
    let server = server.kill9().start();
    let client = server.client();
    assert_eq!(entry.value(&client), 1, "at the first response after the start");
    let kid = || Jws::read(client.get(entry.path()).send().text()).header["kid"].clone();
    let before = kid();
    let stopped = server.stop();
    let setup = stopped.setup();
    let server = stopped.start();
    setup.run(&["keys", "rotate"]).is(0);
    // Without SIGHUP: the server notices that the directory changed.
    let client = server.client();
    wait_for("the list to be signed with the new key", TIMEOUT, || {
        let list = StatusListToken::of(&client.get(entry.path()).send());
        assert_eq!(list.value(entry.idx), 1);
        (list.jws.header["kid"] != before).then_some(())
    });
}

#[test]
fn while_the_store_is_unreachable_no_list_is_served_and_no_request_queues() {
    let redis = Redis::start(RedisOptions::default()).unwrap();
    let proxy = Proxy::to(redis.address()).unwrap();
    let url = redis.url_at(proxy.address());
    let setup = with_status(Store::SQLITE).set("store.timeout", "3s");
    let server = setup.set("store.sessions", &url).set("store.accounts", &url).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let entry = StatusEntry::of(&tokens.access).unwrap();
    assert_eq!(entry.value(&client), 0);
    // Every request to it is lost and times out.
    proxy.set(Fault::BlackHole);
    pause(Duration::from_millis(600));
    let since = Instant::now();
    thread::scope(|scope| {
        for _ in 0..24 {
            let ask = || server.client().get(entry.path()).send();
            let _ = scope.spawn(move || ask().is_problem(503, "store_unavailable"));
        }
    });
    // Sequentially, each with its own timeout, they would take 72 seconds.
    assert!(since.elapsed() < Duration::from_secs(36), "{:?}", since.elapsed());
    client.get("/status-lists").send().is(200);
    proxy.set(Fault::Pass);
    proxy.cut();
    wait_for("the list to be back", TIMEOUT, || {
        (client.get(entry.path()).send().status == 200).then_some(())
    });
    wait_for("the logout", TIMEOUT, || {
        let response = client.log_out(tokens.refresh());
        (response.status != 503).then(|| response.is(204))
    });
    shows(&tokens, &[&server], "a logout after the outage");
}
