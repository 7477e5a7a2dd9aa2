//! The error responses of an operation, from the names of its codes.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::error_code::ErrorCode;
use crate::oauth_error::OauthErrorCode;
use crate::problem::{PROBLEM_JSON, Problem};

/// The codes that share a status.
#[derive(Debug, Default)]
struct Codes {
    problems: Vec<ErrorCode>,
    oauth: Vec<OauthErrorCode>,
}

/// The responses for these codes, by status.
pub(super) fn responses(
    problems: &[ErrorCode],
    oauth: &[OauthErrorCode],
) -> BTreeMap<StatusCode, Value> {
    let mut statuses: BTreeMap<StatusCode, Codes> = BTreeMap::new();
    for code in problems {
        let codes = &mut statuses.entry(code.status()).or_default().problems;
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    for code in oauth {
        statuses.entry(code.status()).or_default().oauth.push(*code);
    }
    statuses.into_iter().map(|(status, codes)| (status, codes.response(status))).collect()
}

impl Codes {
    fn response(&self, status: StatusCode) -> Value {
        let mut content = Map::new();
        if !self.oauth.is_empty() {
            content.insert("application/json".into(), self.oauth_content());
        }
        if !self.problems.is_empty() {
            content.insert(PROBLEM_JSON.into(), self.problem_content(status));
        }
        let oauth = self.oauth.iter().map(|code| code.as_str());
        let mut names: Vec<_> =
            oauth.chain(self.problems.iter().map(|code| code.as_str())).collect();
        names.dedup();
        let description = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        json!({ "description": description.join(", "), "content": content })
    }

    fn problem_content(&self, status: StatusCode) -> Value {
        let names: Vec<_> = self.problems.iter().map(|code| code.as_str()).collect();
        let examples: Map<String, Value> = self
            .problems
            .iter()
            .map(|code| (code.as_str().to_owned(), json!({ "value": example(*code) })))
            .collect();
        json!({
            "schema": { "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status.as_u16() }, "code": { "enum": names } } },
            ]},
            "examples": examples,
        })
    }

    fn oauth_content(&self) -> Value {
        let names: Vec<_> = self.oauth.iter().map(|code| code.as_str()).collect();
        json!({
            "schema": { "allOf": [
                { "$ref": "#/components/schemas/OauthError" },
                { "properties": { "error": { "enum": names } } },
            ]},
        })
    }
}

/// The document that a client receives for the code.
fn example(code: ErrorCode) -> Value {
    serde_json::to_value(Problem::from(code).document()).unwrap_or_default()
}

/// The codes with these names.
pub(super) fn problems(names: &Value) -> Vec<ErrorCode> {
    named(names, &ErrorCode::ALL, |code| code.as_str())
}

/// The codes of RFC 6749 with these names.
pub(super) fn oauth(names: &Value) -> Vec<OauthErrorCode> {
    named(names, &OauthErrorCode::ALL, |code| code.as_str())
}

fn named<T: Copy>(names: &Value, all: &[T], name: fn(T) -> &'static str) -> Vec<T> {
    let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(|it| all.iter().copied().find(|code| it == name(*code))).collect()
}
