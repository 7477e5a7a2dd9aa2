//! The trace of the caller (W3C Trace Context §3.2, §3.3).

use actix_web::http::header::HeaderMap;

/// The maximum length of `tracestate` that must be propagated (§3.3.1.5).
const MAX_STATE_BYTES: usize = 512;

/// The span of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    /// Whether the caller records its trace.
    pub(super) is_sampled: bool,
    /// `tracestate`, which is not interpreted here.
    pub(super) state: Option<String>,
}

impl Parent {
    /// The parent in these headers; `None` if there is no valid one, so that a new trace begins.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent");
        let (value, None) = (values.next()?, values.next()) else { return None };
        let parent = Self::parse(value.to_str().ok()?)?;
        let state = headers.get("tracestate").and_then(|state| state.to_str().ok());
        let state = state.filter(|state| !state.is_empty() && state.len() <= MAX_STATE_BYTES);
        Some(Self { state: state.map(str::to_owned), ..parent })
    }

    /// Later versions may append fields; version 255 is invalid.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace_id = hexadecimal(fields.next()?, 32).filter(|id| *id != 0)?;
        let span_id = hexadecimal(fields.next()?, 16).filter(|id| *id != 0)?;
        let flags = hexadecimal(fields.next()?, 2)?;
        if version == 255 || (version == 0 && fields.next().is_some()) {
            return None;
        }
        let span_id = u64::try_from(span_id).ok()?;
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1, state: None })
    }
}

/// The number in `digits` hexadecimal digits in lower case.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_valid = text.len() == digits && text.bytes().all(is_digit);
    is_valid.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// The example of the recommendation.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_example_of_the_recommendation_is_read() {
        let parent = Parent::of(&headers(&[("traceparent", EXAMPLE), ("tracestate", "a=1,b=2")]));
        let expected = Parent {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            is_sampled: true,
            state: Some("a=1,b=2".to_owned()),
        };
        assert_eq!(parent, Some(expected));
        assert!(!Parent::parse(&EXAMPLE.replace("-01", "-02")).unwrap().is_sampled);
        assert!(Parent::parse(&format!("cc{}-what-comes-later", &EXAMPLE[2..])).is_some());
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
            assert_eq!(Parent::of(&headers(&[("traceparent", invalid)])), None, "{invalid}");
        }
        assert_eq!(
            Parent::of(&headers(&[("traceparent", EXAMPLE), ("traceparent", EXAMPLE)])),
            None
        );
        let state = "a=".to_owned() + &"x".repeat(MAX_STATE_BYTES);
        let long = headers(&[("traceparent", EXAMPLE), ("tracestate", &state)]);
        assert_eq!(Parent::of(&long).unwrap().state, None);
    }
}
