//! Whether a server keeps what it acknowledges, according to its `INFO`.

use std::time::Instant;

use aquaware_core::store::{Setting, StoreFacts};
use aquaware_core::time::Timestamp;
use redis::Value;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};

use crate::error::{ConnectError, RedisStoreError, Rejection, rejection};
use crate::server::{Connection, Transport};

/// The oldest version that has all commands of the scripts.
const MIN_VERSION: (u32, u32) = (6, 2);

/// Whether the URL names single servers or a Cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Single,
    Cluster,
}

/// Checks the server of a connection, or every master of a Cluster.
pub(crate) async fn check(connection: &Connection, mode: Mode) -> Result<(), ConnectError> {
    for info in infos(connection).await? {
        check_one(&info, connection, mode).await?;
    }
    Ok(())
}

/// Checks that a server is a node of a Cluster.
pub(crate) async fn check_seed(connection: &Connection) -> Result<(), ConnectError> {
    for info in infos(connection).await? {
        if field(&info, "cluster_enabled") == Some("0") {
            return Err(ConnectError::NotCluster);
        }
    }
    Ok(())
}

/// Whether the server reports itself as a replica.
pub(crate) async fn is_replica(connection: &Connection) -> bool {
    let mut request = redis::cmd("INFO");
    request.arg("replication");
    let value = connection.send(&request).await.ok();
    let info = value.and_then(text);
    info.is_some_and(|info| field(&info, "role").is_some_and(|role| role != "master"))
}

/// Version, durability and clock of the server, or of the first master of a Cluster.
pub(crate) async fn facts(
    connection: &Connection,
    encrypted: bool,
) -> Result<StoreFacts, ConnectError> {
    let sent = Instant::now();
    let infos = infos(connection).await?;
    let round_trip = sent.elapsed();
    let info = infos.first().map(String::as_str).unwrap_or_default();
    let value = |name: &str| field(info, name).unwrap_or("unknown").to_owned();
    let micros = field(info, "server_time_usec").and_then(|text| text.parse::<i64>().ok());
    Ok(StoreFacts {
        engine: if field(info, "valkey_version").is_some() { "Valkey" } else { "Redis" },
        version: field(info, "valkey_version")
            .map_or_else(|| value("redis_version"), str::to_owned),
        migrated: true,
        read_only: field(info, "role").is_some_and(|role| role != "master"),
        encrypted: Some(encrypted),
        durability: vec![
            Setting::new("aof_enabled", value("aof_enabled"), &["1"]),
            Setting::new("maxmemory_policy", value("maxmemory_policy"), &["noeviction"]),
        ],
        clock: micros.map(|micros| Timestamp::from_millis(micros / 1000)),
        round_trip,
    })
}

async fn infos(connection: &Connection) -> Result<Vec<String>, ConnectError> {
    let request = redis::cmd("INFO");
    let response = match connection.transport.clone() {
        Transport::Server(_) => connection.send(&request).await,
        Transport::Cluster(mut cluster) => {
            let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            cluster.route_command(request, masters).await
        }
    };
    let value = match response.map_err(|error| (rejection(&error), error)) {
        Ok(value) => value,
        Err((Some(Rejection::Other(RedisStoreError::NoPermission)), _)) => {
            tracing::warn!(
                "the Redis user has no permission for INFO, so version, maxmemory-policy and role \
                 of the server are not checked; it must be 6.2 or newer and have maxmemory-policy \
                 noeviction"
            );
            return Ok(Vec::new());
        }
        Err((_, error)) => {
            return Err(ConnectError::Unreachable(RedisStoreError::of_connect(&error)));
        }
    };
    Ok(match value {
        Value::Map(nodes) => nodes.into_iter().filter_map(|(_, value)| text(value)).collect(),
        Value::Array(nodes) => nodes.into_iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    })
}

async fn check_one(info: &str, connection: &Connection, mode: Mode) -> Result<(), ConnectError> {
    if field(info, "loading") == Some("1") {
        return Err(ConnectError::Loading);
    }
    check_version(field(info, "redis_version").unwrap_or_default())?;
    let in_cluster = field(info, "cluster_enabled") == Some("1");
    if in_cluster && mode == Mode::Single {
        return Err(ConnectError::IsCluster);
    }
    if field(info, "role").is_some_and(|role| role != "master") {
        return Err(ConnectError::Replica);
    }
    let policy = match field(info, "maxmemory_policy") {
        Some(policy) => Some(policy.to_owned()),
        None => setting(connection, "maxmemory-policy").await,
    };
    match policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => return Err(ConnectError::Evicts(policy.to_owned())),
        None => tracing::warn!(
            "the Redis server does not report its maxmemory-policy; it must be noeviction, or \
             sessions and revocations are lost when the memory is full"
        ),
    }
    check_persistence(info, connection).await;
    Ok(())
}

fn check_version(version: &str) -> Result<(), ConnectError> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < MIN_VERSION { Err(ConnectError::TooOld(version.to_owned())) } else { Ok(()) }
}

/// Warns about a server without persistence. This is not an error, because it can be intended.
async fn check_persistence(info: &str, connection: &Connection) {
    let log_file = field(info, "aof_enabled") == Some("1");
    if !log_file && setting(connection, "save").await.is_some_and(|save| save.is_empty()) {
        tracing::warn!(
            "the Redis server has neither appendonly nor save: a restart loses all sessions and \
             accounts; set `appendonly yes`"
        );
    }
}

async fn setting(connection: &Connection, name: &str) -> Option<String> {
    // In a Cluster an arbitrary node would answer, so settings are not read there.
    let Transport::Server(_) = &connection.transport else { return None };
    let mut request = redis::cmd("CONFIG");
    request.arg("GET").arg(name);
    match connection.send(&request).await.ok()? {
        Value::Map(pairs) => pairs.into_iter().next().and_then(|(_, value)| text(value)),
        Value::Array(items) => items.into_iter().nth(1).and_then(text),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } => Some(text),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_6_2_on_are_accepted() {
        for good in ["6.2.0", "6.2", "7.0.15", "8.0.1", "10.1.2", "255.255.255"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["6.0.16", "5.9.9", "2.8", ""] {
            assert!(matches!(check_version(bad), Err(ConnectError::TooOld(_))), "{bad}");
        }
    }

    #[test]
    fn fields_are_found_by_their_full_name() {
        let info = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "memory"), None);
    }
}
