//! Why connecting fails, and the causes of failed steps.
//!
//! No text contains a command, a value, a password or a message of the server: servers repeat
//! arguments in their errors, and more people read logs than may read the store.

use std::io;
use std::path::PathBuf;

use aquaware_core::store::StoreError;
use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why connecting to a store failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An option is out of range.
    #[error("{0}")]
    Option(&'static str),
    /// The file with the certificate authority cannot be read or used.
    #[error("failed to use the certificate authority in {}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No server answers, or not in time.
    #[error("the Redis server could not be reached")]
    Unreachable(#[source] RedisStoreError),
    /// The server rejects the user name or the password.
    #[error("the Redis server rejected the user name or the password: check the store's URL")]
    LoginRejected,
    /// The server has no database with this number.
    #[error("the Redis server has no database {0}: raise its `databases` or use ?prefix= instead")]
    NoDatabase(i64),
    /// No Sentinel knows a master with this name.
    #[error("no Sentinel knows a master named {0:?}: check the name after the hosts in the URL")]
    UnknownMaster(String),
    /// The server is a replica.
    #[error(
        "the Redis server is a read-only replica: use its master, or its Sentinels with \
         redis-sentinel://"
    )]
    Replica,
    /// The server has been started and is loading its data.
    #[error("the Redis server is still loading its data: try again soon")]
    Loading,
    /// The server is older than 6.2.
    #[error("the Redis server has version {0}: 6.2 or newer is required")]
    TooOld(String),
    /// The server evicts keys when its memory is full.
    #[error(
        "the Redis server has maxmemory-policy {0}, which would drop sessions and revocations: \
         set `maxmemory-policy noeviction`"
    )]
    Evicts(String),
    /// The server is a node of a Cluster, but the URL names a single server.
    #[error("the Redis server is a node of a Cluster: use redis-cluster:// in the store's URL")]
    IsCluster,
    /// The server is not a node of a Cluster, but the URL names one.
    #[error("the Redis server is not a node of a Cluster: use redis:// in the store's URL")]
    NotCluster,
    /// The server answers, but rejects a command that the store needs.
    #[error("the Redis server rejected a command")]
    Rejected(#[source] RedisStoreError),
}

impl ConnectError {
    /// Whether only a change of configuration, of this program or of the server, can help.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Option(_)
            | Self::Authority { .. }
            | Self::LoginRejected
            | Self::NoDatabase(_)
            | Self::UnknownMaster(_)
            | Self::Replica
            | Self::TooOld(_)
            | Self::Evicts(_)
            | Self::IsCluster
            | Self::NotCluster => true,
            Self::Unreachable(_) | Self::Loading | Self::Rejected(_) => false,
        }
    }
}

/// Why a request to the server failed: the cause inside a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// Connecting failed.
    #[error("failed to connect to the server: {0}")]
    Connect(io::ErrorKind),
    /// Connecting did not succeed within the timeout.
    #[error("failed to connect to the server within the timeout")]
    ConnectTimeout,
    /// The request was sent, and no response arrived within the timeout.
    #[error("no response within the timeout")]
    Timeout,
    /// The connection was lost while a request was in progress.
    #[error("the connection was lost: {0}")]
    ConnectionLost(io::ErrorKind),
    /// The response is not valid in the Redis protocol.
    #[error("the response is not in the Redis protocol: check the address")]
    Protocol,
    /// The Sentinels answer, but none of them knows a reachable master.
    #[error("no Sentinel knows a reachable master")]
    NoMaster,
    /// The Sentinels do not know the name of the master.
    #[error("no Sentinel knows a master with this name")]
    UnknownMaster,
    /// No node of the Cluster is connected.
    #[error("no node of the Cluster can be reached")]
    NoNode,
    /// The server has become a replica.
    #[error("the server is a read-only replica")]
    ReadOnly,
    /// The server is starting.
    #[error("the server is loading its data")]
    Loading,
    /// The server is a replica without a master.
    #[error("the server has lost its master")]
    MasterDown,
    /// The server has fewer replicas than it requires for writes.
    #[error("the server has too few replicas for a write: see min-replicas-to-write")]
    TooFewReplicas,
    /// The Cluster lacks a master.
    #[error("the Cluster is down: see CLUSTER INFO on its nodes")]
    ClusterDown,
    /// The key is being moved to another node of the Cluster.
    #[error("the key is being moved to another node of the Cluster")]
    Moving,
    /// The server is executing a long script.
    #[error("the server is busy with a long script of another client")]
    Busy,
    /// The memory of the server is full.
    #[error("the server's memory is full: raise its maxmemory")]
    OutOfMemory,
    /// The server cannot persist data and rejects writes.
    #[error("the server cannot write to its disk: see its log, and free space")]
    Disk,
    /// The server rejects the user name or the password.
    #[error("the server rejected the user name or the password")]
    LoginRejected,
    /// The user lacks permission for a command or a key.
    #[error(
        "the user lacks a permission: its ACL needs the keys of the prefix, and +@read +@write \
         +eval +evalsha +time"
    )]
    NoPermission,
    /// The database does not exist.
    #[error("the server has no such database")]
    NoDatabase,
    /// The async runtime in which the store was connected has ended.
    #[error("the runtime of the store has stopped")]
    RuntimeStopped,
    /// Any other error, by the code with which the server's message starts.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

