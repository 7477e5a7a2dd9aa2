//! How connecting fails, and what stands behind a step that failed.
//!
//! No text here holds a command, a key's value, a password or what a server wrote of its own:
//! servers repeat arguments in their errors, causes go to logs, and logs are read by more people
//! than the store is.

use std::io;
use std::path::PathBuf;

use aquaware_core::store::StoreError;
use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why there is no store.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// An option is out of its range.
    #[error("{0}")]
    Option(&'static str),
    /// The file of the certificate authority can't be read or used.
    #[error("the authority {} can't be used", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// Nobody answers, or not in time.
    #[error("the Redis server could not be reached")]
    Unreachable(#[source] Failure),
    /// The server doesn't let this user in.
    #[error("the Redis server refuses user or password: check both in the store's URL")]
    NotAllowed,
    /// There is no database of this number.
    #[error("the Redis server has no database {0}: raise its `databases` or use ?prefix= instead")]
    NoDatabase(i64),
    /// No Sentinel knows a master of this name.
    #[error("no Sentinel knows a master called {0:?}: check the name behind the hosts in the URL")]
    UnknownMaster(String),
    /// The server follows another one.
    #[error(
        "the Redis server is a read-only replica: name its master, or its Sentinels by \
         redis-sentinel://"
    )]
    Replica,
    /// The server reads its data back after a start.
    #[error("the Redis server is still loading its data: try again soon")]
    Loading,
    /// The server is older than 6.2.
    #[error("the Redis server has version {0}: 6.2 or newer is needed")]
    TooOld(String),
    /// The server drops keys when its memory is full.
    #[error(
        "the Redis server has maxmemory-policy {0}, which would drop sessions and revocations: \
         set `maxmemory-policy noeviction`"
    )]
    Evicts(String),
    /// The server is a node of a Cluster, and the URL says that it is alone.
    #[error("the Redis server is a node of a Cluster: write redis-cluster:// in the store's URL")]
    IsCluster,
    /// The server is alone, and the URL says Cluster.
    #[error("the Redis server is not a node of a Cluster: write redis:// in the store's URL")]
    NotCluster,
    /// The server answers, but not what is needed.
    #[error("the Redis server refused")]
    Refused(#[source] Failure),
}

impl ConnectError {
    /// Whether it stays until somebody changes the configuration, of this program or the server.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Option(_)
            | Self::Authority { .. }
            | Self::NotAllowed
            | Self::NoDatabase(_)
            | Self::UnknownMaster(_)
            | Self::Replica
            | Self::TooOld(_)
            | Self::Evicts(_)
            | Self::IsCluster
            | Self::NotCluster => true,
            Self::Unreachable(_) | Self::Loading | Self::Refused(_) => false,
        }
    }
}

/// What lies behind a failed step: the cause inside a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection could be made.
    #[error("no connection to the server: {0}")]
    NoConnection(io::ErrorKind),
    /// No connection came to be within the timeout.
    #[error("no connection to the server within the timeout")]
    ConnectElapsed,
    /// The request was sent, and its answer hasn't come within the timeout.
    #[error("no answer within the timeout")]
    Elapsed,
    /// The connection broke while a request was under way.
    #[error("the connection broke: {0}")]
    Broken(io::ErrorKind),
    /// What came back is no answer.
    #[error("the server doesn't speak the protocol")]
    NoAnswer,
    /// The Sentinels answer, but none leads to a master.
    #[error("no Sentinel leads to a master")]
    NoMaster,
    /// The Sentinels don't know the master's name.
    #[error("no Sentinel knows the master by this name")]
    UnknownMaster,
    /// No node of the Cluster is connected.
    #[error("no node of the Cluster can be reached")]
    NoNode,
    /// The server is a replica now.
    #[error("the server is a read-only replica")]
    ReadOnly,
    /// The server starts.
    #[error("the server is loading its data")]
    Loading,
    /// The server is a replica without its master.
    #[error("the server has lost its master")]
    MasterDown,
    /// The server has fewer replicas than it must have for a write.
    #[error("the server has too few replicas for a write: see min-replicas-to-write")]
    NoReplicas,
    /// The Cluster lacks a master.
    #[error("the Cluster is down: see CLUSTER INFO on its nodes")]
    ClusterDown,
    /// The key is on its way from one node of the Cluster to another.
    #[error("the key moves from node to node")]
    Moving,
    /// Another script keeps the server busy.
    #[error("a script of somebody else keeps the server busy")]
    Busy,
    /// No room.
    #[error("the server's memory is full: raise its maxmemory")]
    Full,
    /// The server can't persist, and has stopped taking writes.
    #[error("the server can't write to its disk: see its log, and make room")]
    Disk,
    /// The server doesn't let this user in.
    #[error("the server refuses user or password")]
    NotAllowed,
    /// The user may not run a command or use a key.
    #[error(
        "the user may not do this: its ACL needs the keys of the prefix, and +@read +@write +eval \
         +evalsha +time"
    )]
    NoPermission,
    /// There is no such database.
    #[error("the server has no such database")]
    NoDatabase,
    /// The runtime in which the store was connected is gone.
    #[error("the store's runtime has stopped")]
    Stopped,
    /// Anything else, by the word the server's errors begin with.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

