//! The client's address behind trusted proxies. Their `X-Forwarded-Proto` is not needed: whatever the
//! server hands out starts at the configured issuer.
//!
//! Any client can send `X-Forwarded-For`. Only entries that a trusted proxy appended count, so the
//! list is read from the right, and only if the connection comes from a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The origin of a request, as far as it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address; `0.0.0.0` for a connection without one. IPv4-mapped addresses are IPv4.
    pub(crate) address: IpAddr,
}

/// The networks with trusted forwarding headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether ignored headers were reported. Once is enough: any client can send them.
    reported: Arc<AtomicBool>,
}

impl TrustedProxies {
    /// Trusts these networks.
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, reported: Arc::default() }
    }

    /// The client behind the connection from `peer`: the right-most address that is not a trusted
    /// proxy. A malformed entry ends the search at the last valid one, because the origin of the
    /// entries to its left is unknown.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
        if !self.trust(peer) {
            self.report_ignored(peer, headers);
            return Client { address: peer };
        }
        Client { address: self.walk(peer, headers) }
    }

    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lists: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        let mut last_valid = peer;
        for list in lists.iter().rev() {
            for entry in list.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(address) = std::str::from_utf8(entry).ok().and_then(parse) else {
                    return last_valid;
                };
                last_valid = address;
                if !self.trust(address) {
                    return last_valid;
                }
            }
        }
        last_valid
    }

    /// A forgotten setting looks like this too: then all clients share the address of the proxy.
    fn report_ignored(&self, peer: IpAddr, headers: &HeaderMap) {
        let present = [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED];
        if present.iter().any(|name| headers.contains_key(name))
            && !self.reported.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "ignored forwarding headers of a peer that is not a trusted proxy; if it is your \
                 proxy, add its address to listen.trusted_proxies (this is reported once)"
            );
        }
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address with or without a port, which some proxies add.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|it| it.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(peer: &str, pairs: &[(&str, &[u8])]) -> Client {
        let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"];
        let proxies = TrustedProxies::new(networks.iter().map(|it| it.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        proxies.client(Some(peer.parse().unwrap()), &headers)
    }

    fn address(peer: &str, lists: &[&[u8]]) -> String {
        let pairs: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
        client(peer, &pairs).address.to_string()
    }

    #[test]
    fn ignored_headers_are_reported_once() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let reported = |peer: &str, name: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(name) = name {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
            }
            proxies.client(Some(peer.parse().unwrap()), &headers);
            proxies.reported.load(Ordering::Relaxed)
        };
        assert!(!reported("10.0.0.1", Some("x-forwarded-for")));
        assert!(!reported("198.51.100.7", None));
        assert!(reported("198.51.100.7", Some("forwarded")));
        assert!(proxies.clone().reported.load(Ordering::Relaxed), "the clones of all workers");
    }

    #[test]
    fn headers_from_untrusted_peers_are_ignored() {
        assert_eq!(address("198.51.100.7", &[b"203.0.113.9"]), "198.51.100.7");
    }

    #[test]
    fn the_right_most_address_outside_the_proxies_is_the_client() {
        assert_eq!(address("10.0.0.1", &[b"203.0.113.9"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[b"1.1.1.1, 203.0.113.9,10.0.0.2"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[b"1.1.1.1,203.0.113.9", b"fd00::2"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[b"1.1.1.1", b"203.0.113.9"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[b"203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[b"[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(address("10.0.0.1", &[b"[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn among_proxies_alone_the_left_most_one_is_the_client() {
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn a_malformed_entry_stops_the_walk_at_the_last_valid_one() {
        for bad in [&b"unknown"[..], b"", b"999.1.1.1", b"\xff", b"1.1.1.1;x", b"_hidden", b" "] {
            let list = [b"203.0.113.9,", bad, b",10.0.0.2"].concat();
            assert_eq!(address("10.0.0.1", &[&list]), "10.0.0.2", "{bad:?}");
            assert_eq!(address("10.0.0.1", &[bad]), "10.0.0.1", "{bad:?}");
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_the_ipv4_address() {
        assert_eq!(address("::ffff:198.51.100.7", &[]), "198.51.100.7");
        assert_eq!(address("::ffff:10.0.0.1", &[b"::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_connection_without_an_address_has_the_unspecified_one() {
        let client = TrustedProxies::default().client(None, &HeaderMap::new());
        assert_eq!(client.address.to_string(), "0.0.0.0");
    }
}