impl RedisStoreError {
    /// The error of a step that was certainly not applied.
    pub(crate) fn not_applied(self) -> StoreError {
        if self.is_transient() {
            StoreError::Unreachable(Box::new(self))
        } else {
            StoreError::Rejected(Box::new(self))
        }
    }

    /// The error of a step that may be applied.
    pub(crate) fn unknown_outcome(self) -> StoreError {
        StoreError::UnknownOutcome(Box::new(self))
    }

    /// Whether the error may disappear soon, or is limited to this server.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Timeout
            | Self::ConnectionLost(_)
            | Self::NoMaster
            | Self::NoNode
            | Self::ReadOnly
            | Self::Loading
            | Self::MasterDown
            | Self::TooFewReplicas
            | Self::ClusterDown
            | Self::Moving
            | Self::Busy
            | Self::RuntimeStopped => true,
            Self::Protocol
            | Self::UnknownMaster
            | Self::OutOfMemory
            | Self::Disk
            | Self::LoginRejected
            | Self::NoPermission
            | Self::NoDatabase
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether a new connection may lead to a server that works.
    pub(crate) const fn wants_another_server(&self) -> bool {
        matches!(
            self,
            Self::ConnectionLost(_)
                | Self::Timeout
                | Self::Protocol
                | Self::Connect(_)
                | Self::NoNode
                | Self::ReadOnly
                | Self::MasterDown
                | Self::ClusterDown
                | Self::LoginRejected
        )
    }

    /// Why connecting failed.
    pub(crate) fn of_connect(error: &RedisError) -> Self {
        match rejection(error) {
            Some(Rejection::Other(error)) => error,
            Some(Rejection::UnknownScript | Rejection::WrongType) => Self::Protocol,
            None => match error.kind() {
                ErrorKind::AuthenticationFailed => Self::LoginRejected,
                ErrorKind::ClusterConnectionNotFound => Self::NoNode,
                _ => Self::Connect(io_kind(error)),
            },
        }
    }
}

/// The error of a preparation. Whatever became of it, the step itself was certainly not applied.
pub(crate) fn before_step(error: StoreError) -> StoreError {
    match error {
        StoreError::UnknownOutcome(cause) => StoreError::Unreachable(cause),
        other => other,
    }
}

/// The error of a step that failed after some of its parts were applied.
pub(crate) fn partly_applied(error: StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(cause) => StoreError::UnknownOutcome(cause),
        other => other,
    }
}

/// An error that the server returned instead of executing the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The server does not know the script by its hash.
    UnknownScript,
    /// The key holds a type that this program never stores there.
    WrongType,
    /// Any other error.
    Other(RedisStoreError),
}

/// The rejection, if the error is one of the server and not of the connection.
pub(crate) fn rejection(error: &RedisError) -> Option<Rejection> {
    let detail = error.detail().unwrap_or_default();
    let code = match error.kind() {
        ErrorKind::AuthenticationFailed => return Some(login_rejection(detail)),
        ErrorKind::Server(_) | ErrorKind::Extension => error.code().unwrap_or_default(),
        _ => return None,
    };
    // Older servers wrap the error of a command inside a script into an error of the script.
    let found = known(code).or_else(|| known_word(detail).filter(|_| code == "ERR"));
    Some(found.unwrap_or_else(|| Rejection::Other(unexpected(code, detail))))
}

