//! Keys that roll: no good token is refused, no token of a dropped key is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{Rejection, Verifier};

use crate::site::{Site, long, pass};

/// The life of the tokens, and the `max-age` of the set.
const LIFE: u64 = 300;
const STEP: u64 = 5;

/// Checks, at every step for `seconds`, a token just signed and every one that still lives.
async fn load(
    seconds: u64,
    signing: &TestIssuer,
    living: &mut Vec<(u64, String)>,
    clock: &mut u64,
    verifiers: &[&Verifier],
) {
    for _ in 0..seconds / STEP {
        let lives = Duration::from_secs(*clock + LIFE);
        living.push((*clock + LIFE, signing.token().expires_in(lives).sign()));
        living.retain(|(end, _)| end > clock);
        let middle = living.len() / 2;
        for (end, token) in [&living[0], &living[middle], &living[living.len() - 1]] {
            for (place, verifier) in verifiers.iter().enumerate() {
                let verdict = verifier.verify(token);
                assert!(verdict.is_ok(), "{verdict:?} by {place} at {clock}, ends at {end}");
            }
        }
        pass(STEP).await;
        *clock += STEP;
    }
}

/// Ten rotations on schedule: a key is public for the `max-age` before it signs, and until its
/// last token is dead.
#[tokio::test(start_paused = true)]
async fn ten_rotations_under_load_refuse_no_good_token_and_accept_no_dropped_key() {
    let mut signing = TestIssuer::new();
    let site = Site::publishing(&[&signing]);
    let warm = site.verifier().await;
    let (mut living, mut clock) = (Vec::new(), 0);
    for round in 0..10 {
        let next = signing.successor();
        site.publish(&[&signing, &next]);
        // A cold one in each phase, as of a service that was just started.
        let cold = site.verifier().await;
        load(LIFE + STEP, &signing, &mut living, &mut clock, &[&warm, &cold]).await;
        let retiring = std::mem::replace(&mut signing, next);
        let cold = site.verifier().await;
        load(LIFE, &signing, &mut living, &mut clock, &[&warm, &cold]).await;
        site.publish(&[&signing]);
        // By the end of the `max-age`, every set without the key has been read.
        load(LIFE + STEP, &signing, &mut living, &mut clock, &[&warm, &cold]).await;
        let ghost = retiring.token().expires_in(Duration::from_secs(clock + LIFE)).sign();
        for verifier in [&warm, &cold, &site.verifier().await] {
            assert_eq!(verifier.verify(&ghost).unwrap_err(), Rejection::UnknownKey, "{round}");
        }
    }
    assert!(clock == 9100 && site.fetches() > 100);
}

/// The same with real threads: sets are replaced under the checks, and no check sees half of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_are_replaced_under_checks_from_many_threads() {
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
                    // Held while it is checked: whoever drops its key waits for that.
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
            assert_eq!(verifier.verify(&long(&retiring)).unwrap_err(), Rejection::UnknownKey);
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