impl Failure {
    /// As the answer to a step that surely did nothing.
    pub(crate) fn before(self) -> StoreError {
        if self.passes() {
            StoreError::Unreachable(Box::new(self))
        } else {
            StoreError::Rejected(Box::new(self))
        }
    }

    /// As the answer to a step that may yet happen.
    pub(crate) fn unknown(self) -> StoreError {
        StoreError::UnknownOutcome(Box::new(self))
    }

    /// Whether it may be gone soon, by itself or by looking for another server.
    pub(crate) const fn passes(&self) -> bool {
        match self {
            Self::NoConnection(_)
            | Self::ConnectElapsed
            | Self::Elapsed
            | Self::Broken(_)
            | Self::NoMaster
            | Self::NoNode
            | Self::ReadOnly
            | Self::Loading
            | Self::MasterDown
            | Self::NoReplicas
            | Self::ClusterDown
            | Self::Moving
            | Self::Busy
            | Self::Stopped => true,
            Self::NoAnswer
            | Self::UnknownMaster
            | Self::Full
            | Self::Disk
            | Self::NotAllowed
            | Self::NoPermission
            | Self::NoDatabase
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether another connection may lead to a better server.
    pub(crate) const fn wants_another_server(&self) -> bool {
        matches!(
            self,
            Self::Broken(_)
                | Self::Elapsed
                | Self::NoAnswer
                | Self::NoConnection(_)
                | Self::NoNode
                | Self::ReadOnly
                | Self::MasterDown
                | Self::ClusterDown
                | Self::NotAllowed
        )
    }

    /// Why connecting failed.
    pub(crate) fn in_connecting(error: &RedisError) -> Self {
        match answer(error) {
            Some(Answer::Failed(failure)) => failure,
            Some(Answer::NoScript | Answer::WrongType) => Self::NoAnswer,
            None => match error.kind() {
                ErrorKind::AuthenticationFailed => Self::NotAllowed,
                ErrorKind::ClusterConnectionNotFound => Self::NoNode,
                _ => Self::NoConnection(io_kind(error)),
            },
        }
    }
}

/// What a server said instead of doing what it was asked. It surely did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It doesn't know the script by its hash.
    NoScript,
    /// The key holds something that no program of ours put there.
    WrongType,
    /// Anything else.
    Failed(Failure),
}

/// What the server said, if it is the server that speaks.
pub(crate) fn answer(error: &RedisError) -> Option<Answer> {
    let detail = error.detail().unwrap_or_default();
    let code = match error.kind() {
        ErrorKind::AuthenticationFailed => return refused_login(detail),
        ErrorKind::Server(_) | ErrorKind::Extension => error.code().unwrap_or_default(),
        _ => return None,
    };
    // Older servers wrap what a command in a script said into an error of the script.
    let inner = detail.split([' ', '-']).find(|word| known(word).is_some());
    let found = known(code).or_else(|| inner.filter(|_| code == "ERR").and_then(known));
    Some(found.unwrap_or_else(|| Answer::Failed(unexpected(code, detail))))
}

fn refused_login(detail: &str) -> Option<Answer> {
    let first = detail.split([' ', '-']).find(|word| known(word).is_some());
    Some(first.and_then(known).unwrap_or(Answer::Failed(Failure::NotAllowed)))
}

fn known(code: &str) -> Option<Answer> {
    Some(Answer::Failed(match code {
        "NOSCRIPT" => return Some(Answer::NoScript),
        "WRONGTYPE" => return Some(Answer::WrongType),
        "READONLY" => Failure::ReadOnly,
        "LOADING" => Failure::Loading,
        "MASTERDOWN" => Failure::MasterDown,
        "NOREPLICAS" => Failure::NoReplicas,
        "CLUSTERDOWN" => Failure::ClusterDown,
        "MOVED" | "ASK" | "TRYAGAIN" => Failure::Moving,
        "BUSY" => Failure::Busy,
        "OOM" => Failure::Full,
        "MISCONF" => Failure::Disk,
        "NOAUTH" | "WRONGPASS" => Failure::NotAllowed,
        "NOPERM" => Failure::NoPermission,
        _ => return None,
    }))
}

fn unexpected(code: &str, detail: &str) -> Failure {
    if detail.starts_with("DB index is out of range") {
        return Failure::NoDatabase;
    }
    if detail.contains("The user executing the script") {
        return Failure::NoPermission;
    }
    let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let harmless = code.len() <= 32 && code.chars().all(word);
    Failure::Unexpected(if harmless { code } else { "an error" }.to_owned())
}

/// What became of a connection.
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

