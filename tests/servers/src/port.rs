//! Ports that nobody else takes while a server of ours is down.
//!
//! They lie below the range from which systems draw the ports of outgoing connections. A port in
//! that range could be drawn by a client that is just trying to reconnect to it: it would connect
//! to itself and keep the server from coming back.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::error::ServersError;
use crate::home;

/// The first port and how many there are.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;
/// A Redis Cluster node speaks to its peers this far above its port.
const BUS: u16 = 10_000;

/// A TCP port of the loopback that is ours as long as this value lives.
///
/// It is claimed by holding the UDP port of the same number, which no server here uses. So a claim
/// is seen by other processes, doesn't stop the server from listening, and ends with the process.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Claims a free port whose bus port is free as well.
    ///
    /// # Errors
    /// There is none.
    pub fn claim() -> Result<Self, ServersError> {
        let start = u16::try_from(home::random()? % u64::from(COUNT)).unwrap_or_default();
        let numbers = (0..COUNT).map(|step| FIRST + (start + step) % COUNT);
        numbers.filter_map(Self::try_claim).next().ok_or(ServersError::NoPort)
    }

    fn try_claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        for number in [number, number + BUS] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        }
        Some(Self { number, _claim: claim })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Where a server that has it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_not_given_twice_and_can_be_listened_on() {
        let port = Port::claim().unwrap();
        assert!(Port::try_claim(port.number()).is_none());
        TcpListener::bind(port.address()).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number).is_some());
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let port = Port::claim().unwrap();
        let bus = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number() + BUS)).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number).is_none());
        drop(bus);
    }
}
