//! Parsers for each kind of value. An [`Expected`] describes valid values and never repeats the
//! invalid one, which may be a secret.

mod urls;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquaware_core::claims::{Scope, check_extra};
use aquaware_core::client_secret::GeneratedSecretHash;
use aquaware_core::id::Audience;
use aquaware_core::jwt::Algorithm;
use aquaware_core::password::is_argon2id;
use aquaware_core::policy::Grant;
use aquaware_core::secret::PasswordHash;
use aquaware_core::time::{Lifetime, Timestamp};
use aquaware_http::{Builder, EventKind, Rate};
use ipnet::IpNet;
use lettre::message::Mailbox;

pub(super) use self::urls::{
    endpoint, host_and_port, issuer, link_base, mail_server, origins, store, webhook_receiver,
};
use super::problem::Expected;
use super::secret::SecretText;
use super::value::Value;
use crate::webhook::SigningSecret;

/// A parsed value, or a description of valid values.
pub(super) type Parsed<T> = Result<T, Expected>;

const DURATION: &str = "a whole number and a unit (ms, s, m, h or d), such as \"10s\" or \"30d\"";
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

fn text(value: &Value, expected: impl Display) -> Parsed<&str> {
    value.text().ok_or_else(|| Expected::new(expected))
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis).filter(|span| *span <= MAX_DURATION)
}

/// A text of one line, possibly empty.
pub(super) fn line(value: &Value) -> Parsed<String> {
    let expected = "a text of one line";
    let text = text(value, expected)?;
    let is_line = !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned()).ok_or_else(|| Expected::new(expected))
}

/// The sender of mail; `None` if the value is empty.
pub(super) fn mailbox(value: &Value) -> Parsed<Option<Mailbox>> {
    let expected = "an address such as \"Fish <no-reply@fish.example>\", or \"\" for none";
    match text(value, expected)? {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Expected::new(expected)),
    }
}

/// A duration of at most a hundred years, possibly zero.
pub(super) fn duration(value: &Value) -> Parsed<Duration> {
    value.text().and_then(span).ok_or_else(|| Expected::new(DURATION))
}

/// A duration of at least a millisecond.
pub(super) fn positive_duration(value: &Value) -> Parsed<Duration> {
    duration(value)
        .ok()
        .filter(|span| !span.is_zero())
        .ok_or_else(|| Expected::new(format_args!("{DURATION}, longer than zero")))
}

/// The lifetime of a token, in whole seconds.
pub(super) fn lifetime(value: &Value) -> Parsed<Lifetime> {
    let whole = duration(value).ok().filter(|span| span.subsec_nanos() == 0);
    whole.and_then(|span| Lifetime::from_seconds(span.as_secs())).ok_or_else(|| {
        Expected::new(
            "a lifetime of whole seconds, at least \"1s\": a whole number and a unit (s, m, h or d), \
             such as \"5m\" or \"30d\"",
        )
    })
}

/// A duration of at least an hour; `None` for "never".
pub(super) fn rotation(value: &Value) -> Parsed<Option<Duration>> {
    const HOUR: Duration = Duration::from_secs(3600);
    if value.text() == Some("never") {
        return Ok(None);
    }
    duration(value).ok().filter(|span| *span >= HOUR).map(Some).ok_or_else(|| {
        Expected::new(
            "at least \"1h\": a whole number and a unit (m, h or d), such as \"90d\", or \"never\"",
        )
    })
}

/// `COUNT/DURATION`; `None` for "unlimited".
pub(super) fn rate(value: &Value) -> Parsed<Option<Rate>> {
    let parse = |text: &str| {
        let (count, per) = text.split_once('/')?;
        let per = span(per).filter(|per| !per.is_zero())?;
        Some(Rate { count: count.parse::<NonZeroU32>().ok()?, per })
    };
    match value.text() {
        Some("unlimited") => Ok(None),
        text => text.and_then(parse).map(Some).ok_or_else(|| {
            Expected::new(
                "a count and a duration (ms, s, m, h or d), such as \"30/1m\", or \"unlimited\"",
            )
        }),
    }
}

/// The name of a cookie, without a prefix.
pub(super) fn cookie_name(value: &Value) -> Parsed<String> {
    let valid = value.text().filter(|name| Builder::is_cookie_name(name));
    valid.map(str::to_owned).ok_or_else(|| {
        Expected::new(
            "1 to 64 letters, digits, \".\", \"_\" and \"-\", without the prefix \
             \"__Host-\" or \"__Secure-\", which is added",
        )
    })
}

