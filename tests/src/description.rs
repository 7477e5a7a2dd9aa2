//! Compares responses with `docs/openapi.json`, the description of a server with everything switched
//! on. A test of its own shows that such a server serves this description.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::response::Response;

static REFERENCE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../docs/openapi.json"))
        .expect("docs/openapi.json is JSON")
});

/// The description in `docs/openapi.json`.
#[must_use]
pub fn reference() -> &'static Value {
    &REFERENCE
}

/// Codes of operations that the configuration of a test has switched off: the document of its server
/// does not list the operation.
const SWITCHED_OFF: [&str; 2] = ["not_found", "signup_closed"];

/// Asserts that the description lists the response: its status, its type, its headers and the form
/// of its body.
pub(crate) fn check(response: &Response, method: &str, path: &str, what: &dyn Fn() -> String) {
    let Some(operation) = operation(method, path) else {
        // Whatever is not described does not exist.
        let unknown = matches!(method, "HEAD" | "OPTIONS") || is_elsewhere(path) || is_page(path);
        let status = response.status;
        assert!(unknown || status >= 400, "{method} {path} is not in openapi.json: {}", what());
        return;
    };
    let status = response.status.to_string();
    let Some(described) = operation["responses"].get(&status) else {
        let code = response.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(SWITCHED_OFF.contains(&code.as_str()), "not in openapi.json: {}", what());
        return;
    };
    let described = resolved(described);
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let required = resolved(header)["required"] == true;
        let present = response.headers_of(&name.to_lowercase()).next().is_some();
        // A response to a request that cannot be read is written without the routes.
        let unread = matches!(response.status, 400 | 408 | 413 | 414 | 431);
        assert!(
            present || !required || unread,
            "no {name}, which openapi.json requires: {}",
            what()
        );
    }
    if response.body.is_empty() {
        let bodiless = described.get("content").is_none() || method == "HEAD";
        assert!(bodiless, "openapi.json describes a body: {}", what());
        return;
    }
    let kind = response.header("content-type").unwrap_or_default();
    let media = described["content"].get(kind);
    let media = media.unwrap_or_else(|| panic!("openapi.json has no {kind:?} here: {}", what()));
    if kind.ends_with("json") {
        let mut differences = Vec::new();
        compare(&media["schema"], &response.json(), "", &mut differences);
        assert!(differences.is_empty(), "{differences:#?} differ from openapi.json: {}", what());
    }
}

/// Paths of the other listener, which are not in the description.
fn is_elsewhere(path: &str) -> bool {
    ["/health/", "/metrics"].iter().any(|start| path.starts_with(start))
}

/// The page for users, which is not part of the API.
fn is_page(path: &str) -> bool {
    path == "/account" || path.starts_with("/account/")
}

const METADATA: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// The operation that answers this request.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    // The metadata has another spelling for issuers with a path.
    let path = METADATA.into_iter().find(|name| path.contains(name)).unwrap_or(path);
    let method = if method == "HEAD" { "get" } else { &method.to_lowercase() };
    let paths = REFERENCE["paths"].as_object()?;
    let exact = paths.get(path);
    let item = exact.or_else(|| paths.iter().find(|it| matches(it.0, path)).map(|it| it.1))?;
    item.get(method)
}

/// Whether `path` has the form of `pattern`, such as `/auth/sessions/{id}`.
fn matches(pattern: &str, path: &str) -> bool {
    let same = |(expected, part): (&str, &str)| {
        expected == part || (expected.starts_with('{') && !part.is_empty())
    };
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(same)
}

