//! One Redis server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use aquaware_servers::{Fault, Proxy, Redis, RedisOptions, Reply, ServersError};

use crate::certificate;
use crate::traces::{assert_nothing_is_left, processes_in};

fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}

#[test]
fn stored_data_survives_a_kill_on_the_same_port() {
    let mut redis = Redis::start(RedisOptions::default()).unwrap();
    let (address, directory) = (redis.address(), redis.directory().to_owned());
    assert_eq!(redis.url(), format!("redis://{address}/0"));
    assert_eq!(redis.command(&["SET", "key", "value"]).unwrap(), text("OK"));
    redis.kill().unwrap();
    assert!(redis.command(&["PING"]).is_err());
    assert!(matches!(redis.kill(), Err(ServersError::NotRunning(_))));
    redis.restart().unwrap();
    assert!(matches!(redis.restart(), Err(ServersError::Running(_))));
    assert_eq!(redis.address(), address);
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), text("value"));
    drop(redis);
    assert_nothing_is_left(&directory);
}

#[test]
fn without_appendonly_a_restart_loses_data() {
    let options = RedisOptions { appendonly: false, ..RedisOptions::default() };
    let mut redis = Redis::start(options).unwrap();
    redis.command(&["SET", "key", "value"]).unwrap();
    redis.stop().unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), Reply::Nil);
}

#[test]
fn passwords_with_special_characters_are_required() {
    let password = "p\"a ss:w@rd/\\".replace(' ', "");
    let options = RedisOptions { password: Some(password), ..RedisOptions::default() };
    let redis = Redis::start(options).unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), text("PONG"));
    assert!(
        redis.url().starts_with("redis://:p%22ass%3Aw%40rd%2F%5C@127.0.0.1:"),
        "{}",
        redis.url()
    );
}

#[test]
fn memory_has_the_configured_limit() {
    let options = RedisOptions { maxmemory: Some("2mb".into()), ..RedisOptions::default() };
    let redis = Redis::start(options).unwrap();
    let value = "x".repeat(100_000);
    let store = |number: i32| redis.command(&["SET", &number.to_string(), &value]);
    let error = (0..30).find_map(|number| store(number).err()).unwrap();
    assert!(error.to_string().contains("OOM"), "{error}");
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() {
    let mut redis = Redis::start(RedisOptions::default()).unwrap();
    redis.pause().unwrap();
    assert!(redis.command(&["PING"]).is_err());
    redis.resume().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), text("PONG"));
    redis.pause().unwrap();
    let start = Instant::now();
    redis.kill().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_invalid_setting_is_an_error_with_the_log() {
    let settings = vec![("no-such-setting".to_owned(), "1".to_owned())];
    let error = Redis::start(RedisOptions { settings, ..RedisOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("no-such-setting"), "{error}");
}

#[test]
fn many_servers_run_side_by_side() {
    let start = || thread::spawn(|| Redis::start(RedisOptions::default()).unwrap());
    let servers: Vec<_> = std::iter::repeat_with(start).take(12).collect();
    let servers: Vec<_> = servers.into_iter().map(|server| server.join().unwrap()).collect();
    for (number, redis) in servers.iter().enumerate() {
        redis.command(&["SET", "number", &number.to_string()]).unwrap();
        assert!(!processes_in(redis.directory()).is_empty());
    }
    for (number, redis) in servers.iter().enumerate() {
        assert_eq!(redis.command(&["GET", "number"]).unwrap(), text(&number.to_string()));
    }
}

#[test]
fn with_a_certificate_it_speaks_tls_on_a_second_port() {
    let options = RedisOptions { tls: Some(certificate()), ..RedisOptions::default() };
    let redis = Redis::start(options).unwrap();
    let address = redis.tls_address().unwrap();
    assert_eq!(redis.tls_url(), Some(format!("rediss://{address}/0")));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"not a handshake\r\n").unwrap();
    let mut answer = [0];
    // An alert, content type 21 (RFC 8446, section 5.1), or nothing, but not a reply of Redis.
    assert!(!matches!(stream.read(&mut answer), Ok(1) if answer != [21]), "{answer:?}");
}

#[test]
fn a_fault_decides_whether_a_command_is_executed() {
    let redis = Redis::start(RedisOptions::default()).unwrap();
    let proxy = Proxy::to(redis.address()).unwrap();
    let count = |fault: Fault| {
        proxy.next(1, fault);
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n").unwrap();
        let mut answer = String::new();
        if fault == Fault::Pass {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            answer.push_str(&String::from_utf8_lossy(&bytes));
        } else {
            stream.read_to_string(&mut answer).unwrap();
        }
        (answer, redis.command(&["GET", "n"]).unwrap())
    };
    assert_eq!(count(Fault::Pass), (":1\r\n".into(), text("1")));
    assert_eq!(count(Fault::CutBefore), (String::new(), text("1")));
    assert_eq!(count(Fault::CutAfter), (String::new(), text("2")));
    assert_eq!(count(Fault::CutWithin(2)), (":3".into(), text("3")));
}