fn login_rejection(detail: &str) -> Rejection {
    known_word(detail).unwrap_or(Rejection::Other(RedisStoreError::LoginRejected))
}

fn known_word(detail: &str) -> Option<Rejection> {
    detail.split([' ', '-']).find_map(known)
}

fn known(code: &str) -> Option<Rejection> {
    Some(Rejection::Other(match code {
        "NOSCRIPT" => return Some(Rejection::UnknownScript),
        "WRONGTYPE" => return Some(Rejection::WrongType),
        "READONLY" => RedisStoreError::ReadOnly,
        "LOADING" => RedisStoreError::Loading,
        "MASTERDOWN" => RedisStoreError::MasterDown,
        "NOREPLICAS" => RedisStoreError::TooFewReplicas,
        "CLUSTERDOWN" => RedisStoreError::ClusterDown,
        "MOVED" | "ASK" | "TRYAGAIN" => RedisStoreError::Moving,
        "BUSY" => RedisStoreError::Busy,
        "OOM" => RedisStoreError::OutOfMemory,
        "MISCONF" => RedisStoreError::Disk,
        "NOAUTH" | "WRONGPASS" => RedisStoreError::LoginRejected,
        "NOPERM" => RedisStoreError::NoPermission,
        _ => return None,
    }))
}

fn unexpected(code: &str, detail: &str) -> RedisStoreError {
    if detail.starts_with("DB index is out of range") {
        return RedisStoreError::NoDatabase;
    }
    if detail.contains("The user executing the script") {
        return RedisStoreError::NoPermission;
    }
    let is_code_char = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_code = code.len() <= 32 && code.chars().all(is_code_char);
    RedisStoreError::Unexpected(if is_code { code } else { "an error" }.to_owned())
}

/// What happened to the connection.
pub(crate) fn io_kind(error: &RedisError) -> io::ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind();
        }
        cause = error.source();
    }
    if error.is_connection_refusal() {
        io::ErrorKind::ConnectionRefused
    } else if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else if error.is_connection_dropped() {
        io::ErrorKind::ConnectionReset
    } else {
        io::ErrorKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: &str, detail: &str) -> Option<Rejection> {
        rejection(&redis::make_extension_error(code.to_owned(), Some(detail.to_owned())))
    }

    #[test]
    fn errors_that_may_pass_are_transient_and_others_are_not() {
        for code in ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "MOVED"] {
            let Some(Rejection::Other(error)) = rejected(code, "") else { panic!("{code}") };
            let error = error.not_applied();
            assert!(error.is_transient() && !error.is_unknown(), "{code}");
        }
        for code in ["OOM", "MISCONF", "NOAUTH", "WRONGPASS", "NOPERM", "WHATEVER"] {
            let Some(Rejection::Other(error)) = rejected(code, "") else { panic!("{code}") };
            assert!(!error.not_applied().is_transient(), "{code}");
        }
        assert!(RedisStoreError::Timeout.unknown_outcome().is_unknown());
    }

    #[test]
    fn the_error_of_a_command_inside_a_script_is_recognised() {
        let wrapped = |inner: &str| {
            let text = format!("Error running script (call to f_1): @user_script:7: -{inner} x y");
            rejected("ERR", &text)
        };
        assert_eq!(wrapped("OOM"), Some(Rejection::Other(RedisStoreError::OutOfMemory)));
        assert_eq!(wrapped("READONLY"), Some(Rejection::Other(RedisStoreError::ReadOnly)));
        assert_eq!(wrapped("WRONGTYPE"), Some(Rejection::WrongType));
        assert_eq!(rejected("NOSCRIPT", "No matching script"), Some(Rejection::UnknownScript));
    }

    #[test]
    fn messages_of_the_server_are_never_repeated() {
        for (code, detail) in [
            ("ERR", "unknown command 'horse', with args beginning with: 'horse'"),
            ("horse", "horse"),
        ] {
            let Some(Rejection::Other(error)) = rejected(code, detail) else { panic!("{code}") };
            assert!(!format!("{error} {error:?}").contains("horse"));
        }
    }

    #[test]
    fn a_database_out_of_range_is_recognised() {
        let found = rejected("ERR", "DB index is out of range");
        assert_eq!(found, Some(Rejection::Other(RedisStoreError::NoDatabase)));
    }
}