fn resolved(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let target = REFERENCE.pointer(reference.trim_start_matches('#'));
    target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Collects the differences between a value and its schema. Members that no part of the schema knows
/// are differences, too.
fn compare(schema: &'static Value, value: &Value, at: &str, differences: &mut Vec<String>) {
    let parts = parts(schema);
    let mut known = Map::new();
    let mut open = false;
    for part in &parts {
        check_part(part, value, at, differences);
        let properties = part["properties"].as_object();
        known.extend(properties.into_iter().flatten().map(|it| (it.0.clone(), Value::Null)));
        open |= part["type"] == "object" && properties.is_none();
    }
    let members = value.as_object().into_iter().flatten();
    for name in members.map(|(name, _)| name).filter(|name| !known.contains_key(*name)) {
        if !open {
            differences.push(format!("{at}/{name} is not described"));
        }
    }
}

/// The schema, and those that it is composed of.
fn parts(schema: &'static Value) -> Vec<&'static Value> {
    let schema = resolved(schema);
    let all = schema["allOf"].as_array().into_iter().flatten();
    [schema].into_iter().chain(all.flat_map(parts)).collect()
}

fn check_part(part: &'static Value, value: &Value, at: &str, differences: &mut Vec<String>) {
    let mut differ = |what: String| differences.push(format!("{at}: {what}"));
    if let Some(kinds) = part.get("type")
        && !kinds
            .as_array()
            .map_or(vec![kinds], |it| it.iter().collect())
            .into_iter()
            .any(|kind| is(kind, value))
    {
        differ(format!("{value} is not {kinds}"));
    }
    for name in part["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            differ(format!("{name} is missing"));
        }
    }
    if let Some(allowed) = part["enum"].as_array()
        && !allowed.contains(value)
    {
        differ(format!("{value} is none of {allowed:?}"));
    }
    if let Some(constant) = part.get("const")
        && constant != value
    {
        differ(format!("{value} is not {constant}"));
    }
    if let Some(choices) = part["oneOf"].as_array() {
        let fits = |choice: &&'static Value| {
            let mut found = Vec::new();
            compare(choice, value, at, &mut found);
            found.is_empty()
        };
        let count = choices.iter().filter(fits).count();
        if count != 1 {
            differ(format!("{value} fits {count} choices"));
        }
    }
    for (name, property) in part["properties"].as_object().into_iter().flatten() {
        if let Some(member) = value.get(name) {
            compare(property, member, &format!("{at}/{name}"), differences);
        }
    }
    if let Some(items) = part.get("items") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            compare(items, item, &format!("{at}/{index}"), differences);
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, kind: &str, body: &str) -> Response {
        let headers = [
            ("content-type", kind),
            ("x-request-id", "1"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Response { status, headers: headers.to_vec(), body: body.as_bytes().to_vec() }
    }

    fn passes(method: &str, path: &str, response: Response) -> bool {
        std::panic::catch_unwind(|| check(&response, method, path, &String::new)).is_ok()
    }

    #[test]
    fn a_response_that_differs_from_the_description_is_found() {
        let json = "application/json";
        let good = r#"{"revoked": 1}"#;
        assert!(passes("POST", "/auth/logout-all/", response(200, json, good)));
        for bad in [r#"{"revoked": "1"}"#, "{}", r#"{"revoked": 1, "more": 2}"#, "[]", "null"] {
            assert!(!passes("POST", "/auth/logout-all", response(200, json, bad)), "{bad}");
        }
        assert!(!passes("POST", "/auth/logout-all", response(201, json, good)));
        assert!(!passes("POST", "/auth/logout-all", response(200, "text/plain", good)));
        assert!(!passes("POST", "/auth/logout-all", response(200, json, "")));
        let mut without_header = response(200, json, good);
        without_header.headers.retain(|(name, _)| name != "cache-control");
        assert!(!passes("POST", "/auth/logout-all", without_header));
        assert!(!passes("GET", "/auth/unknown", response(200, json, good)));
    }

    #[test]
    fn a_code_that_the_operation_does_not_have_is_found() {
        let problem = |code: &str| {
            let body = format!(
                r#"{{"type": "about:blank", "title": "t", "status": 404, "detail": "d", "code": "{code}"}}"#
            );
            response(404, "application/problem+json", &body)
        };
        assert!(passes("DELETE", "/auth/sessions/x", problem("not_found")));
        assert!(!passes("DELETE", "/auth/sessions/x", problem("gone")));
    }
}
