//! A value as it was typed, before anybody knows whether it is a good one.

use std::fmt;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::schema::Initial;

/// What stands at a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<Self>),
    /// What no setting takes: a table, a date, a fraction, a number without end.
    Other(String),
}

impl Value {
    /// The string, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// What stands in the file.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Self::Other(number.to_string()), Self::Integer),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| Self::from_toml(item.get_ref())).collect())
            }
            DeValue::Float(number) => Self::Other(number.to_string()),
            DeValue::Datetime(date) => Self::Other(date.to_string()),
            DeValue::Table(table) => Self::Other(describe(table)),
        }
    }

    /// What a variable says, read as a value of the same type as `initial`. What doesn't fit stays
    /// a text, for the check to complain about.
    pub(super) fn from_variable(text: &str, initial: Initial) -> Self {
        let typed = match initial {
            Initial::Absent | Initial::Text(_) => None,
            Initial::Integer(_) => text.trim().parse().ok().map(Self::Integer),
            Initial::Boolean(_) => text.trim().parse().ok().map(Self::Boolean),
            Initial::List(_) => list(text.trim()),
        };
        typed.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// The default of a setting; none where there is nothing to write down.
    pub(super) fn from_initial(initial: Initial) -> Option<Self> {
        match initial {
            Initial::Absent => None,
            Initial::Text(text) => Some(Self::Text(text.to_owned())),
            Initial::Integer(number) => Some(Self::Integer(number)),
            Initial::Boolean(boolean) => Some(Self::Boolean(boolean)),
            Initial::List(items) => {
                Some(Self::List(items.iter().map(|item| Self::Text((*item).to_owned())).collect()))
            }
        }
    }

    /// The value in JSON.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Text(text) | Self::Other(text) => Json::from(text.as_str()),
            Self::Integer(number) => Json::from(*number),
            Self::Boolean(boolean) => Json::from(*boolean),
            Self::List(items) => items.iter().map(Self::json).collect(),
        }
    }
}

fn describe(table: &DeTable<'_>) -> String {
    if table.is_empty() { "{}".to_owned() } else { "{ … }".to_owned() }
}

/// `[…]` as TOML writes it, else items separated by commas; nothing at all is the empty list.
fn list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        let parsed = DeValue::parse(text).ok()?;
        return Some(Value::from_toml(parsed.get_ref()));
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::List(items.map(|item| Value::Text(item.to_owned())).collect()))
}

/// As TOML writes it. Whoever prints a value masks it first: [`super::secret::shown`].
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Other(text) => f.write_str(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// A value may be a secret: only its type is told.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Integer(_) => "Integer(…)",
            Self::Boolean(_) => "Boolean(…)",
            Self::List(_) => "List(…)",
            Self::Other(_) => "Other(…)",
        })
    }
}

/// `text` as a basic string of TOML: JSON's escapes are all among TOML's, DEL is the one character
/// that JSON leaves as it is and TOML doesn't.
pub(super) fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_takes_the_type_of_its_setting() {
        let texts = |items: &[&str]| {
            Value::List(items.iter().map(|item| Value::Text((*item).to_owned())).collect())
        };
        let list = Initial::List(&[]);
        for (text, initial, expected) in [
            ("2", Initial::Integer(0), Value::Integer(2)),
            ("two", Initial::Integer(0), Value::Text("two".to_owned())),
            ("true", Initial::Boolean(false), Value::Boolean(true)),
            ("yes", Initial::Boolean(false), Value::Text("yes".to_owned())),
            ("true", Initial::Text(""), Value::Text("true".to_owned())),
            ("a, b,c", list, texts(&["a", "b", "c"])),
            ("", list, texts(&[])),
            (" [\"a,b\", 'c'] ", list, texts(&["a,b", "c"])),
            ("[a", list, Value::Text("[a".to_owned())),
        ] {
            assert!(Value::from_variable(text, initial) == expected, "{text}");
        }
    }

    #[test]
    fn a_string_is_written_so_that_toml_reads_it_back() {
        for text in ["plain", "a \"b\" \\ c", "line\nbreak\ttab", "\u{7f}\u{0}\u{1b}", "Größe"] {
            let quoted = quoted(text);
            let parsed = DeValue::parse(&quoted).unwrap();
            assert_eq!(parsed.get_ref().as_str(), Some(text), "{quoted}");
        }
    }
}
