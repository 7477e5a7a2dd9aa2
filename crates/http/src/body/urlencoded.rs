//! URL-encoded forms, parsed strictly: malformed escapes and invalid UTF-8 are errors.
//!
//! The usual lenient parsers would turn a wrongly escaped password into another password.

use zeroize::{Zeroize as _, Zeroizing};

use super::malformed::Malformed;
use super::read::Text;

/// The pairs of a form, in order, with duplicates.
pub(super) fn parse(body: &[u8]) -> Result<Vec<(String, Text)>, Malformed> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs.map(pair).collect()
}

fn pair(pair: &[u8]) -> Result<(String, Text), Malformed> {
    let (name, value) = split(pair);
    let name = decode(name)
        .ok_or_else(|| Malformed::new("The name of a field is not valid percent-encoded UTF-8."))?;
    match decode(value) {
        Some(value) => Ok((name, Zeroizing::new(value))),
        None => Err(Malformed::field(&name, "is not valid percent-encoded UTF-8")),
    }
}

/// Decodes a single value; `None` if it is malformed.
pub(crate) fn decoded(text: &[u8]) -> Option<Text> {
    decode(text).map(Zeroizing::new)
}

/// Name and value; a pair without `=` has an empty value.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let (name, rest) = pair.split_at_checked(equals).unwrap_or((pair, b""));
    (name, rest.get(1..).unwrap_or_default())
}

/// `None` for a `%` without two hexadecimal digits, or invalid UTF-8.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    let mut whole = true;
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    whole = false;
                    break;
                }
            },
            byte => *byte,
        });
    }
    if whole && std::str::from_utf8(&bytes).is_ok() {
        String::from_utf8(bytes).ok()
    } else {
        bytes.zeroize();
        None
    }
}

fn hex(byte: &u8) -> Option<u8> {
    char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether a query has a parameter of this name, however it is escaped.
pub(crate) fn has_name(query: &str, name: &str) -> bool {
    let mut pairs = query.as_bytes().split(|byte| *byte == b'&');
    pairs.any(|pair| decode(split(pair).0).is_some_and(|found| found == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Option<Vec<(String, String)>> {
        let pairs = parse(body).ok()?;
        Some(pairs.into_iter().map(|(name, text)| (name, text.to_string())).collect())
    }

    #[test]
    fn pairs_are_decoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(b""), Some(vec![]));
        assert_eq!(
            read(b"a=1&&b=x+y%20z&c&d==%3D&=e&%C3%A9=%c3%A9&"),
            Some(vec![
                pair("a", "1"),
                pair("b", "x y z"),
                pair("c", ""),
                pair("d", "=="),
                pair("", "e"),
                pair("é", "é"),
            ])
        );
        assert_eq!(read("a=é".as_bytes()), Some(vec![pair("a", "é")]));
    }

    #[test]
    fn malformed_escapes_and_bytes_are_rejected_with_the_name_of_the_field() {
        for value in [&b"%"[..], b"100%", b"%2", b"%zz", b"%+1", b"%ff", b"%C3", b"\xff", b"%c3%28"]
        {
            let malformed = parse(&[b"a=1&password=", value].concat()).err().unwrap();
            assert_eq!(malformed.errors[0].field, "password", "{value:?}");
        }
        for name in [&b"%=1"[..], b"\xff=1", b"%ff"] {
            assert!(parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn nul_is_accepted_by_the_parser() {
        assert_eq!(read(b"a=%00").unwrap()[0].1, "\0");
    }

    #[test]
    fn names_are_compared_decoded() {
        assert!(has_name("x=1&%61=", "a"));
        assert!(!has_name("x=a&ab=1&%zz=a", "a"));
        assert!(!has_name("", "a"));
    }
}
