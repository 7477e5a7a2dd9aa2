//! MariaDB. The client here only reads the greeting; the store's tests go further.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use aquaware_servers::{Durability, Mariadb, MariadbOptions};

use crate::certificate;
use crate::traces::assert_nothing_is_left;

/// The server's version, from its greeting.
fn greeting(mariadb: &Mariadb) -> std::io::Result<String> {
    greeting_within(mariadb, Duration::from_secs(60))
}

fn greeting_within(mariadb: &Mariadb, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(mariadb.address())?;
    stream.set_read_timeout(Some(timeout))?;
    let mut start = [0; 64];
    let length = stream.read(&mut start)?;
    let version = start.iter().take(length).skip(5).take_while(|byte| **byte != 0);
    Ok(version.map(|byte| char::from(*byte)).collect())
}

#[test]
fn it_can_be_paused_killed_stopped_and_restarted_on_the_same_data_and_port() {
    let mut mariadb = Mariadb::start(MariadbOptions::default()).unwrap();
    let (address, directory) = (mariadb.address(), mariadb.directory().to_owned());
    let expected = format!("mysql://aquaware:{}@{address}/aquaware", mariadb.password());
    assert_eq!(mariadb.url(), expected);
    assert!(greeting(&mariadb).unwrap().contains("MariaDB"));

    mariadb.pause().unwrap();
    assert!(greeting_within(&mariadb, Duration::from_secs(1)).is_err());
    mariadb.resume().unwrap();
    assert!(greeting(&mariadb).is_ok());
    for stop in [Mariadb::kill, Mariadb::stop] {
        stop(&mut mariadb).unwrap();
        assert!(TcpStream::connect(address).is_err());
        mariadb.restart().unwrap();
        assert_eq!(mariadb.address(), address);
        assert!(greeting(&mariadb).unwrap().contains("MariaDB"));
    }
    assert!(directory.join("data/aquaware").is_dir(), "{}", mariadb.log());
    assert!(!mariadb.log().contains("ERROR"), "{}", mariadb.log());
    drop(mariadb);
    assert_nothing_is_left(&directory);
}

#[test]
fn with_a_certificate_it_offers_tls() {
    let offers = |mariadb: &Mariadb| {
        let mut stream = TcpStream::connect(mariadb.address()).unwrap();
        let mut start = [0; 128];
        let length = stream.read(&mut start).unwrap();
        // The lower half of the capabilities follows the version, its end, 4 + 8 + 1 bytes.
        let version = start.iter().take(length).skip(5).take_while(|byte| **byte != 0).count();
        let high = start.get(5 + version + 1 + 13 + 1).unwrap();
        // CLIENT_SSL, 0x0800.
        high & 0x08 != 0
    };
    for (tls, offered) in [(Some(certificate()), true), (None, false)] {
        let durability = Durability::Fast;
        let options = MariadbOptions { tls, durability, ..MariadbOptions::default() };
        assert_eq!(offers(&Mariadb::start(options).unwrap()), offered);
    }
}
