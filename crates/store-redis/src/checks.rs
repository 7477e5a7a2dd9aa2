//! What a server must be to keep what it acknowledges, read from its own words (`INFO`).

use std::time::Instant;

use aquaware_core::store::{Setting, StoreFacts};
use aquaware_core::time::Timestamp;
use redis::Value;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};

use crate::error::{Answer, ConnectError, Failure, answer};
use crate::link::{Connection, Open};

/// The oldest version with all the commands used here.
const OLDEST: (u32, u32) = (6, 2);

/// How the servers are said to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Each for itself.
    Alone,
    /// In a Cluster.
    InCluster,
}

/// Checks the server of a connection, or every master of a Cluster.
pub(crate) async fn check(open: &Open, standing: Standing) -> Result<(), ConnectError> {
    for info in infos(open).await? {
        check_one(&info, open, standing).await?;
    }
    Ok(())
}

/// Checks that a server is a node of a Cluster at all.
pub(crate) async fn check_seed(open: &Open) -> Result<(), ConnectError> {
    for info in infos(open).await? {
        if field(&info, "cluster_enabled") == Some("0") {
            return Err(ConnectError::NotCluster);
        }
    }
    Ok(())
}

/// Whether the server says that it follows another one.
pub(crate) async fn is_replica(open: &Open) -> bool {
    let mut question = redis::cmd("INFO");
    question.arg("replication");
    let value = open.connection.ask(&question).await.ok();
    let info = value.and_then(text);
    info.is_some_and(|info| field(&info, "role").is_some_and(|role| role != "master"))
}

/// What a server tells of itself; the first master's, in a Cluster.
pub(crate) async fn facts(open: &Open, encrypted: bool) -> Result<StoreFacts, ConnectError> {
    let asked = Instant::now();
    let infos = infos(open).await?;
    let round_trip = asked.elapsed();
    let info = infos.first().map(String::as_str).unwrap_or_default();
    let told = |name: &str| field(info, name).unwrap_or("unknown").to_owned();
    let micros = field(info, "server_time_usec").and_then(|text| text.parse::<i64>().ok());
    Ok(StoreFacts {
        engine: if field(info, "valkey_version").is_some() { "Valkey" } else { "Redis" },
        version: field(info, "valkey_version").map_or_else(|| told("redis_version"), str::to_owned),
        migrated: true,
        read_only: field(info, "role").is_some_and(|role| role != "master"),
        encrypted: Some(encrypted),
        durability: vec![
            Setting::new("aof_enabled", told("aof_enabled"), &["1"]),
            Setting::new("maxmemory_policy", told("maxmemory_policy"), &["noeviction"]),
        ],
        clock: micros.map(|micros| Timestamp::from_millis(micros / 1000)),
        round_trip,
    })
}

async fn infos(open: &Open) -> Result<Vec<String>, ConnectError> {
    let question = redis::cmd("INFO");
    let asked = match open.connection.clone() {
        Connection::Node(_) => open.connection.ask(&question).await,
        Connection::Cluster(mut cluster) => {
            let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            cluster.route_command(question, masters).await
        }
    };
    let value = match asked.map_err(|error| (answer(&error), error)) {
        Ok(value) => value,
        Err((Some(Answer::Failed(Failure::NoPermission)), _)) => {
            tracing::warn!(
                "the Redis user may not ask INFO: version, maxmemory-policy and role of the server \
                 are not checked; it must be 6.2 or newer, with maxmemory-policy noeviction"
            );
            return Ok(Vec::new());
        }
        Err((_, error)) => {
            return Err(ConnectError::Unreachable(Failure::in_connecting(&error)));
        }
    };
    Ok(match value {
        Value::Map(answers) => answers.into_iter().filter_map(|(_, value)| text(value)).collect(),
        Value::Array(answers) => answers.into_iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    })
}

async fn check_one(info: &str, open: &Open, standing: Standing) -> Result<(), ConnectError> {
    if field(info, "loading") == Some("1") {
        return Err(ConnectError::Loading);
    }
    check_version(field(info, "redis_version").unwrap_or_default())?;
    let in_cluster = field(info, "cluster_enabled") == Some("1");
    if in_cluster && standing == Standing::Alone {
        return Err(ConnectError::IsCluster);
    }
    if field(info, "role").is_some_and(|role| role != "master") {
        return Err(ConnectError::Replica);
    }
    let policy = match field(info, "maxmemory_policy") {
        Some(policy) => Some(policy.to_owned()),
        None => setting(open, "maxmemory-policy").await,
    };
    match policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => return Err(ConnectError::Evicts(policy.to_owned())),
        None => tracing::warn!(
            "the Redis server doesn't tell its maxmemory-policy: it must be noeviction, or \
             sessions and revocations are lost when its memory is full"
        ),
    }
    check_persistence(info, open).await;
    Ok(())
}

fn check_version(version: &str) -> Result<(), ConnectError> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST { Err(ConnectError::TooOld(version.to_owned())) } else { Ok(()) }
}

/// Nothing that is lost without it is noticed here: that is the operator's choice, said aloud.
async fn check_persistence(info: &str, open: &Open) {
    let log_file = field(info, "aof_enabled") == Some("1");
    if !log_file && setting(open, "save").await.is_some_and(|save| save.is_empty()) {
        tracing::warn!(
            "the Redis server has neither appendonly nor save: a restart of it forgets every \
             session and account; set `appendonly yes`"
        );
    }
}

async fn setting(open: &Open, name: &str) -> Option<String> {
    // Which node of a Cluster answers doesn't matter for what is only warned about.
    let Connection::Node(_) = &open.connection else { return None };
    let mut question = redis::cmd("CONFIG");
    question.arg("GET").arg(name);
    match open.connection.ask(&question).await.ok()? {
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
    fn versions_from_6_2_on_are_new_enough() {
        for good in ["6.2.0", "6.2", "7.0.15", "8.0.1", "10.1.2", "255.255.255"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["6.0.16", "5.9.9", "2.8", ""] {
            assert!(matches!(check_version(bad), Err(ConnectError::TooOld(_))), "{bad}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "memory"), None);
    }
}
