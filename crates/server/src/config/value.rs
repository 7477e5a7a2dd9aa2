//! A raw value of a setting, not checked yet.

use std::fmt;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::schema::DefaultValue;

/// The value of a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Self>),
    /// A value of a type that no setting has: a table, a date, a fraction or a huge number.
    Other(String),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A value in the file.
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

    /// The value of an environment variable, parsed as the type of `default`. Text that does not fit
    /// remains text, which the checks reject.
    pub(super) fn from_variable(text: &str, default: DefaultValue) -> Self {
        let typed = match default {
            DefaultValue::Absent | DefaultValue::Text(_) => None,
            DefaultValue::Integer(_) => text.trim().parse().ok().map(Self::Integer),
            DefaultValue::Boolean(_) => text.trim().parse().ok().map(Self::Boolean),
            DefaultValue::List(_) => list(text.trim()),
        };
        typed.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// The default of a setting, if it has one.
    pub(super) fn from_default(default: DefaultValue) -> Option<Self> {
        match default {
            DefaultValue::Absent => None,
            DefaultValue::Text(text) => Some(Self::Text(text.to_owned())),
            DefaultValue::Integer(number) => Some(Self::Integer(number)),
            DefaultValue::Boolean(boolean) => Some(Self::Boolean(boolean)),
            DefaultValue::List(items) => {
                Some(Self::List(items.iter().map(|item| Self::Text((*item).to_owned())).collect()))
            }
        }
    }

    /// The value as JSON.
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

/// A TOML array, or items separated by commas. Empty text is the empty list.
fn list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        let parsed = DeValue::parse(text).ok()?;
        return Some(Value::from_toml(parsed.get_ref()));
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::List(items.map(|item| Value::Text(item.to_owned())).collect()))
}

/// The value in TOML, with secrets: use [`super::secret::display`] to print it.
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

/// Only the type, because the value may be a secret.
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

/// `text` as a basic string of TOML. The escapes of JSON are valid in TOML; only DEL must be escaped
/// in addition.
pub(super) fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_the_type_of_its_setting() {
        let texts = |items: &[&str]| {
            Value::List(items.iter().map(|item| Value::Text((*item).to_owned())).collect())
        };
        let list = DefaultValue::List(&[]);
        for (text, default, expected) in [
            ("2", DefaultValue::Integer(0), Value::Integer(2)),
            ("two", DefaultValue::Integer(0), Value::Text("two".to_owned())),
            ("true", DefaultValue::Boolean(false), Value::Boolean(true)),
            ("yes", DefaultValue::Boolean(false), Value::Text("yes".to_owned())),
            ("true", DefaultValue::Text(""), Value::Text("true".to_owned())),
            ("a, b,c", list, texts(&["a", "b", "c"])),
            ("", list, texts(&[])),
            (" [\"a,b\", 'c'] ", list, texts(&["a,b", "c"])),
            ("[a", list, Value::Text("[a".to_owned())),
        ] {
            assert!(Value::from_variable(text, default) == expected, "{text}");
        }
    }

    #[test]
    fn a_quoted_string_can_be_parsed_as_toml() {
        for text in ["plain", "a \"b\" \\ c", "line\nbreak\ttab", "\u{7f}\u{0}\u{1b}", "Größe"] {
            let quoted = quoted(text);
            let parsed = DeValue::parse(&quoted).unwrap();
            assert_eq!(parsed.get_ref().as_str(), Some(text), "{quoted}");
        }
    }
}
