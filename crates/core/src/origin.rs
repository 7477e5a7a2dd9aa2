//! How much is stored about the origin of logins and refreshes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use aws_lc_rs::digest;
use thiserror::Error;

use crate::text::{MAX_TEXT_BYTES, MAX_USER_AGENT_BYTES, tidy};

/// The origin of a login, by which its owner recognizes it in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// A name given by the client, such as "kitchen tablet".
    pub name: Option<String>,
    /// The IP address of the login.
    pub ip: Option<String>,
    /// The `User-Agent` of the login.
    pub user_agent: Option<String>,
}

impl Device {
    /// The same without control and format characters, truncated to [`MAX_TEXT_BYTES`] and
    /// [`MAX_USER_AGENT_BYTES`].
    #[must_use]
    pub fn tidied(self) -> Self {
        Self {
            name: tidy(self.name, MAX_TEXT_BYTES),
            ip: tidy(self.ip, MAX_TEXT_BYTES),
            user_agent: tidy(self.user_agent, MAX_USER_AGENT_BYTES),
        }
    }
}

/// How much of an IP address and a `User-Agent` is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginRecord {
    /// All of both.
    Full,
    /// The network of the address (/24 for IPv4, /48 for IPv6), and the product and platform words of
    /// the `User-Agent`.
    #[default]
    Masked,
    /// Nothing.
    None,
}

impl OriginRecord {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Full, Self::Masked, Self::None];

    /// The choice's name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Masked => "masked",
            Self::None => "none",
        }
    }

    /// What may be stored of `device`. The name that the client gave is kept in any case: it does not
    /// describe the origin.
    #[must_use]
    pub fn apply(self, device: Device) -> Device {
        match self {
            Self::Full => device,
            Self::Masked => Device {
                // A text that is not an address cannot be masked.
                ip: device.ip.and_then(|ip| Some(Network::of(ip.parse().ok()?).to_string())),
                user_agent: device.user_agent.as_deref().and_then(masked_user_agent),
                name: device.name,
            },
            Self::None => Device { name: device.name, ..Device::default() },
        }
    }
}

/// The text is not the name of an [`OriginRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected full, masked or none")]
pub struct UnknownOriginRecordError;

impl FromStr for OriginRecord {
    type Err = UnknownOriginRecordError;

    fn from_str(text: &str) -> Result<Self, UnknownOriginRecordError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownOriginRecordError)
    }
}

