//! A subject with a hundred thousand sessions.

use std::net::SocketAddr;

use aquaware_core::id::{ClientId, SessionId};
use aquaware_core::session::EndReason;
use aquaware_core::store::SessionStore as _;
use aquaware_servers::{Redis, RedisOptions as ServerOptions};
use aquaware_store_testkit::sample::{ended, session_id, subject};

use crate::records::at;
use crate::servers::{command, connect, run};

const MANY: i64 = 100_000;

/// Sessions that were created and last used at their number, by one script.
const INSERT: &str = "for n = 1, tonumber(ARGV[2]) do
  local id = string.format('%021dA', n)
  redis.call('HSET', ARGV[1] .. 's:' .. id, 'subject', 'ann', 'client', 'web', 'created', n,
    'ends', '9000000000000', 'generation', 1, 'issued', n, 'expires', '9000000000000', 'used', n)
  redis.call('ZADD', ARGV[1] .. 'u:ann', '9000691200000', id .. ' ' .. n)
end
return 'OK'";

fn numbered(number: i64) -> SessionId {
    format!("{number:021}A").parse().unwrap()
}

#[test]
fn a_hundred_thousand_sessions_are_listed_limited_and_ended_in_bounded_steps() {
    // Its script occupies the server for long, and it counts what the server does.
    let server = Redis::start(ServerOptions::default()).unwrap();
    run(async {
        let address = server.address();
        let store = connect(&server.url(), "").await;
        let count = MANY.to_string();
        let _: String = command(address, &["EVAL", INSERT, "0", "", &count]);
        let (ann, web) = (subject("ann"), ClientId::new("web").unwrap());
        let numbers = |sessions: &[aquaware_core::session::Session]| -> Vec<i64> {
            sessions.iter().map(|session| session.created_at.millis()).collect()
        };
        let newest = store.list(&ann, None, 101).await.unwrap();
        assert_eq!(numbers(&newest), (MANY - 100..=MANY).rev().collect::<Vec<_>>());
        let after = Some((at(5_001), numbered(5_001)));
        let page = store.list(&ann, after, 50).await.unwrap();
        assert_eq!(numbers(&page), (4_951..=5_000).rev().collect::<Vec<_>>());

        let limit = ended(EndReason::Limit);
        let reads = calls(address, "hgetall");
        let excess = store.end_least_used((&ann, &web), &session_id(1), 1000, limit, 64).await;
        assert_eq!(excess.unwrap().len(), 64);
        assert!(calls(address, "hgetall") - reads < 20_000, "far from all sessions are read");

        for rows in [64, 500] {
            let all = ended(EndReason::LogoutAll);
            let sessions = store.end_all(&ann, Some(&numbered(1)), all, rows).await.unwrap();
            assert_eq!(sessions.len(), usize::try_from(rows).unwrap());
            assert!(sessions.iter().all(|session| session.id != numbered(1)));
        }
        let left: i64 = command(address, &["ZCARD", "u:ann"]);
        assert_eq!(left, MANY - 64 - 64 - 500, "entries of ended sessions are removed");
    });
}

/// How often the server has executed this command.
fn calls(server: SocketAddr, name: &str) -> i64 {
    let statistics: String = command(server, &["INFO", "commandstats"]);
    let start = format!("cmdstat_{name}:calls=");
    let line = statistics.lines().find_map(|line| line.strip_prefix(&start));
    line.and_then(|rest| rest.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
}
