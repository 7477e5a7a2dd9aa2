//! URLs that are safe to fetch from, and the URL of an issuer's metadata.

use std::net::IpAddr;

use aquaware_token::id::Issuer;
use url::{Host, Url};

/// Parses a URL that is safe to fetch from: https, or http to a loopback address or where
/// `allow_http` is set, and without user, password or fragment.
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

/// The URLs of the issuer's metadata. RFC 8414 §3.1 inserts the well-known path between host and
/// path; OpenID Connect Discovery 1.0 §4 appends it. Both remove a trailing slash.
pub(crate) fn metadata(issuer: &Issuer, allow_http: bool) -> Option<[Url; 2]> {
    let url = safe(issuer.as_str(), allow_http)?;
    let path = url.path().trim_end_matches('/');
    let with_path = |path: String| {
        let mut url = url.clone();
        url.set_path(&path);
        url
    };
    Some([
        with_path(format!("/.well-known/oauth-authorization-server{path}")),
        with_path(format!("{path}/.well-known/openid-configuration")),
    ])
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
    fn only_https_and_loopback_http_are_safe() {
        let safe_without = |text: &str| safe(text, false).is_some();
        for safe_url in [
            "https://auth.example.com/keys",
            "https://auth.example.com:8443/keys?v=1",
            "http://127.0.0.1:8080/keys",
            "http://127.8.8.8/keys",
            "http://[::1]:8080/keys",
            "http://localhost:8080",
        ] {
            assert!(safe_without(safe_url), "{safe_url}");
        }
        for unsafe_url in [
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
            assert!(!safe_without(unsafe_url), "{unsafe_url}");
        }
        assert!(safe("http://auth.example.com/keys", true).is_some());
        assert!(safe("file:///etc/keys.json", true).is_none());
    }

    #[test]
    fn the_well_known_path_precedes_the_path_of_the_issuer() {
        let both = |issuer: &str| metadata(&Issuer::new(issuer).unwrap(), false);
        let at = |issuer: &str| both(issuer).map(|[url, _]| url.to_string());
        let well_known = "https://a.example/.well-known/oauth-authorization-server";
        assert_eq!(at("https://a.example").unwrap(), well_known);
        assert_eq!(at("https://a.example/").unwrap(), well_known);
        assert_eq!(at("https://a.example/eu/1").unwrap(), format!("{well_known}/eu/1"));
        assert_eq!(at("https://a.example/eu/").unwrap(), format!("{well_known}/eu"));
        assert_eq!(at("http://a.example"), None);
        let openid = |issuer: &str| both(issuer).unwrap()[1].to_string();
        let appended = ".well-known/openid-configuration";
        assert_eq!(openid("https://a.example"), format!("https://a.example/{appended}"));
        assert_eq!(openid("https://a.example/"), format!("https://a.example/{appended}"));
        assert_eq!(openid("https://a.example/eu/"), format!("https://a.example/eu/{appended}"));
    }
}
