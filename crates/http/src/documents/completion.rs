//! What all operations have in common: the media types of bodies, error responses, headers, and
//! security schemes. It also removes what no client of this server can use.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::errors;
use super::facts::Facts;
use crate::error_code::ErrorCode;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// What the paths of the endpoints of simplejwt begin with.
const DOORS: &str = "/api/token";

/// Responses of every operation, which are described once.
const EVERYWHERE: [(&str, ErrorCode); 3] = [
    ("RequestTimeout", ErrorCode::RequestTimeout),
    ("HeadersTooLarge", ErrorCode::HeadersTooLarge),
    ("InternalError", ErrorCode::InternalError),
];

/// Headers that not every response of their status has.
const OPTIONAL: [&str; 3] = ["Set-Cookie", "Content-Encoding", "Access-Control-Allow-Origin"];

/// Completes the document.
pub(super) fn complete(document: &mut Value, facts: &Facts) {
    let schemas = document.pointer_mut("/components/schemas");
    let mut schemas = schemas.map(Value::take).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(members) = operation.as_object_mut() {
                Operation { path, members, facts }.complete(&mut schemas);
            }
        }
    }
    if !facts.secrets {
        for name in ["TokenRequest", "Revoke", "Introspect"] {
            remove_property(&mut schemas, name, "client_secret");
        }
    }
    if !facts.grants.contains(&"password") {
        for name in ["username", "password"] {
            remove_property(&mut schemas, "TokenRequest", name);
        }
    }
    if let Some(grant) = schemas.pointer_mut("/TokenRequest/properties/grant_type") {
        insert(grant, "enum", json!(facts.grants));
    }
    let components = json!({
        "schemas": schemas,
        "headers": headers(),
        "responses": shared_responses(facts),
        "securitySchemes": security_schemes(facts),
    });
    insert(document, "components", components);
}

/// One operation, while it is completed.
struct Operation<'a> {
    path: &'a str,
    members: &'a mut Map<String, Value>,
    facts: &'a Facts,
}

impl Operation<'_> {
    fn complete(&mut self, schemas: &mut Value) {
        self.remove_unused_security();
        for parameter in self.list("parameters") {
            if let Some(schema) = parameter.get_mut("schema") {
                without_null(schema);
                without_width(schema);
            }
        }
        self.complete_body(schemas);
        self.add_errors();
        let facts = self.facts;
        for (status, response) in self.responses() {
            if response.get("$ref").is_none() {
                add_headers(status, response, facts);
            }
        }
    }

    /// Bodies of `/auth/*` may be forms, too. No body is an empty one.
    fn complete_body(&mut self, schemas: &mut Value) {
        let is_strict = !self.is_door();
        let Some(body) = self.members.get_mut("requestBody") else { return };
        let is_form = body.pointer(&pointer(&["content", FORM])).is_some();
        let media = if is_form { FORM } else { JSON };
        let named = body.pointer(&pointer(&["content", media, "schema", "$ref"]));
        let name = named.and_then(Value::as_str).and_then(|it| it.rsplit('/').next());
        let Some(name) = name.map(str::to_owned) else { return };
        let Some(schema) = schemas.get(&name).cloned() else { return };
        insert(body, "required", schema.get("required").is_some().into());
        if is_form {
            insert(schemas, &name, form_of(&schema));
            return;
        }
        let form_name = format!("{name}Form");
        insert(schemas, &form_name, form_of(&schema));
        if let Some(strict) = schemas.get_mut(&name).filter(|_| is_strict) {
            insert(strict, "additionalProperties", false.into());
        }
        let form = json!({ "schema": { "$ref": format!("#/components/schemas/{form_name}") } });
        if let Some(content) = body.get_mut("content") {
            insert(content, FORM, form.clone());
            insert(content, MULTIPART, form);
        }
    }

    fn add_errors(&mut self) {
        let mut taken = |name| self.members.remove(name).unwrap_or_default();
        let mut problems = errors::problems(&taken("x-errors"));
        let oauth = errors::oauth(&taken("x-oauth-errors"));
        if self.is_door() {
            self.add_errors_of_simplejwt();
        } else if self.members.contains_key("requestBody") {
            problems.extend([ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType]);
        }
        if self.requires_access_token() {
            // A token that is presented in two ways is an invalid request.
            problems.extend([ErrorCode::InvalidRequest, ErrorCode::InvalidToken]);
        }
        if self.path.starts_with("/auth/") || self.path.starts_with("/oauth2/") {
            problems.push(ErrorCode::StoreUnavailable);
        }
        let has_password = self.facts.grants.contains(&"password");
        problems.retain(|code| match code {
            ErrorCode::CrossSite => self.facts.cookie.is_some(),
            ErrorCode::AccountLocked => has_password || self.path != "/oauth2/token",
            _ => true,
        });
        for (status, response) in errors::responses(&problems, &oauth) {
            self.add_response(status, response);
        }
        for (name, code) in EVERYWHERE {
            let shared = json!({ "$ref": format!("#/components/responses/{name}") });
            self.add_response(code.status(), shared);
        }
    }

    /// Whether this is one of the endpoints of simplejwt, which have errors of their own.
    fn is_door(&self) -> bool {
        self.path.starts_with(DOORS)
    }

    fn add_errors_of_simplejwt(&mut self) {
        for status in [400, 401, 403, 413, 415, 429, 503] {
            let Ok(status) = StatusCode::from_u16(status) else { continue };
            let about = status.canonical_reason().unwrap_or_default();
            let schema = json!({ "$ref": "#/components/schemas/SimpleJwtError" });
            let content = json!({ JSON: { "schema": schema } });
            self.add_response(status, json!({ "description": about, "content": content }));
        }
    }

    fn requires_access_token(&self) -> bool {
        let alternatives = self.members.get("security").and_then(Value::as_array);
        alternatives.is_some_and(|it| it.iter().all(|it| it.get("access_token").is_some()))
    }

    fn remove_unused_security(&mut self) {
        let (secrets, cookie) = (self.facts.secrets, self.facts.cookie.is_some());
        if let Some(alternatives) = self.members.get_mut("security").and_then(Value::as_array_mut) {
            alternatives.retain(|it| secrets || it.get("client_secret").is_none());
            alternatives.retain(|it| cookie || it.get("refresh_cookie").is_none());
        }
    }

    fn add_response(&mut self, status: StatusCode, response: Value) {
        if let Some(responses) = self.members.get_mut("responses") {
            insert(responses, status.as_str(), response);
        }
    }

    fn responses(&mut self) -> impl Iterator<Item = (&String, &mut Value)> {
        self.members.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
    }

    fn list(&mut self, name: &str) -> impl Iterator<Item = &mut Value> {
        self.members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
    }
}

