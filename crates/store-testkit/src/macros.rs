//! The macros that turn the lists of checks into tests, one per check.

/// Makes one `#[test]` of each check, in the modules `sessions` and `accounts`, for a store that
/// implements both ports. The expression makes the [`Harness`](crate::Harness); it is evaluated
/// for each test anew, in an async runtime, and may name whatever is in scope.
///
/// Put a second kind of store into a module of its own.
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

/// Like [`conformance!`], for a store of sessions only. The tests stand where the macro stands.
#[macro_export]
macro_rules! session_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_session_check!(__tests prove_sessions $harness);
    };
}

/// Like [`conformance!`], for a store of accounts only. The tests stand where the macro stands.
#[macro_export]
macro_rules! account_conformance {
    ($harness:expr $(,)?) => {
        $crate::__each_account_check!(__tests prove_accounts $harness);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$prove:ident $harness:expr] $($name:ident)*) => {
        $(
            #[test]
            fn $name() -> Result<(), $crate::Failure> {
                $crate::$prove(stringify!($name), || $harness)
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __table {
    ([] $($name:ident)*) => {
        &[$(Check::new(stringify!($name), |bench| Box::pin($name(bench)))),*]
    };
}
