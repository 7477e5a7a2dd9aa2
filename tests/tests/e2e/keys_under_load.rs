//! Key rotation while tokens are in use, as seen by everything that verifies them: the server, a
//! verifier with keys in memory, a verifier that just started, and another replica.
//!
//! The verifier is `aquaware-verifier`. It keeps the key set for its `max-age` of five minutes, and
//! operators are advised to wait as long between two rotations. No test waits for that: the
//! verifier is made to fetch after each rotation, but never between a rotation and the first tokens
//! of the new key.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use aquaware_tests::{Client, ISSUER, Server, Setup, Tokens, wait_for};
use aquaware_verifier::{Verifier, VerifyError};
use tokio::runtime::{Builder, Runtime};

use crate::commands_keys::{StopsWhenDropped, keys, kid, named, one, published, reload};

const ROTATIONS: usize = 10;
const WORKERS: usize = 3;
/// The number of refreshes between two changes.
const BETWEEN: usize = 3 * WORKERS;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn address(server: &Server) -> String {
    format!("http://{}", server.public())
}

/// A verifier without cached keys, like that of a service that just started.
fn discovered(runtime: &Runtime, issuer: &str) -> Verifier {
    let builder = Verifier::builder(issuer, issuer);
    runtime.block_on(builder.discover()).unwrap()
}

/// Which parties know that the key was dropped.
#[derive(Debug, Default)]
struct Leak {
    kid: Mutex<Option<String>>,
    /// The server knows.
    at_server: AtomicBool,
    /// The verifiers know.
    at_verifiers: AtomicBool,
}

impl Leak {
    fn is(&self, token: &str) -> bool {
        let leaked = self.kid.lock().unwrap_or_else(PoisonError::into_inner);
        leaked.as_deref() == Some(&*kid(token))
    }
}

/// Everything that verifies tokens, and the expected results.
#[derive(Debug)]
struct Checkers {
    client: Client,
    warm: Verifier,
    cold: RwLock<Verifier>,
    leak: Leak,
}

impl Checkers {
    fn verifiers(&self) -> [Verifier; 2] {
        [self.warm.clone(), self.cold.read().unwrap_or_else(PoisonError::into_inner).clone()]
    }

    fn restart_cold(&self, cold: Verifier) {
        *self.cold.write().unwrap_or_else(PoisonError::into_inner) = cold;
    }

    /// Asserts that every party accepts a token, unless its key was dropped and the party knows.
    fn check(&self, token: &str) {
        // Read before the checks: what is known now is still known during them.
        let told = self.leak.at_server.load(Ordering::SeqCst);
        let response = self.client.me(token);
        match (self.leak.is(token), told) {
            (false, _) => response.is(200),
            (true, true) => response.is_invalid_token(),
            (true, false) => {}
        }
        let told = self.leak.at_verifiers.load(Ordering::SeqCst);
        for (verifier, name) in self.verifiers().iter().zip(["warm", "cold"]) {
            let verdict = verifier.verify(token);
            match (self.leak.is(token), told) {
                (false, _) => assert!(verdict.is_ok(), "{name}: {verdict:?}"),
                (true, true) => {
                    assert_eq!(verdict.unwrap_err(), VerifyError::UnknownKey, "{name}");
                }
                (true, false) => {}
            }
        }
    }

    /// Refreshes until it is stopped, and passes on every access token.
    fn work(&self, first: &Tokens, done: &AtomicBool, refreshes: &AtomicUsize) -> Vec<String> {
        let _stop = StopsWhenDropped(done);
        let (mut tokens, mut all) = (first.clone(), vec![first.access.clone()]);
        while !done.load(Ordering::SeqCst) {
            tokens = self.client.refreshed(tokens.refresh(), None);
            self.check(&tokens.access);
            // Tokens issued earlier are valid until they expire, however many rotations followed.
            self.check(&all[all.len() / 2]);
            all.push(tokens.access.clone());
            let _ = refreshes.fetch_add(1, Ordering::SeqCst);
        }
        all
    }
}

