//! Ports that no other process takes while a server is down.
//!
//! They are below the range that systems use for outgoing connections. A port in
//! that range could be assigned to a client that is trying to reconnect to it: it would connect
//! to itself and keep the server from coming back.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Once;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::data_dir;
use crate::error::ServersError;

/// Where ports begin and how many there are.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;
/// The distance of the bus port of a Redis Cluster's node from its port.
const BUS: u16 = 10_000;

/// How many descriptors a process may have open that claims ports.
const DESCRIPTORS: u64 = 16_384;

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
    /// Claims a free port.
    ///
    /// # Errors
    /// None is found.
    pub fn claim() -> Result<Self, ServersError> {
        Self::claim_using(|number| vec![number])
    }

    /// Claims a free port whose bus port is free as well.
    pub(crate) fn claim_with_bus() -> Result<Self, ServersError> {
        Self::claim_using(with_bus)
    }

    fn claim_using(used: impl Fn(u16) -> Vec<u16>) -> Result<Self, ServersError> {
        allow_many_descriptors();
        let start = u16::try_from(data_dir::random()? % u64::from(COUNT)).unwrap_or_default();
        let numbers = (0..COUNT).map(|step| FIRST + (start + step) % COUNT);
        let claimed = numbers.filter_map(|number| Self::try_claim(number, &used(number))).next();
        claimed.ok_or(ServersError::NoPort)
    }

    fn try_claim(number: u16, used: &[u16]) -> Option<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        for number in used {
            TcpListener::bind((Ipv4Addr::LOCALHOST, *number)).ok()?;
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

/// A claim is a descriptor, and the tests of one process claim more ports than the usual soft limit.
fn allow_many_descriptors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
        let wanted = hard.min(DESCRIPTORS);
        if soft < wanted {
            // Without it, claiming a port fails when the limit is reached.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
        }
    });
}

/// The ports of a node of a Redis Cluster.
fn with_bus(number: u16) -> Vec<u16> {
    vec![number, number + BUS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_unique_and_can_be_bound() {
        let port = Port::claim().unwrap();
        assert!(Port::try_claim(port.number(), &[port.number()]).is_none());
        TcpListener::bind(port.address()).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number, &[number]).is_some());
    }

    #[test]
    fn ports_in_use_are_not_claimed() {
        let port = Port::claim_with_bus().unwrap();
        let bus = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number() + BUS)).unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_claim(number, &with_bus(number)).is_none());
        drop(bus);
    }
}
