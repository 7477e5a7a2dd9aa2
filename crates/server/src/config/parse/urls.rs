//! URLs of issuers, web origins, stores and the trace collector. Each kind has its own check: a
//! general parser would accept, and rewrite, too much.

use std::net::Ipv6Addr;
use std::path::Path;

use aquaware_core::id::Issuer;
use aquaware_http::Origin;

use super::super::problem::Expected;
use super::super::secret::SecretText;
use super::super::types::{Engine, StoreUrl};
use super::super::value::Value;
use super::{Parsed, list, text};
use crate::mail::Server;
use crate::webhook::webhook_url;

/// An issuer (RFC 8414 §2).
pub(crate) fn issuer(value: &Value) -> Parsed<Issuer> {
    let expected = || {
        Expected::new(
            "an http or https URL without query, fragment and user, such as \
             \"https://auth.example.com\"",
        )
    };
    let text = value.text().ok_or_else(expected)?;
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    Issuer::new(text).ok().filter(|_| host_and_port(authority).is_some()).ok_or_else(expected)
}

/// Web origins that may send credentials.
pub(crate) fn origins(value: &Value) -> Parsed<Vec<Origin>> {
    list(origin, "origins such as \"https://app.example.com\"")(value)
}

fn origin(value: &Value) -> Parsed<Origin> {
    let text = value.text().unwrap_or_default();
    if text == "*" {
        return Err(Expected::new("each origin by name, because \"*\" would allow every web site"));
    }
    let expected = || {
        Expected::new(
            "scheme://host or scheme://host:port in lower case, no path, no trailing slash, \
             no default port",
        )
    };
    Origin::parse(text).filter(|origin| origin.as_str() == text).ok_or_else(expected)
}

/// The parts of `host[:port]`, with an IPv6 address in brackets; `None` for anything else.
pub(in crate::config) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_brackets = authority.rfind(']').map_or(0, |index| index + 1);
    let (host, port) = match authority.get(after_brackets..)?.rfind(':') {
        None => (authority, None),
        Some(colon) => {
            let (host, port) = authority.split_at_checked(after_brackets + colon)?;
            let port: u16 = port.strip_prefix(':')?.parse().ok()?;
            (host, Some(port).filter(|port| *port != 0)?.into())
        }
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_valid = address.map_or_else(
        || {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        },
        |address| address.parse::<Ipv6Addr>().is_ok(),
    );
    is_valid.then_some((host, port))
}

/// The URL of a store. The relative path of a file starts at `base`.
pub(crate) fn store(base: &Path) -> impl Fn(&Value) -> Parsed<StoreUrl> {
    move |value| {
        let expected = "the URL of a store: \"sqlite:PATH\", \"postgres://…\", \"mysql://…\", \
                        \"redis://…\" (also rediss, redis-cluster, redis-sentinel), or \"memory:\"";
        let url = text(value, expected)?;
        let (scheme, rest) = url.split_once(':').ok_or_else(|| Expected::new(expected))?;
        match scheme {
            "memory" if rest.is_empty() => Ok(StoreUrl::Memory),
            "memory" => Err(Expected::new("nothing after \"memory:\"")),
            "sqlite" => sqlite(rest, base),
            _ => {
                let engine = Engine::SCHEMES.iter().find(|(name, _)| *name == scheme);
                let host = rest.strip_prefix("//").is_some_and(|host| !host.is_empty());
                engine.filter(|_| host).map_or_else(
                    || Err(Expected::new(expected)),
                    |(_, engine)| Ok(StoreUrl::Server(*engine, SecretText::new(url))),
                )
            }
        }
    }
}

fn sqlite(rest: &str, base: &Path) -> Parsed<StoreUrl> {
    // `sqlite://name.db` could mean the file /name.db or a host, and is never intended.
    let slashes = rest.starts_with("//") && !rest.starts_with("///");
    if rest == ":memory:" {
        Err(Expected::new("\"memory:\" for a store in memory"))
    } else if rest.is_empty() || slashes || rest.contains(['?', '#', '\0']) {
        Err(Expected::new(
            "\"sqlite:\" and a path, such as \"sqlite:aquaware.db\" or \"sqlite:/var/lib/a.db\"",
        ))
    } else {
        Ok(StoreUrl::Sqlite(base.join(rest)))
    }
}

