//! The environment variables by which all exporters of OpenTelemetry are set up.

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::TracesError;

const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// The headers for the collector. Their values can be secrets.
///
/// # Errors
/// If they are invalid.
pub(super) fn headers() -> Result<HeaderMap, TracesError> {
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        let invalid = || TracesError::Variable(name);
        for (key, value) in pairs(&variable(name)).ok_or_else(invalid)? {
            let key = HeaderName::try_from(key).map_err(|_| invalid())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
    }
    Ok(headers)
}

/// Further attributes of the process.
///
/// # Errors
/// If they are invalid.
pub(super) fn attributes() -> Result<Vec<(String, String)>, TracesError> {
    pairs(&variable(ATTRIBUTES)).ok_or(TracesError::Variable(ATTRIBUTES))
}

#[allow(clippy::disallowed_methods, reason = "conventions of OpenTelemetry are not settings")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// `key=value,key=value`, with percent-encoded values.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned())).filter(|(key, _)| !key.is_empty())
    };
    parts.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_separated_by_commas_and_percent_encoded() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs(""), Some(Vec::new()));
        assert_eq!(pairs("a=1, b=x%2Cy%20z ,"), Some(vec![pair("a", "1"), pair("b", "x,y z")]));
        assert_eq!(pairs("key=a=b"), Some(vec![pair("key", "a=b")]));
        for invalid in ["a", "=1", "a=%ff"] {
            assert_eq!(pairs(invalid), None, "{invalid}");
        }
    }
}
