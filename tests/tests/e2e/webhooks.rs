//! The webhook: signed messages, at least once, in order per account, and never on the path of a
//! request.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aquaware_tests::{
    Answer, Jws, Message, Receiver, Server, Setup, Store, WEBHOOK_SECRET, on_every_server, wait_for,
};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

on_every_server!(a_message_is_sent_once_by_two_replicas);

fn kinds(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::kind).collect()
}

fn account(access: &str) -> String {
    Jws::read(access).claims["sub"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_signed(message: &Message) {
    let secret = STANDARD.decode(WEBHOOK_SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signed = format!("{}.{}.{}", message.id, message.timestamp, message.body);
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(message.signature, format!("v1,{signature}"));
}

#[test]
fn events_arrive_signed_and_in_order() {
    let receiver = Receiver::new();
    let server = Setup::new().webhook(&receiver).start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    client.log_out(tokens.refresh()).is(204);
    let messages = receiver.wait_for(3);
    assert_eq!(kinds(&messages), ["account_created", "login_succeeded", "session_ended"]);
    let ids: BTreeSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), 3);
    messages.iter().for_each(assert_signed);
    let (account, session) = (account(&tokens.access), &tokens.session);
    let expected: [Value; 3] = [
        json!({ "account_id": account }),
        json!({ "account_id": account, "session_id": session, "client_id": "web" }),
        json!({
            "account_id": account, "session_id": session, "client_id": "web", "reason": "logout",
        }),
    ];
    assert_eq!(messages.iter().map(|it| it.member("data")).collect::<Vec<_>>(), expected);
    for message in &messages {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let members: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 3, "{members:?}");
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}

#[test]
fn only_the_listed_events_are_sent() {
    let receiver = Receiver::new();
    let server =
        Setup::new().webhook(&receiver).set("webhook.events", "session_ended,login_failed").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    client.try_log_in(&person.email, "a wrong password").is(401);
    client.log_out(tokens.refresh()).is(204);
    let found: BTreeSet<_> = kinds(&receiver.wait_for(2)).into_iter().collect();
    assert_eq!(found, ["login_failed", "session_ended"].map(str::to_owned).into());
}

#[test]
fn a_receiver_that_hangs_costs_no_request_anything() {
    let receiver = Receiver::start(|_| Answer::Hang);
    let server = Setup::new().webhook(&receiver).start();
    let client = server.client();
    let _ = client.new_session();
    let _ = receiver.wait_for(1);
    let start = Instant::now();
    for _ in 0..20 {
        let (_, tokens) = client.new_session();
        client.log_out(tokens.refresh()).is(204);
    }
    // Waiting for the receiver, which takes up to 15 s, would cost minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let _ = server.stop();
}

#[test]
fn a_failing_delivery_is_repeated_and_holds_up_no_other_account() {
    let receiver = Receiver::new();
    let server = Setup::new().webhook(&receiver).start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let first = account(&tokens.access);
    let _ = receiver.wait_for(2);
    let failing = first.clone();
    receiver.answer(move |message| {
        let fails = message.account().as_ref() == Some(&failing);
        Answer::Status(if fails { 500 } else { 200 })
    });
    let _ = client.log_in(&person);
    let _ = client.log_in(&person);
    let (_, other) = client.new_session();
    let other = account(&other.access);
    // The failing one fails all the time.
    wait_for("the messages of the other account", Duration::from_secs(30), || {
        let theirs = |message: &&Message| message.account().as_ref() == Some(&other);
        (receiver.messages().iter().filter(theirs).count() == 2).then_some(())
    });
    let of_first = || -> Vec<Message> {
        let mut messages = receiver.messages();
        messages.retain(|message| message.account().as_ref() == Some(&first));
        messages
    };
    receiver.answer(|_| Answer::Status(200));
    // On a busy machine it may fail twice before; the third attempt follows after half a minute.
    let messages = wait_for("the repeated message", Duration::from_secs(90), || {
        Some(of_first()).filter(|messages| different(messages).len() >= 4)
    });
    assert_eq!(messages[2].id, messages[3].id, "the message that failed is repeated first");
    assert_eq!(messages[2].body, messages[3].body);
    assert_signed(&messages[3]);
    assert_eq!(different(&messages).len(), 4, "in order, and the last one once");
    assert_ne!(messages[messages.len() - 2].id, messages[messages.len() - 1].id);
}

/// The messages without repetitions that follow each other.
fn different(messages: &[Message]) -> Vec<Message> {
    let mut messages = messages.to_vec();
    messages.dedup_by(|next, message| next.id == message.id);
    messages
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let receiver = Receiver::start(|_| Answer::Status(307));
    let server = Setup::new().webhook(&receiver).start();
    let (_, tokens) = server.client().new_session();
    let _ = receiver.wait_for(1);
    receiver.answer(|_| Answer::Status(200));
    let messages = wait_for("the next message", Duration::from_secs(90), || {
        Some(receiver.messages()).filter(|messages| different(messages).len() >= 2)
    });
    assert_eq!(kinds(&different(&messages)), ["account_created", "login_succeeded"]);
    assert_eq!(messages[0].id, messages[1].id, "repeated, because it was not confirmed");
    assert_eq!(messages.last().unwrap().account(), Some(account(&tokens.access)));
}

#[test]
fn a_kill_after_the_answer_loses_no_message() {
    let receiver = Receiver::start(|_| Answer::Status(503));
    let server = Setup::new().webhook(&receiver).start();
    let mut accounts = BTreeSet::new();
    for _ in 0..8 {
        let (_, tokens) = server.client().new_session();
        accounts.insert(account(&tokens.access));
    }
    let stopped = server.kill9();
    receiver.answer(|_| Answer::Status(200));
    let before = receiver.messages().len();
    let _server: Server = stopped.start();
    // The claims of the killed process end within a minute.
    wait_for("all messages", Duration::from_secs(200), || {
        let messages = receiver.messages();
        let after = messages.get(before..)?;
        let logins = after.iter().filter(|message| message.kind() == "login_succeeded");
        let found: BTreeSet<_> = logins.filter_map(Message::account).collect();
        (found == accounts).then_some(())
    });
}

fn a_message_is_sent_once_by_two_replicas(store: Store) {
    let receiver = Receiver::new();
    let one = Setup::on(store).webhook(&receiver).start();
    let keys = one.file("keys").display().to_string();
    let other = Setup::on(store).webhook(&receiver).set("keys.directory", &keys).start();
    let mut accounts = BTreeSet::new();
    for turn in 0..10 {
        let server = if turn % 2 == 0 { &one } else { &other };
        let (_, tokens) = server.client().new_session();
        accounts.insert(account(&tokens.access));
    }
    // Other tests share the database, but not the accounts.
    let ours = || -> Vec<Message> {
        let mut messages = receiver.messages();
        messages.retain(|message| message.account().is_some_and(|it| accounts.contains(&it)));
        messages
    };
    let found = wait_for("the messages", Duration::from_secs(30), || {
        Some(ours()).filter(|messages| messages.len() >= 20)
    });
    let ids: BTreeSet<&str> = found.iter().map(|message| message.id.as_str()).collect();
    assert_eq!((found.len(), ids.len()), (20, 20));
}

#[test]
fn a_command_tries_the_webhook() {
    let receiver = Receiver::new();
    let setup = Setup::new().webhook(&receiver);
    let done = setup.run(&["webhook", "test"]);
    done.is(0);
    let messages = receiver.wait_for(1);
    assert_eq!(kinds(&messages), ["webhook_test"]);
    assert_signed(&messages[0]);
    for status in [302, 404, 500] {
        receiver.answer(move |_| Answer::Status(status));
        let failed = setup.run(&["webhook", "test"]);
        failed.is(1);
        assert!(failed.stderr.contains(&status.to_string()), "{}", failed.stderr);
    }
    Setup::new().run(&["webhook", "test"]).is(2);
}

#[test]
fn the_webhook_settings_are_checked() {
    let secret = WEBHOOK_SECRET;
    for (url, secret, expected) in [
        ("http://hooks.example.com", secret, "webhook.url"),
        ("https://hooks.example.com", "", "requires webhook.secret"),
        ("https://hooks.example.com", "whsec_c2hvcnQ=", "webhook.secret"),
        ("", secret, "requires webhook.url"),
    ] {
        let setup = Setup::new().set("webhook.url", url).set("webhook.secret", secret);
        let failed = setup.run(&["config", "check"]);
        failed.is(2);
        assert!(failed.stderr.contains(expected), "{url}: {}", failed.stderr);
        assert!(secret.is_empty() || !failed.stderr.contains(secret), "{}", failed.stderr);
    }
    let unknown = Setup::new().set("webhook.events", "login_succeeded,login");
    unknown.run(&["config", "check"]).is(2);
}

#[test]
fn a_change_made_by_a_command_is_sent_by_the_server() {
    let receiver = Receiver::new();
    let setup = Setup::new().webhook(&receiver);
    let server = setup.clone().start();
    let (person, _) = server.client().new_session();
    let _ = receiver.wait_for(2);
    setup.run(&["accounts", "disable", &person.email]).is(0);
    let found: Vec<_> = kinds(&receiver.wait_for(4)).split_off(2);
    assert_eq!(found, ["account_disabled", "session_ended"]);
}
