//! `aquaware keys`: manual rotation and dropping a leaked key, while a server is running.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aquaware_tests::{Client, Jws, Outcome, Server, Setup, pause, wait_for};
use serde_json::Value;

pub(crate) fn keys(setup: &Setup, arguments: &[&str]) -> Value {
    setup.run(&[&["keys"], arguments, &["--json"]].concat()).json()
}

/// The ids of the keys of this type in this phase.
pub(crate) fn named(response: &Value, key_type: &str, phase: &str) -> Vec<String> {
    let keys = response["keys"].as_array().unwrap().iter();
    keys.filter(|it| it["type"] == key_type && it["phase"] == phase)
        .map(|it| it["kid"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn one(response: &Value, key_type: &str, phase: &str) -> String {
    let mut names = named(response, key_type, phase);
    assert_eq!(names.len(), 1, "{key_type} {phase}: {response}");
    names.remove(0)
}

pub(crate) fn kid(token: &str) -> String {
    Jws::read(token).header["kid"].as_str().unwrap().to_owned()
}

pub(crate) fn published(client: &Client) -> BTreeSet<String> {
    let set = client.get("/.well-known/jwks.json").send().json();
    let kids = set["keys"].as_array().unwrap().iter();
    kids.map(|it| it["kid"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn reload(server: &Server) {
    let count = |what: &str| server.log().matches(what).count();
    let before = count("reloaded keys");
    let mut failed = count("reload failed");
    server.ask_to_reload();
    wait_for("the keys to be read", Duration::from_secs(30), || {
        // Another process may use the keys for longer than a reload waits.
        if count("reload failed") > failed {
            failed = count("reload failed");
            server.ask_to_reload();
        }
        (count("reloaded keys") > before).then_some(())
    });
}

#[test]
fn keys_are_listed_with_their_phases_but_without_key_material() {
    let setup = Setup::new();
    let none = setup.run(&["keys", "list"]);
    none.is(0);
    assert!(none.stdout.contains("no keys"), "{}", none.stdout);
    assert!(!setup.file("keys").exists(), "looking makes none");
    setup.run(&["keys", "rotate"]).is_rejected(1, "no keys");
    setup.run(&["keys", "generate"]).is_rejected(1, "no keys");
    let _ = setup.clone().start().stop();
    let listed = keys(&setup, &["list"]);
    for key_type in ["access", "refresh"] {
        let (active, next) = (one(&listed, key_type, "active"), one(&listed, key_type, "next"));
        assert_ne!(active, next);
    }
    let first = &listed["keys"][0];
    assert_eq!((&first["algorithm"], &first["phase"]), (&"EdDSA".into(), &"active".into()));
    assert!(first["active_from"].is_string() && first["created_at"].is_string(), "{first}");
    let text = setup.run(&["keys", "list"]).stdout;
    assert!(text.contains("EdDSA") && text.contains("HS256") && text.contains("next"), "{text}");
    for entry in fs::read_dir(setup.file("keys")).unwrap() {
        let key: Value = match serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()) {
            Ok(key) => key,
            Err(_) => continue,
        };
        for line in key["key"].as_str().unwrap().lines().filter(|it| !it.contains("PRIVATE")) {
            assert!(!format!("{text}{listed}").contains(line));
        }
    }
}

#[test]
fn a_rotation_reaches_a_running_server_and_old_tokens_stay_valid() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (_, old) = client.new_session();
    let before = keys(&setup, &["list"]);
    let (active, next) = (one(&before, "access", "active"), one(&before, "access", "next"));
    let next_refresh = one(&before, "refresh", "next");
    assert_eq!(kid(&old.access), active);

    let rotated = keys(&setup, &["rotate"]);
    assert_eq!(one(&rotated, "access", "active"), next);
    assert_eq!(one(&rotated, "access", "retiring"), active);
    let newest = one(&rotated, "access", "next");
    assert_eq!(one(&rotated, "refresh", "active"), next_refresh);
    // The key was created just now, so it cannot have been known for long.
    assert_eq!(rotated["warnings"].as_array().unwrap().len(), 2, "{rotated}");
    assert_eq!(
        (&rotated["rotated"][0]["from"], &rotated["rotated"][0]["to"]),
        (&active.clone().into(), &next.clone().into())
    );

    reload(&server);
    client.me(&old.access).is(200);
    let new = client.refreshed(old.refresh(), None);
    assert_eq!((kid(&new.access), kid(new.refresh())), (next.clone(), next_refresh));
    client.me(&new.access).is(200);
    assert_eq!(published(&client), BTreeSet::from([active, next, newest]));
    for entry in fs::read_dir(setup.file("keys")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn one_key_type_can_be_rotated_alone_and_warnings_are_printed() {
    let setup = Setup::new();
    let _ = setup.clone().start().stop();
    let before = keys(&setup, &["list"]);
    let run = setup.run(&["keys", "rotate", "--type", "access"]);
    run.is(0);
    assert!(run.stderr.contains("warning: the access key"), "{}", run.stderr);
    assert!(run.stdout.contains("SIGHUP"), "{}", run.stdout);
    let after = keys(&setup, &["list"]);
    assert_ne!(one(&after, "access", "active"), one(&before, "access", "active"));
    assert_eq!(one(&after, "refresh", "active"), one(&before, "refresh", "active"));
    let _ = keys(&setup, &["rotate", "--type", "refresh"]);
    let last = keys(&setup, &["list"]);
    assert_ne!(one(&last, "refresh", "active"), one(&before, "refresh", "active"));
    assert_eq!(one(&last, "access", "active"), one(&after, "access", "active"));
    setup.run(&["keys", "rotate", "--type", "other"]).is_rejected(2, "other");
}

/// Tells workers to stop, also when a test fails.
pub(crate) struct StopsWhenDropped<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn ten_rotations_under_load_reject_no_valid_token() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let sessions: Vec<_> = (0..3).map(|_| client.new_session().1).collect();
    let (done, refreshes) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Whatever fails here, the workers must stop.
        let stop = StopsWhenDropped(&done);
        let workers: Vec<_> = sessions
            .iter()
            .map(|first| {
                let (client, done, refreshes) = (client.clone(), &done, &refreshes);
                scope.spawn(move || {
                    let mut tokens = first.clone();
                    while !done.load(Ordering::Relaxed) {
                        let next = client.refreshed(tokens.refresh(), None);
                        client.me(&next.access).is(200);
                        // Tokens issued before the rotations are valid until they expire.
                        client.me(&first.access).is(200);
                        tokens = next;
                        refreshes.fetch_add(1, Ordering::Relaxed);
                    }
                    kid(&client.refreshed(tokens.refresh(), None).access)
                })
            })
            .collect();
        for _ in 0..10 {
            let before = refreshes.load(Ordering::Relaxed);
            let _ = keys(&setup, &["rotate"]);
            reload(&server);
            wait_for("some refreshes", Duration::from_secs(60), || {
                (refreshes.load(Ordering::Relaxed) > before + 6).then_some(())
            });
        }
        drop(stop);
        let active = one(&keys(&setup, &["list"]), "access", "active");
        for worker in workers {
            assert_eq!(worker.join().unwrap(), active);
        }
    });
    let listed = keys(&setup, &["list"]);
    assert_eq!(named(&listed, "access", "retiring").len(), 10);
    assert_eq!(named(&listed, "refresh", "retiring").len(), 10);
}

#[test]
fn dropping_an_access_key_requires_a_refresh() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let leaked = kid(&tokens.access);
    let drop = ["keys", "rotate", "--drop", leaked.as_str()];
    setup.run(&drop).is_rejected(2, "clients have to refresh");
    client.me(&tokens.access).is(200);
    let dropped = setup.run(&[&drop[..], &["--yes", "--json"]].concat()).json();
    assert_eq!(dropped["dropped"], leaked);
    assert_eq!(dropped["successor"], one(&dropped, "access", "active"));
    assert_eq!(named(&dropped, "access", "retiring"), [""; 0]);
    reload(&server);
    client.me(&tokens.access).is_invalid_token();
    assert!(!published(&client).contains(&leaked));
    let new = client.refreshed(tokens.refresh(), None);
    client.me(&new.access).is(200);
    setup.run(&[&drop[..], &["--yes"]].concat()).is_rejected(1, "there is no key");
    let _ = one(&keys(&setup, &["list"]), "access", "next");
}

#[test]
fn dropping_a_refresh_key_requires_a_login_and_affects_no_other_type() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let _ = keys(&setup, &["rotate", "--type", "refresh"]);
    reload(&server);
    let newer = client.log_in(&person);
    let leaked = kid(tokens.refresh());
    assert_ne!(leaked, kid(newer.refresh()));
    let drop = ["keys", "rotate", "--drop", leaked.as_str()];
    let (outcome, seen) = setup.run_at_terminal(&drop, &[("Type yes", "no")]);
    assert_eq!(outcome, Outcome::Exit(1), "{seen}");
    assert!(seen.contains("log in again") && seen.contains("nothing was changed"), "{seen}");
    let (outcome, seen) = setup.run_at_terminal(&drop, &[("Type yes", "yes")]);
    assert_eq!(outcome, Outcome::Exit(0), "{seen}");
    reload(&server);
    client.refresh(tokens.refresh(), None).is_problem(401, "invalid_refresh_token");
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(newer.refresh(), None);
}

#[test]
fn another_algorithm_can_be_published_before_it_signs() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let client = server.client();
    let (_, old) = client.new_session();
    let changed = setup.clone().set("keys.algorithm", "ES256");
    let made = keys(&changed, &["generate"]);
    let kid_made = made["made"].as_str().unwrap().to_owned();
    assert!(named(&made, "access", "next").contains(&kid_made), "{made}");
    reload(&server);
    assert!(published(&client).contains(&kid_made));
    assert_eq!(kid(&client.refreshed(old.refresh(), None).access), kid(&old.access));

    let _ = server.stop();
    let server = changed.clone().start();
    let client = server.client();
    let (_, new) = client.new_session();
    assert_eq!(kid(&new.access), kid_made, "what was made ahead signs");
    assert_eq!(Jws::read(&new.access).header["alg"], "ES256");
    client.me(&old.access).is(200);
}

