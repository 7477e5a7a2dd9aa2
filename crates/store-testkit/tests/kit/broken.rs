//! Stores with one flaw each: the checks for that flaw must fail.

use std::time::Duration;

use aquaware_store_testkit::CheckError;

/// Tests that each flaw is detected by its checks, and that every check detects a flaw. Uses
/// `Flaw` of the caller; the discriminant of `last` is the number of flaws.
macro_rules! flaws_are_detected {
    (
        checks: $checks:expr, run: $run:expr, last: $last:ident;
        $($flaw:ident: $($check:ident)*;)*
    ) => {
        $(
            #[test]
            #[allow(non_snake_case, reason = "named after the flaw")]
            fn $flaw() {
                for name in [$(stringify!($check)),*] {
                    assert!($checks.iter().any(|check| check.name() == name), "{name}");
                    $crate::broken::detects(name, || $run(name, Flaw::$flaw));
                }
            }
        )*

        #[test]
        fn every_flaw_has_a_check_that_detects_it() {
            assert_eq!([$(Flaw::$flaw),*].len(), Flaw::$last as usize);
        }

        #[test]
        fn every_check_detects_a_flaw() {
            let checks = [$($(stringify!($check),)*)*];
            for check in $checks {
                assert!(checks.contains(&check.name()), "{check:?}");
            }
        }
    };
}

mod accounts;
mod counters;
mod outbox;
mod sessions;

/// Attempts to detect a flaw. One that shows only if two tasks meet stays hidden when a busy machine
/// runs them one after the other.
const ATTEMPTS: usize = 25;

fn detects(name: &str, run: impl Fn() -> Result<(), CheckError>) {
    let found = (0..ATTEMPTS).find_map(|_| run().err());
    assert!(found.is_some(), "{name} detects nothing");
    let message = found.unwrap().to_string();
    assert!(message.len() <= 4_100, "{name} prints more than a screen: {message}");
}

/// Long enough for another task to interleave.
async fn look_away() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
}
