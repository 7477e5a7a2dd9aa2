//! Ports that no other process takes while a server is down.
//!
//! They are below the range that systems use for outgoing connections. A port in
//! that range could be assigned to a client that is trying to reconnect to it: it would connect
//! to itself and keep the server from coming back.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::data_dir;
use crate::error::ServersError;

/// The first port and how many there are.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;
/// The distance of a Redis Cluster node's bus port from its port.
const BUS: u16 = 10_000;

/// A TCP port of the loopback that is reserved as long as this value lives.
///
/// It is claimed by holding the UDP port of the same number, which no server here uses. So a claim
/// is seen by other processes, does not prevent the server from listening, and ends with this one.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Claims a free port whose bus port is free as well.
    ///
    /// # Errors
    /// None is found.
    pub fn claim() -> Result<Self, ServersError> {
        let start = u16::try_from(data_dir::random()? % u64::from(COUNT)).unwrap_or_default();
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

    /// The address of a server on this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_unique_and_can_be_bound() {
        let port = Port::claim().unwrap();
        assert!(Port::try_claim(port.number()).is_none());
        TcpListener::bind(port.address()).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number).is_some());
    }

    #[test]
    fn ports_in_use_are_not_claimed() {
        let port = Port::claim().unwrap();
        let bus = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number() + BUS)).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number).is_none());
        drop(bus);
    }
}
