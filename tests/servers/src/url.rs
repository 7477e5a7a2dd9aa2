//! Building the URLs by which a store is configured.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// `scheme://user:password@address[,address…]/path`, without what is absent.
pub(crate) fn url(
    scheme: &str,
    login: Option<(&str, &str)>,
    addresses: &[SocketAddr],
    path: &str,
) -> String {
    let login = login.map(|(user, password)| format!("{}:{}@", escape(user), escape(password)));
    let hosts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    format!("{scheme}://{}{}{path}", login.unwrap_or_default(), hosts.join(","))
}

/// RFC 3986 §2.1: all but unreserved characters as `%XX`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_what_is_present_and_no_more() {
        let one = SocketAddr::from(([127, 0, 0, 1], 10_001));
        let two = SocketAddr::from(([127, 0, 0, 1], 10_002));
        assert_eq!(url("redis", None, &[one], ""), "redis://127.0.0.1:10001");
        assert_eq!(
            url("redis-sentinel", Some(("", "p")), &[one, two], "/name"),
            "redis-sentinel://:p@127.0.0.1:10001,127.0.0.1:10002/name"
        );
    }

    #[test]
    fn a_password_keeps_its_odd_characters() {
        let one = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(
            url("x", Some(("u", "a@b:/%é")), &[one], ""),
            "x://u:a%40b%3A%2F%25%C3%A9@127.0.0.1:1"
        );
    }
}