/// The schema of the same fields in a form, which has no `null`, may repeat `resource`, and may have
/// unknown fields.
fn form_of(schema: &Value) -> Value {
    let mut form = schema.clone();
    let properties = form.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        without_null(property);
        if name == "resource" {
            *property = json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "RFC 8707: the audiences of the access token in this response. The \
                                field may be repeated.",
            });
        }
    }
    form
}

fn without_null(schema: &mut Value) {
    let Some(kind) = schema.get_mut("type") else { return };
    let Some(kinds) = kind.as_array_mut() else { return };
    kinds.retain(|kind| kind != "null");
    if let [only] = kinds.as_slice() {
        *kind = only.clone();
    }
}

/// The width of a Rust integer limits no number that a client sends: larger ones are cut or unknown.
fn without_width(schema: &mut Value) {
    if let Some(members) = schema.as_object_mut() {
        members.retain(|name, value| {
            name != "format" || !matches!(value.as_str(), Some("int32" | "int64"))
        });
    }
}

/// Completes the headers of a response, with those that all responses of its status have.
fn add_headers(status: &str, response: &mut Value, facts: &Facts) {
    let mut headers =
        response.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
    if facts.cookie.is_none() {
        headers.remove("Set-Cookie");
    }
    for (name, header) in &mut headers {
        insert(header, "required", (!OPTIONAL.contains(&name.as_str())).into());
    }
    let mut shared = vec!["X-Request-Id", "X-Content-Type-Options"];
    if !headers.contains_key("Cache-Control") {
        shared.push("Cache-Control");
    }
    match status {
        "401" => shared.push("WWW-Authenticate"),
        "429" | "503" => shared.push("Retry-After"),
        _ => {}
    }
    for name in shared {
        let shared = json!({ "$ref": format!("#/components/headers/{name}") });
        headers.insert(name.to_owned(), shared);
    }
    insert(response, "headers", headers.into());
}

/// The headers that many responses share.
fn headers() -> Value {
    let text = |about: &str, example: &str| {
        json!({
            "description": about, "required": true,
            "schema": { "type": "string" }, "example": example,
        })
    };
    json!({
        "X-Request-Id": text(
            "The id of the request, which is also in the log: the caller's, if it is valid.",
            "0b4f8f0e2f7c4a6d",
        ),
        "X-Content-Type-Options": text("Browsers must not guess another type.", "nosniff"),
        "Cache-Control": text("The response must not be stored.", "no-store"),
        "WWW-Authenticate": text("The challenge (RFC 9110 §11.6.1).", "Bearer realm=\"aquaware\""),
        "Retry-After": json!({
            "description": "When a retry may succeed, in seconds.", "required": true,
            "schema": { "type": "integer", "minimum": 1 }, "example": 1,
        }),
    })
}

fn shared_responses(facts: &Facts) -> Value {
    let one = |(name, code): (&str, ErrorCode)| {
        let mut response = errors::responses(&[code], &[]).remove(&code.status())?;
        add_headers(code.status().as_str(), &mut response, facts);
        Some((name.to_owned(), response))
    };
    EVERYWHERE.into_iter().filter_map(one).collect::<Map<_, _>>().into()
}

fn security_schemes(facts: &Facts) -> Value {
    let mut schemes = Map::new();
    schemes.insert(
        "access_token".into(),
        json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token of a live session." }),
    );
    if facts.secrets {
        schemes.insert(
            "client_secret".into(),
            json!({ "type": "http", "scheme": "basic",
                    "description": "The id and the secret of a client, both form-encoded first \
                                    (RFC 6749 §2.3.1)." }),
        );
    }
    if let Some(name) = &facts.cookie {
        schemes.insert(
            "refresh_cookie".into(),
            json!({ "type": "apiKey", "in": "cookie", "name": name,
                    "description": "The refresh token of a client with the transport `cookie`. The \
                                    request must come from the issuer's origin or one on the CORS \
                                    allow-list." }),
        );
    }
    schemes.into()
}

fn remove_property(schemas: &mut Value, schema: &str, property: &str) {
    let properties = schemas.pointer_mut(&pointer(&[schema, "properties"]));
    if let Some(properties) = properties.and_then(Value::as_object_mut) {
        properties.remove(property);
    }
}

/// Sets a member of an object.
fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A JSON pointer (RFC 6901).
fn pointer(names: &[&str]) -> String {
    names.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}
