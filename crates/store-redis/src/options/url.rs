//! The URLs of [`RedisOptions::from_url`].

use super::{Host, InvalidUrl, Login, Place, RedisOptions};

type Parsed<T> = Result<T, InvalidUrl>;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

pub(super) fn read(url: &str) -> Parsed<RedisOptions> {
    let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl("a URL begins with redis://"))?;
    let (kind, tls) = match scheme {
        "redis" => (Kind::Single, false),
        "rediss" => (Kind::Single, true),
        "redis-sentinel" => (Kind::Sentinel, false),
        "rediss-sentinel" => (Kind::Sentinel, true),
        "redis-cluster" => (Kind::Cluster, false),
        "rediss-cluster" => (Kind::Cluster, true),
        _ => {
            return Err(InvalidUrl(
                "the scheme is redis, rediss, redis-sentinel, rediss-sentinel, redis-cluster or \
                 rediss-cluster",
            ));
        }
    };
    if rest.contains('#') {
        return Err(InvalidUrl("a # must be written %23"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(read_login(login)?), hosts),
        None => (None, authority),
    };
    let (place, database) = read_place(kind, hosts, path)?;
    let mut options = RedisOptions {
        timeout: RedisOptions::TIMEOUT,
        prefix: RedisOptions::PREFIX.to_owned(),
        authority: None,
        place,
        tls,
        login,
        database,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        read_parameter(pair, &mut options)?;
    }
    Ok(options)
}

fn read_login(text: &str) -> Parsed<Login> {
    let (user, password) =
        text.split_once(':').ok_or(InvalidUrl("before the @ stands user:password or :password"))?;
    let user = Some(unescape(user)?).filter(|user| !user.is_empty());
    Ok(Login { user, password: unescape(password)? })
}

fn read_place(kind: Kind, hosts: &str, path: &str) -> Parsed<(Place, i64)> {
    let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { PORT };
    let mut hosts: Vec<Host> =
        hosts.split(',').map(|text| read_host(text, port)).collect::<Parsed<_>>()?;
    match kind {
        Kind::Single => match (hosts.pop(), hosts.is_empty()) {
            (Some(host), true) => Ok((Place::Single(host), read_database(path)?)),
            _ => Err(InvalidUrl("several hosts need redis-sentinel:// or redis-cluster://")),
        },
        Kind::Sentinel => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = unescape(master)?;
            if master.is_empty() {
                return Err(InvalidUrl("behind the Sentinels stands /master, the master's name"));
            }
            Ok((Place::Sentinel { sentinels: hosts, master }, read_database(database)?))
        }
        Kind::Cluster => match read_database(path)? {
            0 => Ok((Place::Cluster(hosts), 0)),
            _ => Err(InvalidUrl("a Cluster has no database but 0; use ?prefix= instead")),
        },
    }
}

fn read_host(text: &str, default: u16) -> Parsed<Host> {
    const BAD: InvalidUrl = InvalidUrl("a host is name, name:port, [IPv6] or [IPv6]:port");
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(BAD)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| BAD)?;
            (address, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(BAD)?) })
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if name.is_empty() || !name.bytes().all(known) {
        return Err(BAD);
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| BAD))?;
    if port == 0 { Err(BAD) } else { Ok(Host { name: name.to_owned(), port }) }
}

fn read_database(path: &str) -> Parsed<i64> {
    const BAD: InvalidUrl = InvalidUrl("a database is a number, such as /0");
    let number: u16 = if path.is_empty() { 0 } else { path.parse().map_err(|_| BAD)? };
    Ok(i64::from(number))
}

fn read_parameter(pair: &str, options: &mut RedisOptions) -> Parsed<()> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let value = unescape(value)?;
    match name {
        "prefix" => options.prefix = value,
        "authority" if !options.tls => {
            return Err(InvalidUrl("an authority is for TLS: write rediss"));
        }
        "authority" => options.authority = Some(value.into()),
        _ => return Err(InvalidUrl("behind the ? stand prefix= and authority=, nothing else")),
    }
    Ok(())
}

/// RFC 3986 §2.1.
fn unescape(text: &str) -> Parsed<String> {
    const BAD: InvalidUrl = InvalidUrl("a % must be followed by two hexadecimal digits of UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or(BAD);
        let number = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(number).map_err(|_| BAD)?);
    }
    String::from_utf8(bytes).map_err(|_| BAD)
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
        assert_eq!(options.place, Place::Single(host("db", 7000)));
        assert_eq!(options.database, 3);
        assert_eq!(options.prefix, "a:b&");
        assert!(!options.tls);
        let login = options.login.unwrap();
        assert_eq!((login.user.as_deref(), login.password.as_str()), (Some("ann"), "p@ss:"));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let options = read("rediss://[::1]").unwrap();
        assert_eq!(options.place, Place::Single(host("::1", 6379)));
        assert_eq!((options.database, options.tls), (0, true));
        assert_eq!(options.prefix, RedisOptions::PREFIX);
        assert!(options.login.is_none() && options.authority.is_none());
    }

    #[test]
    fn sentinels_are_followed_by_the_masters_name() {
        let options = read("redis-sentinel://:p@a:1,[::2]:2,c/my%20master/5").unwrap();
        let sentinels = vec![host("a", 1), host("::2", 2), host("c", 26379)];
        assert_eq!(options.place, Place::Sentinel { sentinels, master: "my master".to_owned() });
        assert_eq!(options.database, 5);
        assert_eq!(options.login.unwrap().user, None);
    }

    #[test]
    fn a_cluster_is_some_of_its_nodes() {
        let options = read("rediss-cluster://a:1,b?authority=/etc/ca.pem").unwrap();
        assert_eq!(options.place, Place::Cluster(vec![host("a", 1), host("b", 6379)]));
        assert_eq!(options.authority, Some("/etc/ca.pem".into()));
        assert!(options.tls);
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
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
    fn no_password_is_ever_formatted() {
        let options = read("redis://ann:horse@db").unwrap();
        assert!(!format!("{options:?} {options:#?}").contains("horse"));
    }
}
