//! A revocation from end to end: from the server that accepts it, through the list that it
//! publishes, to the verifier in a service, which checks tokens offline.

use std::time::{Duration, Instant};

use aquaware_tests::{Setup, pause, wait_for};
use aquaware_verifier::{Verifier, VerifyError};
use tokio::runtime::Runtime;

/// One second until it is published, and ten more for the default `ttl`; then the delay of a busy
/// machine. A verifier that missed one of its turns would need ten more.
const AT_MOST: Duration = Duration::from_secs(11 + 6);

/// A server whose issuer is its address, so that verifiers can discover it.
fn with_status() -> Setup {
    Setup::new().unset("issuer").set("clients.web.status", "true")
}

fn verifier(runtime: &Runtime, issuer: &str) -> Verifier {
    let discovery = Verifier::builder(issuer, issuer).discover();
    runtime.block_on(discovery).unwrap()
}

#[test]
fn a_revoked_token_is_rejected_within_eleven_seconds_and_valid_ones_never() {
    let runtime = Runtime::new().unwrap();
    let server = with_status().start();
    let issuer = format!("http://{}", server.public());
    let client = server.client();
    let (person, stays) = client.new_session();
    let before = client.log_in(&person);
    // Lists are fetched before the first token arrives, so no request waits for them.
    let verifier = verifier(&runtime, &issuer);
    for tokens in [&stays, &before] {
        assert!(verifier.verify(&tokens.access).is_ok());
    }
    assert!(verifier.health().status.lists > 0);

    client.log_out(before.refresh()).is(204);
    let since = Instant::now();
    let rejection = loop {
        assert!(verifier.verify(&stays.access).is_ok(), "nothing happened to this one");
        let asked = since.elapsed();
        match verifier.verify(&before.access) {
            Ok(_) => assert!(asked < AT_MOST, "still accepted"),
            Err(rejection) => break rejection,
        }
        pause(Duration::from_millis(50));
    };
    assert_eq!(rejection, VerifyError::Revoked);
    // A new session is accepted, and a new verifier knows of the revocation immediately.
    let again = client.log_in(&person);
    assert!(verifier.verify(&again.access).is_ok());
    let fresh = self::verifier(&runtime, &issuer);
    assert_eq!(fresh.verify(&before.access).unwrap_err(), VerifyError::Revoked);
    assert!(fresh.verify(&again.access).is_ok());
}

#[test]
fn a_service_keeps_verifying_while_the_issuer_is_down_and_catches_up_afterwards() {
    let runtime = Runtime::new().unwrap();
    let setup = with_status();
    let server = setup.start();
    let issuer = format!("http://{}", server.public());
    let client = server.client();
    let (person, gone) = client.new_session();
    let stays = client.log_in(&person);
    let verifier = verifier(&runtime, &issuer);
    let stopped = server.stop();
    let setup = stopped.setup();
    // Longer than the `ttl`: the cached lists are stale, but within their maximum age.
    wait_for("a fetch that fails", Duration::from_secs(40), || {
        assert!(verifier.verify(&stays.access).is_ok() && verifier.verify(&gone.access).is_ok());
        (verifier.health().status.failures > 0).then_some(())
    });
    for _ in 0..10 {
        assert!(verifier.verify(&stays.access).is_ok() && verifier.verify(&gone.access).is_ok());
        pause(Duration::from_millis(200));
    }
    setup.run(&["sessions", "revoke", &gone.session]).is(0);
    let _server = stopped.start();
    // The longest pause after a failure, the fetch, and the delay of a busy machine.
    let until = Instant::now() + Duration::from_secs(60);
    while verifier.verify(&gone.access).is_ok() {
        assert!(Instant::now() < until, "it has not recovered");
        pause(Duration::from_millis(100));
    }
    assert_eq!(verifier.verify(&gone.access).unwrap_err(), VerifyError::Revoked);
    assert!(verifier.verify(&stays.access).is_ok());
}