/// The mail server; `None` if the value is empty.
pub(crate) fn mail_server(value: &Value) -> Parsed<Option<Server>> {
    let expected = "\"smtp://\" or \"smtps://\" and a host, such as \
                    \"smtps://user:password@mail.example.com\", or \"\" for none";
    match text(value, expected)? {
        "" => Ok(None),
        url => Server::of_url(url).map(Some).ok_or_else(|| Expected::new(expected)),
    }
}

/// The base of links in messages; empty for none.
pub(crate) fn link_base(value: &Value) -> Parsed<String> {
    let expected = "a URL without query and fragment, such as \"https://app.example.com/account\", or \
                    \"\" for none";
    let url = text(value, expected)?;
    let is_base = |url: &url::Url| url.has_host() && url.query().or(url.fragment()).is_none();
    let is_valid = url.is_empty() || url::Url::parse(url).is_ok_and(|url| is_base(&url));
    is_valid.then(|| url.to_owned()).ok_or_else(|| Expected::new(expected))
}

/// The trace collector; `None` if the value is empty.
pub(crate) fn endpoint(value: &Value) -> Parsed<Option<SecretText>> {
    let expected = "an http or https URL such as \"http://127.0.0.1:4318\", or \"\" for none";
    let url = text(value, expected)?;
    let http = ["http://", "https://"]
        .iter()
        .any(|start| url.len() > start.len() && url.starts_with(start));
    match url {
        "" => Ok(None),
        url if http => Ok(Some(SecretText::new(url))),
        _ => Err(Expected::new(expected)),
    }
}

/// The receiver of a webhook; `None` if the value is empty.
pub(crate) fn webhook_receiver(value: &Value) -> Parsed<Option<SecretText>> {
    let expected = "an https URL without user and fragment, such as \"https://hooks.example.com\" \
                    (http on the loopback), or \"\" for none";
    match text(value, expected)? {
        "" => Ok(None),
        url if webhook_url(url).is_some() => Ok(Some(SecretText::new(url))),
        _ => Err(Expected::new(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{invalid, typed, valid};
    use super::*;

    #[test]
    fn issuers_are_urls_of_a_host() {
        valid(issuer, &["http://127.0.0.1:8080", "https://a.example/eu/", "http://[::1]:80"]);
        invalid(
            issuer,
            &[
                "",
                "auth.example.com",
                "https://",
                "https://a?b",
                "https://a#b",
                "https://ann:horse@a",
                "https://:8080",
                "https://a:port",
                "https://a:0",
                "ftp://a",
                "https://[::1",
            ],
        );
        assert_eq!(valid(issuer, &["https://a/"])[0].as_str(), "https://a/");
    }

    #[test]
    fn origins_are_what_browsers_send() {
        valid(
            origin,
            &[
                "https://app.example.com",
                "http://localhost:3000",
                "http://[::1]:3000",
                "capacitor://localhost",
            ],
        );
        invalid(
            origin,
            &[
                "*",
                "null",
                "",
                "https://a/",
                "https://a/b",
                "https://*.a",
                "https://A",
                "HTTPS://a",
                "https://a:443",
                "http://a:80",
                "https://a:x",
                "https://a?b",
                "https://a@b",
                "https://",
                "a.example",
            ],
        );
        assert!(origin(&typed("*")).unwrap_err().to_string().contains("by name"));
    }

    #[test]
    fn stores_are_urls() {
        let base = Path::new("/data");
        let read =
            valid(store(base), &["memory:", "sqlite:a.db", "sqlite:/b.db", "redis://:horse@db"]);
        assert_eq!(
            read[..3],
            [
                StoreUrl::Memory,
                StoreUrl::Sqlite("/data/a.db".into()),
                StoreUrl::Sqlite("/b.db".into())
            ]
        );
        assert!(!format!("{:?}", read[3]).contains("horse"));
        invalid(
            store(base),
            &[
                "",
                "memory",
                "memory:x",
                "sqlite:",
                "sqlite://a.db",
                "sqlite::memory:",
                "sqlite:a?mode=ro",
                "postgres:",
                "postgres:db",
                "oracle://db",
                "aquaware.db",
            ],
        );
    }
}
