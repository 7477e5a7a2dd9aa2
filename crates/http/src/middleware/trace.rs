//! The trace to which a request belongs (W3C Trace Context §3.2, §3.3).

use std::hash::{BuildHasher as _, RandomState};

use actix_web::http::header::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The maximum length of `tracestate` that must be propagated (§3.3.1.5).
const MAX_STATE_BYTES: usize = 512;

/// A request in its trace: that of the caller, or a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// The id of the trace, not zero.
    pub trace_id: u128,
    /// The id of this request in the trace, not zero.
    pub span_id: u64,
    /// The id of the caller's span, if the request continues a trace.
    pub parent_id: Option<u64>,
    /// `tracestate` of the caller, which is not interpreted here.
    pub state: Option<String>,
    /// Whether spans are exported: the decision of the caller, or true for a new trace.
    pub is_sampled: bool,
}

impl TraceContext {
    /// The trace that these headers continue; a new one if there is no valid `traceparent`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let [high, middle, low] = random_ids();
        let new = Self {
            trace_id: ((u128::from(high) << 64) | u128::from(middle)).max(1),
            span_id: low.max(1),
            parent_id: None,
            state: None,
            is_sampled: true,
        };
        new.continuing(headers).unwrap_or(new)
    }

    fn continuing(&self, headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT);
        let (value, None) = (values.next()?, values.next()) else { return None };
        let (trace_id, parent_id, is_sampled) = parse(value.to_str().ok()?)?;
        let state = headers.get(TRACESTATE).and_then(|state| state.to_str().ok());
        let state = state.filter(|state| !state.is_empty() && state.len() <= MAX_STATE_BYTES);
        let (span_id, state) = (self.span_id, state.map(str::to_owned));
        Some(Self { trace_id, span_id, parent_id: Some(parent_id), state, is_sampled })
    }
}

/// The trace, the span and whether it is recorded. Later versions may append fields; version 255 is
/// invalid.
fn parse(text: &str) -> Option<(u128, u64, bool)> {
    let mut fields = text.split('-');
    let version = hexadecimal(fields.next()?, 2)?;
    let trace_id = hexadecimal(fields.next()?, 32).filter(|id| *id != 0)?;
    let span_id = hexadecimal(fields.next()?, 16).filter(|id| *id != 0)?;
    let flags = hexadecimal(fields.next()?, 2)?;
    if version == 255 || (version == 0 && fields.next().is_some()) {
        return None;
    }
    Some((trace_id, u64::try_from(span_id).ok()?, flags & 1 == 1))
}

/// The number in `digits` hexadecimal digits in lower case.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_valid = text.len() == digits && text.bytes().all(is_digit);
    is_valid.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Two numbers for a new trace, and one for the span. Ids are no secrets: the keys of the standard
/// library's hash maps, random and different in each, are enough and cost no call of the system.
fn random_ids() -> [u64; 3] {
    let keys = RandomState::new();
    [0, 1, 2].map(|number| keys.hash_one(number))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// The example of the recommendation.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[(&'static str, &str)]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn the_example_of_the_recommendation_is_read() {
        let found = of(&[("traceparent", EXAMPLE), ("tracestate", "a=1,b=2")]);
        let expected = TraceContext {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: found.span_id,
            parent_id: Some(0x00f0_67aa_0ba9_02b7),
            state: Some("a=1,b=2".to_owned()),
            is_sampled: true,
        };
        assert_eq!(found, expected);
        assert!(!of(&[("traceparent", &EXAMPLE.replace("-01", "-02"))]).is_sampled);
        let later = format!("cc{}-what-comes-later", &EXAMPLE[2..]);
        assert_eq!(of(&[("traceparent", &later)]).parent_id, expected.parent_id);
    }

    #[test]
    fn invalid_parents_are_ignored() {
        for invalid in [
            "",
            "00",
            "00-x-y-01",
            &EXAMPLE[..54],
            &format!("{EXAMPLE}-00"),
            &format!("ff{}", &EXAMPLE[2..]),
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &EXAMPLE.replace("-01", "-+1"),
        ] {
            let found = of(&[("traceparent", invalid), ("tracestate", "a=1")]);
            assert_eq!((found.parent_id, found.state), (None, None), "{invalid}");
            assert!(found.is_sampled, "{invalid}");
        }
        let twice = of(&[("traceparent", EXAMPLE), ("traceparent", EXAMPLE)]);
        assert_eq!(twice.parent_id, None);
        let state = "a=".to_owned() + &"x".repeat(MAX_STATE_BYTES);
        assert_eq!(of(&[("traceparent", EXAMPLE), ("tracestate", &state)]).state, None);
    }

    #[test]
    fn ids_do_not_repeat() {
        let all: std::collections::HashSet<u64> = (0..10_000).flat_map(|_| random_ids()).collect();
        assert_eq!(all.len(), 30_000);
    }
}