#[test]
fn ten_rotations_under_load_go_unnoticed_by_verifiers_and_a_dropped_key_does_not() {
    let (setup, runtime) = (Setup::new().unset("issuer"), runtime());
    let server = setup.clone().start();
    let (client, issuer) = (server.client(), address(&server));
    let checkers = Checkers {
        client: client.clone(),
        warm: discovered(&runtime, &issuer),
        cold: RwLock::new(discovered(&runtime, &issuer)),
        leak: Leak::default(),
    };
    let (_, idle) = client.new_session();
    let sessions: Vec<_> = (0..WORKERS).map(|_| client.new_session().1).collect();
    let (done, refreshes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let more_refreshes = || {
        let before = refreshes.load(Ordering::SeqCst);
        wait_for("some refreshes", Duration::from_secs(60), || {
            // A failed worker does not reach this number.
            let over = done.load(Ordering::SeqCst);
            (over || refreshes.load(Ordering::SeqCst) > before + BETWEEN).then_some(())
        });
    };
    let refresh = |verifier: &Verifier| runtime.block_on(verifier.refresh()).unwrap();
    let (leaked, tokens) = thread::scope(|scope| {
        let (checkers, done, refreshes) = (&checkers, &done, &refreshes);
        let work = |first| scope.spawn(move || checkers.work(first, done, refreshes));
        let workers: Vec<_> = sessions.iter().map(work).collect();
        // Whatever fails here, the workers must stop.
        let stop = StopsWhenDropped(done);
        for round in 0..ROTATIONS {
            let _ = keys(&setup, &["rotate"]);
            // Services alternately start before and after the server knows of the rotation.
            if round % 2 == 0 {
                checkers.restart_cold(discovered(&runtime, &issuer));
            }
            reload(&server);
            more_refreshes();
            if round % 2 == 1 {
                checkers.restart_cold(discovered(&runtime, &issuer));
            }
            // It fetches the keys before the next rotation.
            checkers.verifiers().iter().for_each(refresh);
        }

        let leaked = one(&keys(&setup, &["list"]), "access", "active");
        *checkers.leak.kid.lock().unwrap() = Some(leaked.clone());
        setup.run(&["keys", "rotate", "--drop", &leaked, "--yes"]).is(0);
        reload(&server);
        checkers.leak.at_server.store(true, Ordering::SeqCst);
        checkers.verifiers().iter().for_each(refresh);
        checkers.leak.at_verifiers.store(true, Ordering::SeqCst);
        more_refreshes();
        drop(stop);
        let tokens = workers.into_iter().flat_map(|it| it.join().unwrap());
        (leaked, tokens.collect::<Vec<_>>())
    });
    checkers.restart_cold(discovered(&runtime, &issuer));
    tokens.iter().for_each(|token| checkers.check(token));
    let signers: BTreeSet<String> = tokens.iter().map(|token| kid(token)).collect();
    assert_eq!(signers.len(), ROTATIONS + 2, "each key has signed");
    assert!(signers.contains(&leaked));

    // A session that was idle during all rotations has a secret ten rotations old.
    assert_eq!(named(&keys(&setup, &["list"]), "refresh", "retiring").len(), ROTATIONS);
    let woken = client.refreshed(idle.refresh(), None);
    assert_eq!(woken.generation(), idle.generation() + 1);
    assert_ne!(kid(woken.refresh()), kid(idle.refresh()));
    checkers.check(&woken.access);
}

#[test]
fn a_replica_accepts_tokens_of_keys_that_another_replica_created() {
    // Both start at the same time with an empty directory, and end up with one set of keys.
    let (setup, runtime) = (Setup::new(), runtime());
    let [early, other] = thread::scope(|scope| {
        let starts = [setup.clone(), setup.clone()].map(|it| scope.spawn(|| it.start()));
        starts.map(|it| it.join().unwrap())
    });
    let ahead = early.client();
    assert_eq!(published(&ahead), published(&other.client()));
    // From here on, the second replica reads a copy, as on a file system that shows changes late:
    // it would follow a change of the shared directory within a second.
    let _ = other.stop();
    let copy = setup.file("late-keys");
    copy_keys(&setup.file("keys"), &copy);
    let late = setup.clone().set("keys.directory", &copy.display().to_string()).start();
    let behind = late.client();
    assert_eq!(published(&ahead), published(&behind));
    let verifiers = [&early, &late].map(|server| {
        let uri = format!("{}/.well-known/jwks.json", address(server));
        let builder = Verifier::builder(ISSUER, ISSUER);
        runtime.block_on(builder.jwks_uri(&uri)).unwrap()
    });
    let (person, old) = ahead.new_session();
    let all_accept = |tokens: &Tokens| {
        ahead.me(&tokens.access).is(200);
        behind.me(&tokens.access).is(200);
        for verifier in &verifiers {
            let verdict = verifier.verify(&tokens.access);
            assert!(verdict.is_ok(), "{verdict:?}");
        }
    };
    all_accept(&old);

    let rotated = keys(&setup, &["rotate"]);
    let (active, secret) = (one(&rotated, "access", "active"), one(&rotated, "refresh", "active"));
    reload(&early);
    let new = ahead.refreshed(old.refresh(), None);
    assert_eq!((kid(&new.access), kid(new.refresh())), (active.clone(), secret.clone()));
    // The late replica still signs with the previous keys.
    let login = behind.log_in(&person);
    assert_eq!((kid(&login.access), kid(login.refresh())), (kid(&old.access), kid(old.refresh())));
    for tokens in [&old, &new, &login] {
        all_accept(tokens);
    }
    // Each accepts the refresh tokens of the other.
    let back = behind.refreshed(new.refresh(), None);
    assert_eq!(back.generation(), new.generation() + 1);
    let there = ahead.refreshed(login.refresh(), None);
    assert_eq!(there.generation(), login.generation() + 1);
    for tokens in [&back, &there] {
        all_accept(tokens);
    }

    copy_keys(&setup.file("keys"), &copy);
    reload(&late);
    assert_eq!(published(&behind), published(&ahead));
    let last = behind.refreshed(back.refresh(), None);
    assert_eq!((kid(&last.access), kid(last.refresh())), (active, secret));
    for tokens in [&old, &new, &login, &back, &there, &last] {
        all_accept(tokens);
    }
}

/// Copies the keys. Each file appears completely or not at all, and keeps its mode.
fn copy_keys(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (file, partial) = (entry.unwrap().path(), to.with_extension("partial"));
        if file.extension().is_some_and(|it| it == "json") {
            let _ = fs::copy(&file, &partial).unwrap();
            fs::rename(&partial, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}
