//! What the claims of a token mean, for a reader who sees them for the first time.

use aquaware_core::jwt::Unverified;
use aquaware_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::demo::shown;

/// The order in which members are told, and what they mean. Header first; those that aren't here
/// come last.
const MEANINGS: [(&str, &str); 16] = [
    ("typ", "what kind of token it is"),
    ("alg", "how it is signed"),
    ("kid", "which key signed it"),
    ("iss", "who issued it"),
    ("aud", "whom it is for"),
    ("sub", "whose it is"),
    ("client_id", "which kind of client asked for it"),
    ("sid", "which session it belongs to"),
    ("gen", "its place in the session's succession"),
    ("iat", "when it was issued"),
    ("exp", "when it ends"),
    ("auth_time", "when the login was"),
    ("jti", "its own name"),
    ("scope", "what it is good for"),
    ("status", "where to look up whether it was revoked"),
    ("nbf", "when it begins"),
];
/// The members that are instants (RFC 7519 §2, NumericDate).
const INSTANTS: [&str; 4] = ["iat", "exp", "nbf", "auth_time"];

/// One member of a token, ready to be told.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) meaning: String,
}

/// The members of `token` that `only` names, or all of them if it names none; the header's first.
pub(super) fn members(token: &Unverified, only: &[&str]) -> Vec<Member> {
    let told = |name: &str| only.is_empty() || only.contains(&name);
    let mut members = Vec::new();
    for part in [&token.header, &token.claims] {
        let mut names: Vec<&String> = part.keys().filter(|name| told(name)).collect();
        names.sort_by_key(|name| place(name));
        members.extend(names.into_iter().filter_map(|name| member(part, name)));
    }
    members
}

fn member(part: &Map<String, Value>, name: &str) -> Option<Member> {
    let value = part.get(name)?;
    let meaning = match clock(name, value) {
        Some(clock) => format!("{}: {clock} UTC", meaning(name)),
        None => meaning(name).to_owned(),
    };
    Some(Member { name: name.to_owned(), value: shown::inline(value), meaning })
}

fn place(name: &str) -> usize {
    MEANINGS.iter().position(|(known, _)| *known == name).unwrap_or(MEANINGS.len())
}

fn meaning(name: &str) -> &'static str {
    MEANINGS.iter().find(|(known, _)| *known == name).map_or("the account's own", |(_, it)| *it)
}

/// The day and the time of day of an instant.
fn clock(name: &str, value: &Value) -> Option<String> {
    let seconds = value.as_i64().filter(|_| INSTANTS.contains(&name))?;
    let text = Timestamp::from_seconds(seconds).to_rfc3339();
    let (date, time) = text.split_once('T')?;
    Some(format!("{date} {}", time.split('.').next()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> Unverified {
        let object = |value: Value| value.as_object().unwrap().clone();
        Unverified {
            header: object(json!({"alg": "HS256", "kid": "k1", "typ": "rt+jwt"})),
            claims: object(json!({"roles": ["a"], "exp": 1_790_000_000, "gen": 2, "sid": "s"})),
        }
    }

    #[test]
    fn members_come_in_order_of_interest_with_their_meaning() {
        let members = members(&token(), &[]);
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["typ", "alg", "kid", "sid", "gen", "exp", "roles"]);
        assert_eq!(members[4].value, "2");
        assert_eq!(members[4].meaning, "its place in the session's succession");
        assert_eq!(members[5].meaning, "when it ends: 2026-09-21 14:13:20 UTC");
        assert_eq!(
            (members[6].value.as_str(), members[6].meaning.as_str()),
            ("[\"a\"]", "the account's own")
        );
    }

    #[test]
    fn only_what_is_asked_for_is_told() {
        let members = members(&token(), &["gen", "absent"]);
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].name, "gen");
    }
}
