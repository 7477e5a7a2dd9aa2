//! JSON values that every reader reads alike (RFC 7493): numbers are carried exactly, and names are
//! unique at any depth. Anything else is rejected instead of rounded or dropped.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Maximum magnitude of an integer that a double-precision number represents together with every
/// smaller one: 2^53.
const MAX_INTEGER: u64 = 1 << 53;

/// Why a text is not an exact JSON value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExactJsonError {
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// A name is repeated or the value cannot be represented.
    #[error("not an unambiguous JSON value: {0}")]
    Ambiguous(String),
    /// JSON readers round this number.
    #[error("the number {0} cannot be carried exactly in JSON; use a string")]
    Inexact(String),
}

/// Parses a JSON value that every reader reads alike.
///
/// # Errors
/// [`ExactJsonError`]; it is [`ExactJsonError::Syntax`] only for texts that are not JSON.
pub fn parse_exact(json: &str) -> Result<Value, ExactJsonError> {
    // Accepts numbers of any size, which the parser of values rejects as if they were not JSON.
    let syntax: Result<IgnoredAny, _> = serde_json::from_str(json);
    syntax.map_err(|error| ExactJsonError::Syntax(error.to_string()))?;
    if let Some(number) = numbers(json).find(|number| !is_exact(number)) {
        return Err(ExactJsonError::Inexact(number.to_owned()));
    }
    let value: Result<Unique, _> = serde_json::from_str(json);
    value.map(|unique| unique.0).map_err(|error| ExactJsonError::Ambiguous(error.to_string()))
}

/// Whether every reader of JSON reads this number alike, as far as the value still shows.
pub(super) fn is_exact_number(number: &Number) -> bool {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(integer), _, _) => integer.unsigned_abs() <= MAX_INTEGER,
        (None, Some(_), _) => false,
        (None, None, double) => double.is_some_and(is_exact_double),
    }
}

#[allow(clippy::cast_precision_loss, reason = "2^53 is a double")]
fn is_exact_double(double: f64) -> bool {
    double.abs() <= MAX_INTEGER as f64
}

/// The numbers in a valid JSON text.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let (mut in_string, mut escaped) = (false, false);
    let parts = json.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        in_string || !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')
    });
    // `true` and `false` leave an `e`.
    parts.filter(|part| part.contains(|c: char| c.is_ascii_digit()))
}

/// Whether `number` keeps its digits when it is read, written and read again. `serde_json` may miss the
/// nearest double of a number with more than 15 digits.
fn is_exact(number: &str) -> bool {
    if number.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return number.parse().is_ok_and(|it: i64| it.unsigned_abs() <= MAX_INTEGER);
    }
    let read = |text: &str| serde_json::from_str(text).ok().filter(|it: &f64| is_exact_double(*it));
    let Some(double) = read(number) else { return false };
    let written = Value::from(double).to_string();
    let digits = decimal(number);
    digits.is_some() && digits == decimal(&written) && read(&written) == Some(double)
}

/// The significant digits of a number and the power of ten of the last one.
fn decimal(number: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let exponent: i64 = exponent.parse().ok()?;
    let shift = i64::try_from(zeros).ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some((significant.to_owned(), exponent.checked_add(shift)?))
}

/// A value with unique names in its objects, at any depth.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Unique(value))) = access.next_entry::<String, Unique>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the name {name:?} is given twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn exact_values_are_read_unchanged() {
        let text = r#" {"a": [1, -2.50, 1e3, 0.1, 0, -0, true, null, "1e999 \" 12345678901234567890"],
            "b": {"a": 9007199254740992, "": -9007199254740992}, "12345678901234567890": {}} "#;
        let expected = json!({
            "a": [1, -2.5, 1000.0, 0.1, 0, -0.0, true, null, "1e999 \" 12345678901234567890"],
            "b": {"a": 9_007_199_254_740_992_i64, "": -9_007_199_254_740_992_i64},
            "12345678901234567890": {},
        });
        assert_eq!(parse_exact(text), Ok(expected));
    }

    #[test]
    fn numbers_that_would_be_rounded_are_rejected() {
        for number in [
            "9007199254740993",
            "-9007199254740993",
            "12345678901234567890123",
            "18446744073709551615",
            "1e300",
            "1e999",
            "-1e999",
            "1e-999",
            "9007199254740993.0",
            "0.12345678901234567890123",
            "1.00000000000000000001",
        ] {
            for text in
                [number.to_owned(), format!("[{number}]"), format!("{{\"a\":[{number},1]}}")]
            {
                let error = parse_exact(&text);
                assert_eq!(error, Err(ExactJsonError::Inexact(number.to_owned())), "{text}");
            }
        }
    }

    #[test]
    fn names_given_twice_are_rejected_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"[[{"b":1,"\u0062":2}]]"#] {
            assert!(matches!(parse_exact(text), Err(ExactJsonError::Ambiguous(_))), "{text}");
        }
        assert!(parse_exact(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "{", "01", "1.", "+1", ".5", "nan", "{} {}", "{\"a\":1,}", "'a'"] {
            assert!(matches!(parse_exact(text), Err(ExactJsonError::Syntax(_))), "{text}");
        }
        assert!(matches!(parse_exact(r#""\ud800""#), Err(ExactJsonError::Ambiguous(_))));
    }

    proptest! {
        #[test]
        fn accepted_numbers_keep_their_digits(number in "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            if let Ok(value) = parse_exact(&number) {
                prop_assert_eq!(decimal(&value.to_string()), decimal(&number));
            }
        }

        #[test]
        fn numbers_of_15_digits_are_accepted(digits in -999_999_999_999_999..=999_999_999_999_999_i64) {
            let number = format!("{digits}e-9");
            prop_assert_eq!(parse_exact(&number), Ok(Value::from(number.parse::<f64>().unwrap())));
        }
    }
}
