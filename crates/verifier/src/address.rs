//! Which addresses keys and status lists may come from, and where an issuer's metadata is.

use std::net::IpAddr;

use aquaware_token::id::Issuer;
use url::{Host, Url};

/// Reads an address that keys, and with more conditions status lists, may come from: https, or http on this machine, or http where it is
/// allowed by name. Without user, password and fragment.
pub(crate) fn safe(text: &str, allow_http: bool) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let scheme = match url.scheme() {
        "https" => true,
        "http" => allow_http || is_loopback(&url),
        _ => false,
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (scheme && plain && url.has_host()).then_some(url)
}

/// Where the metadata of `issuer` is: the well-known path goes between host and path, and a slash
/// at the end goes (RFC 8414 §3.1).
pub(crate) fn metadata(issuer: &Issuer, allow_http: bool) -> Option<Url> {
    let mut url = safe(issuer.as_str(), allow_http)?;
    let path = url.path().trim_end_matches('/');
    let path = format!("/.well-known/oauth-authorization-server{path}");
    url.set_path(&path);
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let safe_without = |text: &str| safe(text, false).is_some();
        for good in [
            "https://auth.example.com/keys",
            "https://auth.example.com:8443/keys?v=1",
            "http://127.0.0.1:8080/keys",
            "http://127.8.8.8/keys",
            "http://[::1]:8080/keys",
            "http://localhost:8080",
        ] {
            assert!(safe_without(good), "{good}");
        }
        for bad in [
            "http://auth.example.com/keys",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/keys",
            "https://user@auth.example.com/keys",
            "https://user:word@auth.example.com/keys",
            "https://auth.example.com/keys#x",
            "file:///etc/keys.json",
            "ftp://127.0.0.1/keys",
            "auth.example.com",
            "",
        ] {
            assert!(!safe_without(bad), "{bad}");
        }
        assert!(safe("http://auth.example.com/keys", true).is_some());
        assert!(safe("file:///etc/keys.json", true).is_none());
    }

    #[test]
    fn the_well_known_path_goes_before_the_issuers_own() {
        let at = |issuer: &str| {
            metadata(&Issuer::new(issuer).unwrap(), false).map(|url| url.to_string())
        };
        let well_known = "https://a.example/.well-known/oauth-authorization-server";
        assert_eq!(at("https://a.example").unwrap(), well_known);
        assert_eq!(at("https://a.example/").unwrap(), well_known);
        assert_eq!(at("https://a.example/eu/1").unwrap(), format!("{well_known}/eu/1"));
        assert_eq!(at("https://a.example/eu/").unwrap(), format!("{well_known}/eu"));
        assert_eq!(at("http://a.example"), None);
    }
}