/// An address, or the network that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `address`: /24 for IPv4, /48 for IPv6.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self { address: Ipv4Addr::new(a, b, c, 0).into(), prefix: 24 }
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Self { address: Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into(), prefix: 48 }
            }
        }
    }

    const fn exactly(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    const fn is_address(self) -> bool {
        self.prefix == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The same, masked as by [`Network::of`].
    #[must_use]
    pub fn masked(self) -> Self {
        Self::of(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_address() {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The origin of a refresh, as far as it may be stored: enough to notice that a repeat of it comes
/// from elsewhere. Its text has at most 64 characters, such as `203.0.113.0/24 0f1e2d3c4b5a6978`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The address or network.
    pub network: Option<Network>,
    /// A hash of the recorded `User-Agent`.
    user_agent: Option<u64>,
}

impl Origin {
    /// The origin that `device` describes. `None` if nothing may be stored about it.
    #[must_use]
    pub fn new(record: OriginRecord, device: &Device) -> Option<Self> {
        let address: Option<IpAddr> = device.ip.as_deref().and_then(|ip| ip.parse().ok());
        let user_agent = device.user_agent.as_deref();
        let origin = match record {
            OriginRecord::Full => {
                Self { network: address.map(Network::exactly), user_agent: user_agent.map(hash) }
            }
            OriginRecord::Masked => Self {
                network: address.map(Network::of),
                user_agent: user_agent.and_then(masked_user_agent).as_deref().map(hash),
            },
            OriginRecord::None => return None,
        };
        (origin.network.is_some() || origin.user_agent.is_some()).then_some(origin)
    }
}

fn hash(text: &str) -> u64 {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            Some(network) => write!(f, "{network} ")?,
            None => f.write_str("- ")?,
        }
        match self.user_agent {
            Some(hash) => write!(f, "{hash:016x}"),
            None => f.write_str("-"),
        }
    }
}

/// The text is not that of an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the origin of a refresh")]
pub struct InvalidOriginError;

impl FromStr for Origin {
    type Err = InvalidOriginError;

    fn from_str(text: &str) -> Result<Self, InvalidOriginError> {
        let network = |text: &str| match text.split_once('/') {
            None => text.parse().ok().map(Network::exactly),
            Some((address, prefix)) => {
                Some(Network { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
            }
        };
        let (first, second) = text.split_once(' ').ok_or(InvalidOriginError)?;
        Ok(Self {
            network: match first {
                "-" => None,
                text => Some(network(text).ok_or(InvalidOriginError)?),
            },
            user_agent: match second {
                "-" => None,
                hex => Some(u64::from_str_radix(hex, 16).map_err(|_| InvalidOriginError)?),
            },
        })
    }
}

/// Maximum length of a masked `User-Agent`, in bytes.
const MAX_MASKED_BYTES: usize = 64;

/// Words by which an owner recognizes the platform of a device.
const PLATFORMS: [&str; 18] = [
    "Android",
    "Arduino",
    "BSD",
    "CrOS",
    "Darwin",
    "ESP32",
    "ESP8266",
    "FreeBSD",
    "Linux",
    "Mac",
    "Macintosh",
    "OpenBSD",
    "Ubuntu",
    "Windows",
    "iOS",
    "iPad",
    "iPhone",
    "iPod",
];

/// Products that nearly every browser names, so that they identify none.
const COMMON_PRODUCTS: [&str; 5] = ["Mozilla", "AppleWebKit", "Gecko", "Version", "Mobile"];

/// The names of products without their versions, then the words of [`PLATFORMS`], each once. The
/// rest, such as the model of a phone, can identify a person.
fn masked_user_agent(text: &str) -> Option<String> {
    let (mut products, mut platforms) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for part in text.split_inclusive(['(', ')']) {
        let words = part.trim_end_matches(['(', ')']);
        for word in words.split(|c: char| c.is_whitespace() || ";,".contains(c)) {
            let name = word.split('/').next().unwrap_or_default();
            let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            let is_product = depth == 0 && is_plain && (word.contains('/') || products.is_empty());
            if let Some(platform) = PLATFORMS.iter().find(|it| it.eq_ignore_ascii_case(name)) {
                push_new(&mut platforms, platform);
            } else if is_product {
                push_new(&mut products, name);
            }
        }
        if part.ends_with('(') {
            depth = depth.saturating_add(1);
        } else if part.ends_with(')') {
            depth = depth.saturating_sub(1);
        }
    }
    if products.iter().any(|name| !COMMON_PRODUCTS.contains(name)) {
        products.retain(|name| !COMMON_PRODUCTS.contains(name));
    }
    let mut masked = String::new();
    for word in products.into_iter().chain(platforms) {
        let gap = usize::from(!masked.is_empty());
        if masked.len().saturating_add(gap).saturating_add(word.len()) > MAX_MASKED_BYTES {
            continue;
        }
        if gap == 1 {
            masked.push(' ');
        }
        masked.push_str(word);
    }
    (!masked.is_empty()).then_some(masked)
}

fn push_new<'a>(words: &mut Vec<&'a str>, word: &'a str) {
    if !words.contains(&word) {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(ip: &str, user_agent: &str) -> Device {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Device { name: some("kitchen"), ip: some(ip), user_agent: some(user_agent) }
    }

    #[test]
    fn addresses_are_masked_to_their_network() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1234:5678::1", "2001:db8:1234::/48"),
            ("::1", "::/48"),
        ] {
            let masked = OriginRecord::Masked.apply(device(address, ""));
            assert_eq!(masked.ip.as_deref(), Some(network));
        }
        assert_eq!(OriginRecord::Masked.apply(device("localhost", "")).ip, None);
    }

    #[test]
    fn user_agents_are_cut_to_products_and_platforms() {
        for (text, masked) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
                "Firefox Linux",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 7 Pro) AppleWebKit/537.36 (KHTML, like \
                 Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
                "Chrome Safari Linux Android",
            ),
            ("curl/8.5.0", "curl"),
            ("aquarium/1.2 (ESP32; Ann's kitchen)", "aquarium ESP32"),
            ("Mozilla/5.0", "Mozilla"),
            ("a phone of Ann Smith", "a"),
        ] {
            assert_eq!(masked_user_agent(text).as_deref(), Some(masked), "{text}");
        }
        assert_eq!(masked_user_agent("(secret)"), None);
        let many: String = (0..50).map(|n| format!("product{n}/1 ")).collect();
        assert!(masked_user_agent(&many).unwrap().len() <= MAX_MASKED_BYTES);
    }

    #[test]
    fn full_records_keep_everything_and_none_keeps_the_name() {
        let known = device("203.0.113.77", "curl/8.5.0");
        assert_eq!(OriginRecord::Full.apply(known.clone()), known);
        let nothing = OriginRecord::None.apply(known.clone());
        assert_eq!(nothing, Device { name: known.name, ..Device::default() });
    }

    #[test]
    fn origins_round_trip_as_text() {
        for record in [OriginRecord::Full, OriginRecord::Masked] {
            for known in [
                device("203.0.113.77", "curl/8.5.0"),
                device("2001:db8:1234:5678:90ab:cdef:1234:5678", ""),
                device("", "curl/8.5.0"),
            ] {
                let origin = Origin::new(record, &known).unwrap();
                assert_eq!(origin.to_string().parse(), Ok(origin));
                assert!(origin.to_string().len() <= 64);
            }
        }
        assert_eq!(Origin::new(OriginRecord::None, &device("203.0.113.77", "curl/8")), None);
        for bad in ["", "x", "x -", "- x", "203.0.113.0/x -"] {
            assert_eq!(bad.parse::<Origin>(), Err(InvalidOriginError), "{bad}");
        }
    }

    #[test]
    fn masked_origins_differ_only_by_network_and_products() {
        let origin = |ip, agent| Origin::new(OriginRecord::Masked, &device(ip, agent));
        let first = origin("203.0.113.1", "curl/8.5.0");
        assert_eq!(first, origin("203.0.113.2", "curl/9"));
        assert_ne!(first, origin("203.0.114.1", "curl/8.5.0"));
        assert_ne!(first, origin("203.0.113.1", "wget/1"));
    }
}