/// A positive integer; `None` for "unlimited".
pub(super) fn count(value: &Value) -> Parsed<Option<NonZeroU32>> {
    let number = match value {
        Value::Integer(number) => u32::try_from(*number).ok().and_then(NonZeroU32::new),
        value if value.text() == Some("unlimited") => return Ok(None),
        _ => None,
    };
    number.map(Some).ok_or_else(|| Expected::new("a positive integer, or \"unlimited\""))
}

/// An integer from `min` to `max`.
pub(super) fn whole<T: TryFrom<i64>>(min: i64, max: i64) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let number = match value {
            Value::Integer(number) if (min..=max).contains(number) => T::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| Expected::new(format_args!("an integer from {min} to {max}")))
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    if let Value::Boolean(boolean) = value {
        Ok(*boolean)
    } else {
        Err(Expected::new("true or false"))
    }
}

/// One of the named values.
pub(super) fn one_of<T: Copy>(names: &[(&'static str, T)]) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let text = value.text();
        let found = names.iter().find(|(name, _)| Some(*name) == text);
        found.map(|(_, value)| *value).ok_or_else(|| Expected::new(choices(names)))
    }
}

fn choices<T>(names: &[(&'static str, T)]) -> String {
    let names: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    format!("one of {}", names.join(", "))
}

/// The JOSE name of an algorithm.
pub(super) fn algorithm(value: &Value) -> Parsed<Algorithm> {
    let names = Algorithm::ALL.iter().map(|algorithm| (algorithm.as_str(), *algorithm));
    one_of(&names.collect::<Vec<_>>())(value)
}

/// A list of items. The error names each invalid item.
pub(super) fn list<T>(
    item: impl Fn(&Value) -> Parsed<T>,
    what: &str,
) -> impl Fn(&Value) -> Parsed<Vec<T>> {
    move |value| {
        let Value::List(items) = value else {
            return Err(Expected::new(format_args!("a list of {what}")));
        };
        let (mut parsed, mut errors) = (Vec::new(), Vec::new());
        for value in items {
            match item(value) {
                Ok(item) => parsed.push(item),
                Err(expected) => errors.push(format!("{value}: {expected}")),
            }
        }
        if errors.is_empty() { Ok(parsed) } else { Err(Expected(errors.join("; ").into())) }
    }
}

/// The grants of a client.
pub(super) fn grants(value: &Value) -> Parsed<BTreeSet<Grant>> {
    let names = Grant::ALL.map(|grant| (grant.as_str(), grant));
    list(one_of(&names), "grants such as \"login\"")(value).map(BTreeSet::from_iter)
}

/// The events that a webhook gets.
pub(super) fn events(value: &Value) -> Parsed<BTreeSet<EventKind>> {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    list(one_of(&names), "events such as \"login_succeeded\"")(value).map(BTreeSet::from_iter)
}

/// The secret of a webhook; `None` if the value is empty.
pub(super) fn signing_secret(value: &Value) -> Parsed<Option<SigningSecret>> {
    let expected = "\"whsec_\" and 24 to 64 random bytes in base64, or file:PATH";
    match text(value, expected)? {
        "" => Ok(None),
        text => SigningSecret::parse(text).map(Some).ok_or_else(|| Expected::new(expected)),
    }
}

/// Scope tokens (RFC 6749 §3.3).
pub(super) fn scopes(value: &Value) -> Parsed<Scope> {
    let token = |value: &Value| {
        let token = value.text().filter(|token| Scope::from_tokens([*token].into_iter()).is_ok());
        token.map(ToOwned::to_owned).ok_or_else(|| {
            Expected::new("a scope token: visible ASCII without space, quote and backslash")
        })
    };
    let tokens = list(token, "scope tokens such as \"read\"")(value)?;
    Scope::from_tokens(tokens.iter().map(String::as_str))
        .map_err(|_| Expected::new("at most 1024 bytes of scope tokens"))
}

/// The names of resource servers.
pub(super) fn audiences(value: &Value) -> Parsed<Vec<Audience>> {
    let name = |value: &Value| {
        let expected = "1 to 255 bytes without control characters";
        Audience::new(text(value, expected)?).map_err(|_| Expected::new(expected))
    };
    list(name, "names such as \"https://api.example.com\"")(value)
}

/// An address to listen on.
pub(super) fn address(value: &Value) -> Parsed<SocketAddr> {
    value.text().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Expected::new("an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"")
    })
}

/// Networks. An address is a network of one address.
pub(super) fn networks(value: &Value) -> Parsed<Vec<IpNet>> {
    let network = |value: &Value| {
        let address = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
        let parse = |text: &str| text.parse::<IpNet>().ok().or_else(|| address(text));
        value.text().and_then(parse).map(|network| network.trunc()).ok_or_else(|| {
            Expected::new("an address or a network such as \"10.0.0.0/8\" or \"fd00::/8\"")
        })
    };
    list(network, "networks such as \"10.0.0.0/8\"")(value)
}

/// A path. A relative path starts at `base`.
pub(super) fn path(base: &Path) -> impl Fn(&Value) -> Parsed<PathBuf> {
    move |value| {
        let text = value.text().filter(|text| !text.is_empty() && !text.contains('\0'));
        text.map(|text| base.join(text)).ok_or_else(|| Expected::new("a path"))
    }
}

/// The hash of a client secret, parsed by the code that will check secrets against it; `None` if the
/// value is empty.
pub(super) fn secret_hash(value: &Value) -> Parsed<Option<PasswordHash>> {
    let expected = "a hash made by `aquaware clients secret`, a complete argon2id hash in PHC format \
                    ($argon2id$v=19$m=…,t=…,p=…$salt$hash), or file:PATH";
    let hash = PasswordHash::new(text(value, expected)?.to_owned());
    if hash.expose().is_empty() {
        return Ok(None);
    }
    let is_valid = GeneratedSecretHash::parse(&hash).is_some() || is_argon2id(&hash);
    if is_valid { Ok(Some(hash)) } else { Err(Expected::new(expected)) }
}

/// A secret; `None` if the value is empty.
pub(super) fn secret_text(value: &Value) -> Parsed<Option<SecretText>> {
    let text = text(value, "a secret, or file:PATH")?;
    Ok((!text.is_empty()).then(|| SecretText::new(text)))
}

/// The end of a day in UTC; `None` if the value is empty.
pub(super) fn end_of_day(value: &Value) -> Parsed<Option<Timestamp>> {
    const DAY: Duration = Duration::from_secs(86_400);
    let expected = "a day such as \"2027-01-31\"";
    let day = text(value, expected)?;
    if day.is_empty() {
        return Ok(None);
    }
    let start = Timestamp::from_rfc3339(&format!("{day}T00:00:00Z"));
    start.map(|start| Some(start.plus(DAY))).ok_or_else(|| Expected::new(expected))
}

/// The claim in which tokens of djangorestframework-simplejwt have the id of the user.
pub(super) fn user_id_claim(value: &Value) -> Parsed<String> {
    let expected = "the USER_ID_CLAIM of SIMPLE_JWT, such as \"user_id\"";
    let claim = text(value, expected)?;
    let is_free =
        |claim: &str| check_extra([(claim.to_owned(), true.into())].into_iter().collect()).is_ok();
    let valid = (1..=64).contains(&claim.len()) && (claim == "sub" || is_free(claim));
    valid.then(|| claim.to_owned()).ok_or_else(|| Expected::new(expected))
}

/// A log level, or directives of `tracing`.
pub(super) fn level(value: &Value) -> Parsed<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // `tracing` would take an unknown level for the name of a module and log everything in it.
    let known = |part: &str| part.contains(['=', '[']) || LEVELS.contains(&part);
    let valid = |text: &&str| {
        text.split(',').all(known) && tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
    };
    value.text().filter(valid).map(ToOwned::to_owned).ok_or_else(|| {
        Expected::new(
            "one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or directives \
             such as \"info,aquaware=debug\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn typed(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    pub(super) fn valid<T>(parse: impl Fn(&Value) -> Parsed<T>, texts: &[&str]) -> Vec<T> {
        texts
            .iter()
            .map(|text| parse(&typed(text)).unwrap_or_else(|e| panic!("{text}: {e}")))
            .collect()
    }

    pub(super) fn invalid<T>(parse: impl Fn(&Value) -> Parsed<T>, texts: &[&str]) {
        for text in texts {
            assert!(parse(&typed(text)).is_err(), "{text}");
        }
        for value in [Value::Integer(5), Value::Boolean(true), Value::Other("{ … }".to_owned())] {
            assert!(parse(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        let read = valid(duration, &["500ms", "10s", "5m", "12h", "30d", "0s"]);
        assert_eq!(
            read.iter().map(Duration::as_millis).collect::<Vec<_>>(),
            [500, 10_000, 300_000, 43_200_000, 2_592_000_000, 0]
        );
        invalid(
            duration,
            &[
                "",
                "5",
                "s",
                "5 s",
                "-5s",
                "1.5h",
                "5S",
                "1h30m",
                "5w",
                "36501d",
                "99999999999999999999s",
                "18446744073709551615d",
                "five",
            ],
        );
        invalid(positive_duration, &["0ms", "0d"]);
    }

    #[test]
    fn lifetimes_are_whole_seconds() {
        assert_eq!(valid(lifetime, &["2000ms"])[0].span(), Duration::from_secs(2));
        invalid(lifetime, &["0s", "500ms", "1500ms", "5"]);
    }

    #[test]
    fn keys_rotate_at_most_once_an_hour() {
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(valid(rotation, &["never", "1h", "60m"]), [None, hour, hour]);
        invalid(rotation, &["59m", "0s", "always", ""]);
    }

    #[test]
    fn rates_are_a_count_and_a_duration() {
        let read = valid(rate, &["unlimited", "30/1m"]);
        let per = Duration::from_secs(60);
        assert_eq!(read, [None, Some(Rate { count: NonZeroU32::new(30).unwrap(), per })]);
        invalid(rate, &["", "30", "0/1m", "30/0s", "30/m", "-1/1m", "30 / 1m", "4294967296/1m"]);
    }

    #[test]
    fn counts_are_positive_or_unlimited() {
        assert_eq!(count(&Value::Integer(7)), Ok(NonZeroU32::new(7)));
        assert_eq!(count(&typed("unlimited")), Ok(None));
        for value in [Value::Integer(0), Value::Integer(-1), Value::Integer(1 << 32), typed("7")] {
            assert!(count(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn integers_are_within_their_bounds() {
        let parse = whole::<u32>(1, 10);
        assert_eq!(parse(&Value::Integer(10)), Ok(10));
        for value in [Value::Integer(0), Value::Integer(11), typed("5"), Value::Boolean(true)] {
            assert_eq!(parse(&value).unwrap_err().to_string(), "expected an integer from 1 to 10");
        }
    }

    #[test]
    fn addresses_are_ip_addresses_with_a_port() {
        valid(address, &["127.0.0.1:8080", "[::1]:0", "0.0.0.0:65535"]);
        invalid(
            address,
            &["", "8080", ":8080", "localhost:8080", "::1:8080x", "127.0.0.1", "1.2.3.4:65536"],
        );
    }

    #[test]
    fn networks_are_cidrs_or_single_addresses() {
        let texts = |items: &[&str]| Value::List(items.iter().map(|item| typed(item)).collect());
        let read = networks(&texts(&["10.1.2.3/8", "::1", "fd00::/8"])).unwrap();
        assert_eq!(
            read.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "::1/128", "fd00::/8"]
        );
        let message =
            networks(&texts(&["10.0.0.0/8", "10.0.0.0/33", "proxy"])).unwrap_err().to_string();
        assert!(
            message.contains("\"10.0.0.0/33\": ") && message.contains("\"proxy\": "),
            "{message}"
        );
        invalid(networks, &["10.0.0.0/8"]);
    }

    #[test]
    fn a_secret_hash_can_match_and_is_never_repeated() {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(valid(secret_hash, &[hash])[0].is_some());
        let fast = format!("$sha256$AAAAAAAAAAAAAAAAAAAAAA${}", "A".repeat(43));
        assert!(valid(secret_hash, &[&fast])[0].is_some());
        assert!(valid(secret_hash, &[""])[0].is_none());
        invalid(
            secret_hash,
            &[
                "horse",
                "$argon2id$",
                "$argon2id$v=19$m=8",
                "$2b$12$abc",
                "$sha256$AAAAAAAAAAA$!!!",
                "$argon2id$v=19$m=19456,t=2,p=1$GAAAAa/w+h0qVoKkjKtPtQ$!!!",
                "$argon2id$v=19$m=19456,t=2,p=1$GAAAAa/w+h0qVoKkjKtPtQ$",
                "$argon2id$v=19$m=19456,t=2,p=1$short$AAAAAAAAAAAAAAAAAAAAAA",
                "$argon2id$v=19$m=4,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            ],
        );
        assert!(!secret_hash(&typed("horse")).unwrap_err().to_string().contains("horse"));
    }

    #[test]
    fn levels_are_names_or_directives() {
        valid(level, &["off", "trace", "info,aquaware=debug", "warn,aquaware::http=trace"]);
        invalid(level, &["", "loud", "infoo", "info,,debug", "info,aquaware=loud"]);
    }

    #[test]
    fn errors_list_the_valid_names() {
        let message = algorithm(&typed("eddsa")).unwrap_err().to_string();
        assert_eq!(
            message,
            "expected one of \"EdDSA\", \"Ed25519\", \"ES256\", \"RS256\", \"HS256\""
        );
        let list = Value::List(vec![typed("login"), typed("implicit")]);
        let message = grants(&list).unwrap_err().to_string();
        assert!(message.starts_with("\"implicit\": expected one of \"login\""), "{message}");
    }

    #[test]
    fn scopes_are_tokens() {
        let list = |items: &[&str]| Value::List(items.iter().map(|item| typed(item)).collect());
        assert_eq!(scopes(&list(&["write", "read"])).unwrap().to_string(), "read write");
        for item in ["", "read write", "a\"b", &"x".repeat(1024)] {
            assert!(scopes(&list(&[item])).is_err(), "{item}");
        }
    }
}
