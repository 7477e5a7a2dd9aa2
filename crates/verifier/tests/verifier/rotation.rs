//! Key rotation: no valid token is rejected, no token signed with a dropped key is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{Verifier, VerifyError};

use crate::site::{Site, long, pass};

/// The lifetime of the tokens, and the `max-age` of the key set.
const LIFETIME: u64 = 300;
const STEP: u64 = 5;

/// Signs a token at every step for `seconds`, and verifies the oldest, the middle and the newest of
/// those that have not expired.
async fn load(
    seconds: u64,
    signing: &TestIssuer,
    live: &mut Vec<(u64, String)>,
    clock: &mut u64,
    verifiers: &[&Verifier],
) {
    for _ in 0..seconds / STEP {
        let lives = Duration::from_secs(*clock + LIFETIME);
        live.push((*clock + LIFETIME, signing.token().expires_in(lives).sign()));
        live.retain(|(end, _)| end > clock);
        let middle = live.len() / 2;
        for (end, token) in [&live[0], &live[middle], &live[live.len() - 1]] {
            for (index, verifier) in verifiers.iter().enumerate() {
                let result = verifier.verify(token);
                assert!(result.is_ok(), "{result:?} by {index} at {clock}, expires at {end}");
            }
        }
        pass(STEP).await;
        *clock += STEP;
    }
}

/// Ten scheduled rotations: a key is published for the `max-age` before it signs, and until its last
/// token has expired.
#[tokio::test(start_paused = true)]
async fn ten_rotations_under_load_reject_no_valid_token_and_accept_no_dropped_key() {
    let mut signing = TestIssuer::new();
    let site = Site::publishing(&[&signing]);
    let warm = site.verifier().await;
    let (mut live, mut clock) = (Vec::new(), 0);
    for round in 0..10 {
        let next = signing.successor();
        site.publish(&[&signing, &next]);
        // A verifier without cached keys in each phase, as in a service that has just started.
        let cold = site.verifier().await;
        load(LIFETIME + STEP, &signing, &mut live, &mut clock, &[&warm, &cold]).await;
        let retiring = std::mem::replace(&mut signing, next);
        let cold = site.verifier().await;
        load(LIFETIME, &signing, &mut live, &mut clock, &[&warm, &cold]).await;
        site.publish(&[&signing]);
        // After the `max-age`, every verifier has read the set without the key.
        load(LIFETIME + STEP, &signing, &mut live, &mut clock, &[&warm, &cold]).await;
        let dropped = retiring.token().expires_in(Duration::from_secs(clock + LIFETIME)).sign();
        for verifier in [&warm, &cold, &site.verifier().await] {
            assert_eq!(verifier.verify(&dropped).unwrap_err(), VerifyError::UnknownKey, "{round}");
        }
    }
    assert!(clock == 9100 && site.fetches() > 100);
}

/// The same with real threads: key sets are replaced during checks, and no check sees a mixture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_sets_are_replaced_during_concurrent_checks() {
    let mut signing = TestIssuer::new();
    let site = Site::publishing(&[&signing]);
    let verifiers = [site.verifier().await, site.verifier().await];
    let tokens = Arc::new(std::sync::Mutex::new(Arc::new(long(&signing))));
    let (checks, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = verifiers
        .iter()
        .cycle()
        .take(4)
        .map(|verifier| {
            let (verifier, tokens) = (verifier.clone(), Arc::clone(&tokens));
            let (checks, stop) = (Arc::clone(&checks), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    // Held during the check: the key is dropped only afterwards.
                    let token = Arc::clone(&tokens.lock().unwrap());
                    verifier.verify(&token).unwrap();
                    checks.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let next = signing.successor();
        site.publish(&[&signing, &next]);
        refresh(&verifiers).await;
        let retiring = std::mem::replace(&mut signing, next);
        let old = std::mem::replace(&mut *tokens.lock().unwrap(), Arc::new(long(&signing)));
        while Arc::strong_count(&old) > 1 {
            std::thread::yield_now();
        }
        site.publish(&[&signing]);
        refresh(&verifiers).await;
        for verifier in &verifiers {
            assert_eq!(verifier.verify(&long(&retiring)).unwrap_err(), VerifyError::UnknownKey);
        }
        let seen = checks.load(Ordering::SeqCst);
        while checks.load(Ordering::SeqCst) < seen + 100 && !threads.iter().any(|t| t.is_finished())
        {
            std::thread::yield_now();
        }
    }
    stop.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
}

async fn refresh(verifiers: &[Verifier]) {
    for verifier in verifiers {
        verifier.refresh().await.unwrap();
    }
}
