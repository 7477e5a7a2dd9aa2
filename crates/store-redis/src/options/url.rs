//! Parsing of URLs.

use super::{Credentials, Host, InvalidUrlError, RedisOptions, Topology};

type Parsed<T> = Result<T, InvalidUrlError>;

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

impl RedisOptions {
    /// Parses one of
    /// - `redis://[user:password@]host[:port][/database]`
    /// - `redis-sentinel://[user:password@]host[:port][,host[:port]…]/master[/database]`; user and
    ///   password are those of the servers, and of the Sentinels if they require a login
    /// - `redis-cluster://[user:password@]host[:port][,host[:port]…]`
    ///
    /// With TLS the scheme starts with `rediss`. The parameters are `?prefix=…` and, with TLS,
    /// `authority=FILE`. `%XX` encodes a byte everywhere except in hosts.
    ///
    /// # Errors
    /// [`InvalidUrlError`] describes the problem and never repeats the URL.
    pub fn from_url(url: &str) -> Result<Self, InvalidUrlError> {
        read(url)
    }
}

fn read(url: &str) -> Parsed<RedisOptions> {
    let (scheme, rest) =
        url.split_once("://").ok_or(InvalidUrlError("the URL must start with redis://"))?;
    let (kind, tls) = match scheme {
        "redis" => (Kind::Single, false),
        "rediss" => (Kind::Single, true),
        "redis-sentinel" => (Kind::Sentinel, false),
        "rediss-sentinel" => (Kind::Sentinel, true),
        "redis-cluster" => (Kind::Cluster, false),
        "rediss-cluster" => (Kind::Cluster, true),
        _ => {
            return Err(InvalidUrlError(
                "the scheme must be redis, rediss, redis-sentinel, rediss-sentinel, redis-cluster \
                 or rediss-cluster",
            ));
        }
    };
    if rest.contains('#') {
        return Err(InvalidUrlError("write # as %23"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(read_credentials(credentials)?), hosts),
        None => (None, authority),
    };
    let (topology, database) = read_topology(kind, hosts, path)?;
    let mut options = RedisOptions {
        timeout: RedisOptions::DEFAULT_TIMEOUT,
        prefix: RedisOptions::DEFAULT_PREFIX.to_owned(),
        authority: None,
        topology,
        tls,
        credentials,
        database,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        read_parameter(pair, &mut options)?;
    }
    Ok(options)
}

fn read_credentials(text: &str) -> Parsed<Credentials> {
    let (user, password) = text
        .split_once(':')
        .ok_or(InvalidUrlError("write user:password or :password before the @"))?;
    let user = Some(unescape(user)?).filter(|user| !user.is_empty());
    Ok(Credentials { user, password: unescape(password)? })
}

fn read_topology(kind: Kind, hosts: &str, path: &str) -> Parsed<(Topology, i64)> {
    let port = if kind == Kind::Sentinel { DEFAULT_SENTINEL_PORT } else { DEFAULT_PORT };
    let mut hosts: Vec<Host> =
        hosts.split(',').map(|text| read_host(text, port)).collect::<Parsed<_>>()?;
    match kind {
        Kind::Single => match (hosts.pop(), hosts.is_empty()) {
            (Some(host), true) => Ok((Topology::Single(host), read_database(path)?)),
            _ => {
                Err(InvalidUrlError("several hosts require redis-sentinel:// or redis-cluster://"))
            }
        },
        Kind::Sentinel => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = unescape(master)?;
            if master.is_empty() {
                return Err(InvalidUrlError(
                    "write /master after the Sentinels, the name of the master",
                ));
            }
            Ok((Topology::Sentinel { sentinels: hosts, master }, read_database(database)?))
        }
        Kind::Cluster => match read_database(path)? {
            0 => Ok((Topology::Cluster(hosts), 0)),
            _ => Err(InvalidUrlError("a Cluster has only database 0; use ?prefix= instead")),
        },
    }
}

fn read_host(text: &str, default: u16) -> Parsed<Host> {
    const INVALID: InvalidUrlError =
        InvalidUrlError("a host must be name, name:port, [IPv6] or [IPv6]:port");
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(INVALID)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| INVALID)?;
            (
                address,
                if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(INVALID)?) },
            )
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if name.is_empty() || !name.bytes().all(known) {
        return Err(INVALID);
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| INVALID))?;
    if port == 0 { Err(INVALID) } else { Ok(Host { name: name.to_owned(), port }) }
}

