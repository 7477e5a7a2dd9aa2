//! The protobuf form of spans (opentelemetry-proto 1.x, `ExportTraceServiceRequest`).
//!
//! Every span here has the same fields, so they are written directly. The numbers are those of the
//! fields in the `.proto` files; a test decodes the result with the published definitions.

use std::time::Duration;

use aquaware_http::AnsweredRequest;

/// The name of the service, and of the scope of its spans.
const NAME: &str = "aquaware";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// `SPAN_KIND_SERVER`.
const SERVER: u64 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;
/// `SPAN_FLAGS`: sampled, it is known whether the parent is remote, and the parent is.
const SAMPLED: u32 = 0x1;
const KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// Types of fields on the wire.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// The span of a request that ended so long after the epoch, as an element of `ScopeSpans.spans`.
pub(super) fn span(request: &AnsweredRequest<'_>, end: Duration) -> Vec<u8> {
    let AnsweredRequest { trace, method, route, status, duration } = *request;
    let mut out = Vec::with_capacity(256);
    message(&mut out, 2, |out| {
        bytes(out, 1, &trace.trace_id.to_be_bytes());
        bytes(out, 2, &trace.span_id.to_be_bytes());
        if let Some(state) = &trace.state {
            text(out, 3, state);
        }
        if let Some(parent) = trace.parent_id {
            bytes(out, 4, &parent.to_be_bytes());
        }
        let name = [method, " ", route];
        tag(out, 5, LENGTH);
        varint(out, name.iter().map(|part| length(part.len())).sum());
        name.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        number(out, 6, SERVER);
        for (field, at) in [(7, end.saturating_sub(duration)), (8, end)] {
            tag(out, field, FIXED_64);
            out.extend_from_slice(&nanoseconds(at).to_le_bytes());
        }
        attribute(out, 9, "http.request.method", method);
        attribute(out, 9, "http.route", route);
        // Span.attributes with an AnyValue.int_value
        message(out, 9, |out| {
            text(out, 1, "http.response.status_code");
            message(out, 2, |out| number(out, 3, status.into()));
        });
        if status >= 500 {
            // Span.status, Status.code
            message(out, 15, |out| number(out, 3, ERROR));
        }
        let remote = if trace.parent_id.is_some() { KNOWN | REMOTE } else { KNOWN };
        tag(out, 16, FIXED_32);
        out.extend_from_slice(&(SAMPLED | remote).to_le_bytes());
    });
    out
}

/// A request that exports these spans of a process with these further attributes.
pub(super) fn request(spans: &[u8], attributes: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spans.len() + 512);
    // ExportTraceServiceRequest.resource_spans
    message(&mut out, 1, |out| {
        // ResourceSpans.resource
        message(out, 1, |out| {
            let own = [("service.name", NAME), ("service.version", VERSION)];
            let others = attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let others = others.filter(|(key, _)| own.iter().all(|(name, _)| name != key));
            own.into_iter().chain(others).for_each(|(key, value)| attribute(out, 1, key, value));
        });
        // ResourceSpans.scope_spans
        message(out, 2, |out| {
            // ScopeSpans.scope
            message(out, 1, |out| text(out, 1, NAME));
            out.extend_from_slice(spans);
        });
    });
    out
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A KeyValue with an AnyValue.string_value.
fn attribute(out: &mut Vec<u8>, field: u64, key: &str, value: &str) {
    message(out, field, |out| {
        text(out, 1, key);
        message(out, 2, |out| text(out, 1, value));
    });
}

/// A message, whose length comes before it and is known after it.
fn message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    let start = out.len();
    write(out);
    let end = out.len();
    varint(out, length(end - start));
    let prefix = out.len() - end;
    if let Some(message) = out.get_mut(start..) {
        message.rotate_right(prefix);
    }
}

fn text(out: &mut Vec<u8>, field: u64, value: &str) {
    bytes(out, field, value.as_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    tag(out, field, LENGTH);
    varint(out, length(value.len()));
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

fn tag(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, (field << 3) | wire);
}

/// Seven bits in each byte, the lowest first; all bytes but the last have the highest bit.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while let Some(byte) = u8::try_from(value & 0x7f).ok().filter(|_| value > 0x7f) {
        out.push(byte | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use aquaware_http::TraceContext;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
    use prost::Message as _;

    use super::*;

    fn values(attributes: &[KeyValue]) -> Vec<(String, Value)> {
        let value = |it: &KeyValue| {
            let value = it.value.clone().and_then(|value| value.value);
            (it.key.clone(), value.unwrap())
        };
        attributes.iter().map(value).collect()
    }

    fn string(text: &str) -> Value {
        Value::StringValue(text.to_owned())
    }

    #[test]
    fn the_published_definitions_decode_what_is_encoded() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("tracestate", "vendor=opaque"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let (known, new) = (TraceContext::of(&headers), TraceContext::of(&HeaderMap::new()));
        let end = Duration::from_nanos(1_790_000_000_000_500_001);
        let first = AnsweredRequest {
            trace: &known,
            method: "POST",
            route: "/auth/refresh",
            status: 503,
            duration: Duration::from_micros(500),
        };
        let long = "/".repeat(300);
        let second = AnsweredRequest { trace: &new, status: 200, route: &long, ..first };
        let attributes = [("service.name", "other"), ("deployment.environment", "test")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let spans = [span(&first, end), span(&second, end)].concat();
        let encoded = super::request(&spans, &attributes);

        let request = ExportTraceServiceRequest::decode(encoded.as_slice()).unwrap();
        assert_eq!(
            request.encode_to_vec(),
            encoded,
            "nothing is unknown, and the order is the same"
        );
        let [resource_spans] = &request.resource_spans[..] else { panic!("{request:?}") };
        let found = values(&resource_spans.resource.as_ref().unwrap().attributes);
        let expected = [
            ("service.name".to_owned(), string("aquaware")),
            ("service.version".to_owned(), string(VERSION)),
            ("deployment.environment".to_owned(), string("test")),
        ];
        assert_eq!(found, expected);
        let [scope_spans] = &resource_spans.scope_spans[..] else { panic!("{request:?}") };
        assert_eq!(scope_spans.scope.as_ref().unwrap().name, "aquaware");
        let [one, two] = &scope_spans.spans[..] else { panic!("{request:?}") };
        assert_eq!(one.trace_id, known.trace_id.to_be_bytes());
        assert_eq!(one.span_id, known.span_id.to_be_bytes());
        assert_eq!(one.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        assert_eq!(one.trace_state, "vendor=opaque");
        assert_eq!((one.name.as_str(), one.kind), ("POST /auth/refresh", 2));
        let times = (one.start_time_unix_nano, one.end_time_unix_nano);
        assert_eq!(times, (1_790_000_000_000_000_001, 1_790_000_000_000_500_001));
        assert_eq!((one.status.as_ref().unwrap().code, one.flags), (2, 0x301));
        let expected = [
            ("http.request.method".to_owned(), string("POST")),
            ("http.route".to_owned(), string("/auth/refresh")),
            ("http.response.status_code".to_owned(), Value::IntValue(503)),
        ];
        assert_eq!(values(&one.attributes), expected);
        assert_eq!(two.trace_id, new.trace_id.to_be_bytes());
        assert_eq!(two.name, format!("POST {}", "/".repeat(300)));
        assert_eq!((&two.status, two.flags, two.parent_span_id.len()), (&None, 0x101, 0));
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[128, 1]),
            (300, &[172, 2]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }
}
