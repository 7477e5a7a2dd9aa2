//! The macros that turn the lists of checks into tests, one per check.

/// Generates one `#[test]` per check, in the modules `sessions` and `accounts`, for a store that
/// implements both ports. The expression creates the [`Harness`](crate::Harness); it is evaluated
/// once per test, inside an async runtime, and may use everything in scope.
///
/// Use one module per store type.
#[macro_export]
macro_rules! conformance {
    ($harness:expr $(,)?) => {
        mod sessions {
            #[allow(unused_imports, reason = "the harness may be named by its full path")]
            use super::*;
            $crate::session_conformance!($harness);
        }
        mod accounts {
            #[allow(unused_imports, reason = "the harness may be named by its full path")]
            use super::*;
            $crate::account_conformance!($harness);
        }
    };
}

/// Like [`conformance!`], for a session store only. The tests are generated in the current module.
#[macro_export]
macro_rules! session_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_session_check!(__tests run_session_check $harness);
    };
}

/// Like [`conformance!`], for an account store only. The tests are generated in the current module.
#[macro_export]
macro_rules! account_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_account_check!(__tests run_account_check $harness);
    };
}

/// Like [`conformance!`], for the outbox of a store. The tests are generated in the current module.
#[macro_export]
macro_rules! outbox_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_outbox_check!(__tests run_outbox_check $harness);
    };
}

/// Like [`conformance!`], for counters. The expression creates a
/// [`CounterHarness`](crate::CounterHarness).
#[macro_export]
macro_rules! counter_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_counter_check!(__tests run_counter_check $harness);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$run:ident $harness:expr] $($name:ident)*) => {
        $(
            #[test]
            fn $name() -> $crate::CheckResult {
                $crate::$run(stringify!($name), || $harness)
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __table {
    ([] $($name:ident)*) => {
        &[$(Check::new(stringify!($name), |fixture| Box::pin($name(fixture)))),*]
    };
}
