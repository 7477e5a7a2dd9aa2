//! Accounts with many sessions: pages, the limit, and ends that take more than one request.

use std::time::Duration;

use aquaware_servers::{Fault, Proxy, Redis, RedisOptions};
use aquaware_tests::{Client, Jws, Person, Response, Setup, Store, Tokens, on_every_store, pause};
use serde_json::{Value, json};

on_every_store!(pages_contain_every_session_once, a_login_beyond_the_limit_ends_the_oldest);

fn page(client: &Client, access: &str, query: &str) -> Response {
    client.get(&format!("/auth/sessions{query}")).bearer(access).send()
}

fn ids(page: &Response) -> Vec<String> {
    let sessions = page.member("sessions");
    sessions.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

fn pages_contain_every_session_once(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let person = client.new_person();
    let mut opened: Vec<Tokens> = (0..6).map(|_| client.log_in(&person)).collect();
    // Sessions of one millisecond are in the order of their ids.
    pause(Duration::from_millis(2));
    opened.push(client.log_in(&person));
    opened.reverse();
    let access = &opened[0].access;
    let (mut found, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = page(&client, access, &query).expect(200);
        assert!(ids(&page).len() <= 3);
        found.extend(ids(&page));
        let body = page.json();
        let Some(next) = body.get("next") else { break };
        query = format!("?limit=3&cursor={}", next.as_str().unwrap());
    }
    let mut expected: Vec<_> = opened.iter().map(|tokens| tokens.session.clone()).collect();
    assert_eq!(found[0], expected[0]);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(ids(&page(&client, access, "?limit=5000")).len(), 7);
    assert_eq!(ids(&page(&client, access, "")).len(), 7);

    // Another account's cursor is not a cursor.
    let (_, other) = client.new_session();
    let _ = client.log_in(&person);
    for bad in
        ["?limit=0", "?limit=-1", "?limit=x", "?limit=", "?cursor=x", "?cursor=", "?limit=1.5"]
    {
        page(&client, access, bad).is_problem(400, "invalid_request");
    }
    page(&client, &other.access, &query).is_problem(400, "invalid_request");
}

fn a_login_beyond_the_limit_ends_the_oldest(store: Store) {
    let server =
        Setup::on(store).set("limits.sessions_per_account", "2").set("log.format", "json").start();
    let client = server.client();
    let person = client.new_person();
    let [first, second] = [0; 2].map(|_| client.log_in(&person));
    let device = client.log_in_as(&person, "device");
    let first = client.refreshed(first.refresh(), None);
    let third = client.log_in(&person);
    client.me(&second.access).is_invalid_token();
    client.refresh(second.refresh(), None).is_problem(401, "session_revoked");
    for tokens in [&first, &third, &device] {
        client.me(&tokens.access).is(200);
    }
    let log = server.stop().log();
    let ended: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event"] == "session_ended")
        .collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["session_id"], second.session);
    assert_eq!(ended[0]["reason"], "limit");
}

/// Inserts sessions of a subject, or removes them: those from 1 to `count`.
fn script(redis: &Redis, text: &str, subject: &str, count: usize) {
    let keys = redis.command(&["KEYS", "*u:*"]).unwrap();
    let index = keys.list()[0].text().unwrap();
    let (prefix, _) = index.split_once("u:").unwrap();
    // A script occupies the server, so it is a short one.
    for first in (1..=count).step_by(2_500) {
        let last = (first + 2_499).min(count);
        let [first, last] = [first, last].map(|number| number.to_string());
        let done = redis.command(&["EVAL", text, "0", prefix, subject, &first, &last]).unwrap();
        assert_eq!(done.text(), Some("OK"), "{done:?}");
    }
}

const INSERT: &str = "for n = tonumber(ARGV[3]), tonumber(ARGV[4]) do
  local id = string.format('%021dA', n)
  redis.call('HSET', ARGV[1] .. 's:' .. id, 'subject', ARGV[2], 'client', 'web', 'created', n,
    'ends', '9000000000000', 'generation', 1, 'issued', n, 'expires', '9000000000000', 'used', n)
  redis.call('ZADD', ARGV[1] .. 'u:' .. ARGV[2], '9000691200000', id .. ' ' .. n)
end
return 'OK'";

const REMOVE: &str = "for n = tonumber(ARGV[3]), tonumber(ARGV[4]) do
  local id = string.format('%021dA', n)
  redis.call('DEL', ARGV[1] .. 's:' .. id)
  redis.call('ZREM', ARGV[1] .. 'u:' .. ARGV[2], id .. ' ' .. n)
end
return 'OK'";

#[test]
fn a_hundred_thousand_sessions_end_in_repeated_calls_that_all_make_progress() {
    let redis = Redis::start(RedisOptions::default()).unwrap();
    let setup = Setup::new()
        .set("store.sessions", &redis.url())
        .set("limits.sessions_per_account", "unlimited");
    let patient = setup.clone().start();
    let (person, tokens) = patient.client().new_session();
    let subject = Jws::read(&tokens.access).claims["sub"].as_str().unwrap().to_owned();
    script(&redis, INSERT, &subject, 100_000);
    let list = || page(&patient.client(), &tokens.access, "?limit=100").expect(200);
    let first = list();
    assert_eq!(ids(&first).len(), 100);
    assert_eq!(ids(&first)[0], tokens.session, "the newest");

    // A replica that does not wait as long. Ends take 500 sessions at a time, and each time takes a
    // while: within twelve seconds, which a request may wait for the store, not all of them can end.
    let network = Proxy::to(redis.address()).unwrap();
    let setup = setup.set("store.sessions", &redis.url_at(network.address()));
    let server = setup.set("store.timeout", "6s").start();
    network.set(Fault::Delay(Duration::from_millis(150)));
    let client = server.client();
    let new = Person::new().password;
    let change = json!({ "current_password": person.password, "new_password": new });
    let call = || client.post("/auth/password").bearer(&tokens.access).json(&change).send();
    in_parts(&call());
    client.try_log_in(&person.email, &person.password).is(401);
    // The same request continues, although the old password does not match any more.
    let repeated = call();
    assert!([202, 204].contains(&repeated.status), "{}", repeated.describe());
    let stranger = json!({ "current_password": "quartz wrong", "new_password": "quartz other" });
    client.post("/auth/password").bearer(&tokens.access).json(&stranger).send().is(401);
    script(&redis, REMOVE, &subject, 99_990);
    let last = (0..50).map(|_| call()).find(|response| response.status != 202).unwrap();
    last.is(204);
    assert_eq!(ids(&list()), std::slice::from_ref(&tokens.session));

    let person = Person { password: new, ..person };
    let other = client.log_in(&person);
    script(&redis, INSERT, &subject, 100_000);
    let call = || client.post("/auth/logout-all").bearer(&tokens.access).send();
    in_parts(&call());
    client.me(&other.access).is_invalid_token();
    script(&redis, REMOVE, &subject, 99_990);
    let last = (0..50).map(|_| call()).find(|response| response.status != 202).unwrap();
    assert!(last.expect(200).member("revoked").as_u64().unwrap() >= 1);
    client.me(&tokens.access).is_invalid_token();
}

#[track_caller]
fn in_parts(response: &Response) {
    response.is(202);
    let body = response.json();
    assert!(body["revoked"].as_u64().unwrap() > 0, "{body}");
    assert_eq!(body["remaining"], true, "{body}");
}
