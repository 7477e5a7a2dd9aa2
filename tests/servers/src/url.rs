//! Building the URLs of stores.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// `scheme://user:password@address[,address…]/path`, without the parts that are not set.
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

/// RFC 3986 §2.1: every byte except unreserved characters as `%XX`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_contains_only_the_parts_that_are_set() {
        let one = SocketAddr::from(([127, 0, 0, 1], 10_001));
        let two = SocketAddr::from(([127, 0, 0, 1], 10_002));
        assert_eq!(url("redis", None, &[one], ""), "redis://127.0.0.1:10001");
        assert_eq!(
            url("redis-sentinel", Some(("", "p")), &[one, two], "/name"),
            "redis-sentinel://:p@127.0.0.1:10001,127.0.0.1:10002/name"
        );
    }

    #[test]
    fn special_characters_in_passwords_are_encoded() {
        let one = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(
            url("x", Some(("u", "a@b:/%é")), &[one], ""),
            "x://u:a%40b%3A%2F%25%C3%A9@127.0.0.1:1"
        );
    }
}