/// RFC 9864: a key is bound to one name of its algorithm.
#[test]
fn the_other_name_of_ed25519_takes_a_new_key_and_earlier_tokens_stay_valid() {
    let setup = Setup::new();
    let server = setup.clone().start();
    let (_, old) = server.client().new_session();
    let _ = server.stop();
    let server = setup.set("keys.algorithm", "Ed25519").start();
    let client = server.client();
    let new = client.refreshed(old.refresh(), None);
    assert_ne!(kid(&new.access), kid(&old.access));
    for (token, name) in [(&old.access, "EdDSA"), (&new.access, "Ed25519")] {
        assert_eq!(Jws::read(token).header["alg"], name);
        client.me(token).is(200);
        let set = client.get("/.well-known/jwks.json").send().expect(200).json();
        let keys = set["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["kid"] == kid(token)).expect("the key");
        assert_eq!((&key["alg"], &key["crv"]), (&name.into(), &"Ed25519".into()));
    }
    let document = client.get("/.well-known/openid-configuration").send().expect(200).json();
    assert_eq!(document["id_token_signing_alg_values_supported"], serde_json::json!(["Ed25519"]));
}

#[test]
fn a_key_file_readable_by_others_is_reported_once_and_used_when_corrected() {
    let (setup, other) = (Setup::new(), Setup::new());
    let server = setup.clone().start();
    let _ = other.clone().start().stop();
    let wanted = one(&keys(&other, &["list"]), "access", "next");
    let holds = |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.contains(&wanted));
    let files = fs::read_dir(other.file("keys")).unwrap();
    let file = files.map(|entry| entry.unwrap().path()).find(|path| holds(path)).unwrap();

    // The mode is wrong before the file is moved into place.
    let copy = setup.file("keys").join(file.file_name().unwrap());
    let aside = setup.file("aside.json");
    let _ = fs::copy(&file, &aside).unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&aside, &copy).unwrap();
    let said = || server.log().matches("failed to reload the keys").count();
    wait_for("what is wrong", Duration::from_secs(30), || (said() > 0).then_some(()));
    pause(Duration::from_secs(2));
    assert_eq!(said(), 1, "{}", server.log());
    let client = server.client();
    assert!(!published(&client).contains(&wanted));
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    wait_for("the key", Duration::from_secs(30), || {
        published(&client).contains(&wanted).then_some(())
    });
}
