//! Claims from the command line: a JSON object or NAME=VALUE pairs.

use aquaware_core::claims::{ExactJsonError, check_extra, parse_exact};
use aquaware_core::session::ExtraClaims;
use serde_json::{Map, Value};

use crate::cli::error::CommandError;

/// Parses and checks the claims in `arguments`.
///
/// # Errors
/// Malformed arguments, duplicate names, numbers that JSON cannot carry exactly, and reserved claims.
pub(super) fn parse(arguments: &[String]) -> Result<ExtraClaims, CommandError> {
    let claims = match arguments {
        [one] if one.trim_start().starts_with('{') => object(one)?,
        pairs => from_pairs(pairs)?,
    };
    check_extra(claims).map_err(|error| CommandError::Usage(error.to_string()))
}

fn object(text: &str) -> Result<Map<String, Value>, CommandError> {
    match parse_exact(text).map_err(usage)? {
        Value::Object(claims) => Ok(claims),
        _ => Err(CommandError::Usage("the claims are not a JSON object".to_owned())),
    }
}

fn from_pairs(pairs: &[String]) -> Result<Map<String, Value>, CommandError> {
    let mut claims = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("{pair:?} is neither a JSON object nor NAME=VALUE");
            return Err(CommandError::Usage(message));
        };
        let value = match parse_exact(value) {
            Err(ExactJsonError::Syntax(_)) => Value::from(value),
            parsed => parsed.map_err(usage)?,
        };
        if claims.insert(name.to_owned(), value).is_some() {
            return Err(CommandError::Usage(format!("the claim {name:?} is given twice")));
        }
    }
    Ok(claims)
}

fn usage(error: ExactJsonError) -> CommandError {
    CommandError::Usage(format!("invalid claims: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Value, String> {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        parse(&arguments).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn an_object_is_used_unchanged() {
        assert_eq!(parsed(&[r#" {"roles": ["admin"]}"#]), Ok(json!({ "roles": ["admin"] })));
        assert_eq!(parsed(&["{}"]), Ok(json!({})));
    }

    #[test]
    fn values_are_json_or_strings() {
        let pairs = ["plan=gold", "tanks=3", "vip=true", "roles=[\"a\"]", "note=a=b", "empty="];
        let expected = json!({
            "plan": "gold", "tanks": 3, "vip": true, "roles": ["a"], "note": "a=b", "empty": "",
        });
        assert_eq!(parsed(&pairs), Ok(expected));
        assert_eq!(parsed(&["quoted=\"3\""]), Ok(json!({ "quoted": "3" })));
    }

    #[test]
    fn invalid_claims_are_rejected_with_their_name() {
        for (bad, named) in [
            (&["gold"][..], "gold"),
            (&["=gold"], "=gold"),
            (&["{\"a\""], "JSON"),
            (&["a=1", "a=2"], "twice"),
            (&["sub=1"], "sub"),
            (&["{\"exp\": 1}"], "exp"),
            (&["{\"a\": 1, \"a\": 2}"], "twice"),
            (&["{\"a\": {\"b\": 1, \"b\": 2}}"], "twice"),
            (&["a={\"b\": 1, \"b\": 2}"], "twice"),
            (&["a=12345678901234567890123"], "12345678901234567890123"),
            (&["{\"a\": 9007199254740993}"], "9007199254740993"),
            (&["a=1e999"], "1e999"),
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
