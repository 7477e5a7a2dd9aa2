//! Redis servers with failover.

use std::time::Duration;

use aquaware_servers::{Cluster, ClusterOptions, Reply, Sentinel, SentinelOptions};

use crate::traces::{assert_nothing_is_left, wait_for};

/// How long a server may be silent here: a busy machine must not look like a failed master.
const SILENCE: Duration = Duration::from_secs(5);

fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}

#[test]
fn sentinels_agree_on_a_master_and_replace_it_on_request_and_when_it_dies() {
    let password = Some("secret".to_owned());
    let options = SentinelOptions { password, down_after: SILENCE, ..SentinelOptions::default() };
    let mut sentinel = Sentinel::start_with(options).unwrap();
    let directory = sentinel.directory().to_owned();
    assert_eq!(sentinel.ids().len(), 6);
    let hosts: Vec<_> = sentinel.addresses().iter().map(ToString::to_string).collect();
    let expected = format!("redis-sentinel://:secret@{}/aquaware/0", hosts.join(","));
    assert_eq!(sentinel.url(), expected);

    let first = sentinel.master().unwrap();
    assert_eq!(first, sentinel.nodes()[0].address());
    let master = sentinel.node_at(first).unwrap();
    master.command(&["SET", "key", "value"]).unwrap();
    // All replicas have the value, whichever is chosen.
    master.command(&["WAIT", "2", "0"]).unwrap();

    let second = sentinel.failover().unwrap();
    assert_ne!(second, first);
    sentinel.restart().unwrap();
    assert_eq!(sentinel.kill_master().unwrap(), second);
    let third = sentinel.wait_for_other_master(second).unwrap();
    assert_ne!(third, second);
    let master = sentinel.node_at(third).unwrap();
    assert_eq!(master.command(&["GET", "key"]).unwrap(), text("value"));
    master.command(&["SET", "key", "new"]).unwrap();

    sentinel.restart().unwrap();
    assert_eq!(sentinel.master().unwrap(), third, "{}", sentinel.log());
    assert_eq!(sentinel.ids().len(), 6);
    drop(sentinel);
    assert_nothing_is_left(&directory);
}

#[test]
fn a_cluster_shares_the_keys_and_replaces_a_master_that_dies() {
    let password = Some("secret".to_owned());
    let options = ClusterOptions { password, node_timeout: SILENCE, ..ClusterOptions::default() };
    let mut cluster = Cluster::start_with(options).unwrap();
    let directory = cluster.directory().to_owned();
    let hosts: Vec<_> = cluster.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(hosts.len(), 6);
    assert_eq!(cluster.url(), format!("redis-cluster://:secret@{}", hosts.join(",")));

    let mut masters: Vec<_> = ["foo", "bar", "hello"].map(|k| cluster.master_of(k).unwrap()).into();
    masters.sort_unstable();
    masters.dedup();
    // CLUSTER KEYSLOT: foo 12182, bar 5061, hello 866.
    assert_eq!(masters.len(), 2, "{masters:?}");

    let old = cluster.master_of("foo").unwrap();
    let master = cluster.node_at(old).unwrap();
    master.command(&["SET", "foo", "value"]).unwrap();
    master.command(&["WAIT", "1", "0"]).unwrap();
    let elsewhere = cluster.master_of("bar").unwrap();
    let error = cluster.node_at(elsewhere).unwrap().command(&["GET", "foo"]).unwrap_err();
    assert!(error.to_string().contains(&format!("MOVED 12182 {old}")), "{error}");

    assert_eq!(cluster.kill_master_of("foo").unwrap(), old);
    let new = cluster.wait_for_other_master_of("foo", old).unwrap();
    let master = cluster.node_at(new).unwrap();
    // The new state may change once more before all nodes agree.
    wait_for("the value", || master.command(&["GET", "foo"]).is_ok_and(|it| it == text("value")));
    cluster.restart().unwrap();
    assert_eq!(cluster.master_of("foo").unwrap(), new);
    assert_eq!(cluster.ids().len(), 6);
    drop(cluster);
    assert_nothing_is_left(&directory);
}