fn read_database(path: &str) -> Parsed<i64> {
    const INVALID: InvalidUrlError = InvalidUrlError("a database must be a number, such as /0");
    let number: u16 = if path.is_empty() { 0 } else { path.parse().map_err(|_| INVALID)? };
    Ok(i64::from(number))
}

fn read_parameter(pair: &str, options: &mut RedisOptions) -> Parsed<()> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let value = unescape(value)?;
    match name {
        "prefix" => options.prefix = value,
        "authority" if !options.tls => {
            return Err(InvalidUrlError("an authority requires TLS: write rediss"));
        }
        "authority" => options.authority = Some(value.into()),
        _ => return Err(InvalidUrlError("the only parameters are prefix= and authority=")),
    }
    Ok(())
}

/// RFC 3986 §2.1.
fn unescape(text: &str) -> Parsed<String> {
    const INVALID: InvalidUrlError =
        InvalidUrlError("a % must be followed by two hexadecimal digits of UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or(INVALID);
        let number = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(number).map_err(|_| INVALID)?);
    }
    String::from_utf8(bytes).map_err(|_| INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn one_server_with_user_database_and_prefix() {
        let options = read("redis://ann:p%40ss%3a@db:7000/3?prefix=a%3ab%26").unwrap();
        assert_eq!(options.topology, Topology::Single(host("db", 7000)));
        assert_eq!(options.database, 3);
        assert_eq!(options.prefix, "a:b&");
        assert!(!options.tls);
        let credentials = options.credentials.unwrap();
        assert_eq!(
            (credentials.user.as_deref(), credentials.password.as_str()),
            (Some("ann"), "p@ss:")
        );
    }

    #[test]
    fn omitted_parts_have_defaults() {
        let options = read("rediss://[::1]").unwrap();
        assert_eq!(options.topology, Topology::Single(host("::1", 6379)));
        assert_eq!((options.database, options.tls), (0, true));
        assert_eq!(options.prefix, RedisOptions::DEFAULT_PREFIX);
        assert!(options.credentials.is_none() && options.authority.is_none());
    }

    #[test]
    fn sentinels_are_followed_by_the_name_of_the_master() {
        let options = read("redis-sentinel://:p@a:1,[::2]:2,c/my%20master/5").unwrap();
        let sentinels = vec![host("a", 1), host("::2", 2), host("c", 26379)];
        assert_eq!(
            options.topology,
            Topology::Sentinel { sentinels, master: "my master".to_owned() }
        );
        assert_eq!(options.database, 5);
        assert_eq!(options.credentials.unwrap().user, None);
    }

    #[test]
    fn a_cluster_is_given_by_some_of_its_nodes() {
        let options = read("rediss-cluster://a:1,b?authority=/etc/ca.pem").unwrap();
        assert_eq!(options.topology, Topology::Cluster(vec![host("a", 1), host("b", 6379)]));
        assert_eq!(options.authority, Some("/etc/ca.pem".into()));
        assert!(options.tls);
    }

    #[test]
    fn invalid_urls_are_rejected_without_repeating_them() {
        for bad in [
            "redis:horse",
            "http://horse",
            "redis://",
            "redis://a,b",
            "redis://horse@db",
            "redis://:horse@db:0",
            "redis://:horse@db:99999",
            "redis://:horse@db/x",
            "redis://:horse@db/-1",
            "redis://:ho%rse@db",
            "redis://:horse%ff@db",
            "redis://:horse#@db",
            "redis://[horse]",
            "redis://[::1]x",
            "redis://db?horse=1",
            "redis://db?authority=horse",
            "redis-sentinel://a",
            "redis-sentinel://a/",
            "redis-cluster://a/1",
            "redis-cluster://a,",
        ] {
            let error = read(bad).unwrap_err();
            assert!(!error.to_string().contains("horse"), "{bad}: {error}");
        }
    }

    #[test]
    fn passwords_are_never_formatted() {
        let options = read("redis://ann:horse@db").unwrap();
        assert!(!format!("{options:?} {options:#?}").contains("horse"));
    }
}
