//! A second opinion on the time: the clock of the host of the session store.
//!
//! A server that starts with a clock far ahead must not delete anything. A store on another host shows
//! whether the clock is right; a store on this host has the same clock, right or wrong.

use std::net::IpAddr;
use std::time::Duration;

use aquaware_core::time::{Clock as _, SystemClock, Timestamp};

use super::stores::facts;
use crate::config::{StoreUrl, Stores};

/// The largest difference of two clocks that agree, as for replicas.
const MAX_DIFFERENCE: Duration = Duration::from_secs(60);

/// Whether the session store is on another host whose clock agrees with that of this host. Blocks.
pub(super) fn agrees(stores: &Stores) -> bool {
    let StoreUrl::Server(_, url) = &stores.sessions else { return false };
    if !is_elsewhere(url.expose()) {
        return false;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return false;
    };
    let stores = Stores { migrate: false, ..stores.clone() };
    let clock = match runtime.block_on(facts(&stores.sessions, &stores)) {
        Ok(Some(found)) => found.facts.clock,
        _ => None,
    };
    clock.is_some_and(|clock| is_near(clock, SystemClock.now()))
}

fn is_near(one: Timestamp, other: Timestamp) -> bool {
    u128::from(one.millis().abs_diff(other.millis())) <= MAX_DIFFERENCE.as_millis()
}

/// Whether every host in the URL of a store is another one. When in doubt, none is.
fn is_elsewhere(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    hosts.split(',').all(|host| {
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_local = bare.is_empty()
            || bare.contains('%')
            || bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        !is_local
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_on_another_host_gives_a_second_opinion() {
        for url in [
            "postgres://ann:pass@db.example:5432/main?sslmode=require",
            "postgres://ann@10.0.0.5/main",
            "mysql://ann:p%40ss@[2001:db8::5]:3306/main",
            "redis-sentinel://one:26379,two:26379/main",
        ] {
            assert!(is_elsewhere(url), "{url}");
        }
        for url in [
            "postgres://ann:pass@localhost:5432/main",
            "postgres://ann@127.0.0.1/main",
            "postgres://ann@[::1]:5432/main",
            "postgres://ann@[::ffff:127.0.0.1]/main",
            "postgres://ann@%2Frun%2Fpostgresql/main",
            "postgres://ann@db.example,localhost/main",
            "postgres:///main?host=/run/postgresql",
            "redis://",
        ] {
            assert!(!is_elsewhere(url), "{url}");
        }
    }

    #[test]
    fn clocks_agree_within_a_minute() {
        let at = Timestamp::from_millis;
        assert!(is_near(at(1_000_000), at(1_060_000)) && is_near(at(1_060_000), at(1_000_000)));
        assert!(!is_near(at(1_000_000), at(1_060_001)));
        assert!(!is_near(at(i64::MIN), at(i64::MAX)));
    }
}