    fn said(code: &str, detail: &str) -> Option<Answer> {
        answer(&redis::make_extension_error(code.to_owned(), Some(detail.to_owned())))
    }

    #[test]
    fn what_passes_by_itself_is_transient_and_the_rest_is_not() {
        for code in ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "MOVED"] {
            let Some(Answer::Failed(failure)) = said(code, "") else { panic!("{code}") };
            let error = failure.before();
            assert!(error.is_transient() && !error.is_unknown(), "{code}");
        }
        for code in ["OOM", "MISCONF", "NOAUTH", "WRONGPASS", "NOPERM", "WHATEVER"] {
            let Some(Answer::Failed(failure)) = said(code, "") else { panic!("{code}") };
            assert!(!failure.before().is_transient(), "{code}");
        }
        assert!(Failure::Elapsed.unknown().is_unknown());
    }

    #[test]
    fn what_a_command_in_a_script_said_is_found_in_the_scripts_error() {
        let wrapped = |inner: &str| {
            let text = format!("Error running script (call to f_1): @user_script:7: -{inner} x y");
            said("ERR", &text)
        };
        assert_eq!(wrapped("OOM"), Some(Answer::Failed(Failure::Full)));
        assert_eq!(wrapped("READONLY"), Some(Answer::Failed(Failure::ReadOnly)));
        assert_eq!(wrapped("WRONGTYPE"), Some(Answer::WrongType));
        assert_eq!(said("NOSCRIPT", "No matching script"), Some(Answer::NoScript));
    }

    #[test]
    fn nothing_that_a_server_wrote_of_its_own_is_repeated() {
        for (code, detail) in [
            ("ERR", "unknown command 'horse', with args beginning with: 'horse'"),
            ("horse", "horse"),
        ] {
            let Some(Answer::Failed(failure)) = said(code, detail) else { panic!("{code}") };
            assert!(!format!("{failure} {failure:?}").contains("horse"));
        }
    }

    #[test]
    fn a_database_out_of_range_is_told_apart() {
        let found = said("ERR", "DB index is out of range");
        assert_eq!(found, Some(Answer::Failed(Failure::NoDatabase)));
    }
}
