//! How the report about a token is displayed.

use aquaware_core::jwt::TokenType;
use aquaware_core::time::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::Report;
use super::checks::Check;
use super::session::SessionState;
use crate::cli::span::relative;
use crate::cli::table::Table;

/// The kind of the token, as a JSON value and as text.
fn kind(report: &Report) -> (&'static str, &'static str) {
    match report.kind {
        Some(TokenType::Access) => ("access", "an access token"),
        Some(TokenType::Refresh) => ("refresh", "a refresh token"),
        None if is_status_list(report) => {
            ("status_list", "a status list, which cannot be used as a token")
        }
        None => ("unknown", "not a token of this server"),
    }
}

fn is_status_list(report: &Report) -> bool {
    let typ = report.parts.as_ref().and_then(|parts| parts.header.get("typ")?.as_str());
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case("statuslist+jwt"))
}

/// The report as JSON.
pub(super) fn as_json(report: &Report) -> Json {
    let part = |take: fn(&aquaware_core::jwt::Unverified) -> &Map<String, Json>| {
        report.parts.as_ref().map(|parts| take(parts).clone())
    };
    json!({
        "kind": kind(report).0,
        "accepted": report.rejection().is_none(),
        "rejected_by": report.rejection().map(|check| check.rule),
        "header": part(|it| &it.header),
        "claims": part(|it| &it.claims),
        "checks": report.checks.iter().map(check_json).collect::<Vec<_>>(),
        "session": report.session.as_ref().map(|session| session_json(session, report.now)),
        "notes": report.notes,
    })
}

fn check_json(check: &Check) -> Json {
    json!({ "rule": check.rule, "passed": check.passed, "detail": check.detail })
}

fn session_json(session: &SessionState, now: Timestamp) -> Json {
    let record = session.record.as_ref();
    let ended = record.and_then(|it| it.ended);
    json!({
        "id": session.id,
        "state": session.state(now),
        "ended_at": ended.map(|it| it.at.to_rfc3339()),
        "ended_reason": ended.map(|it| it.reason.as_str()),
        "generation": record.map(|it| it.generation),
        "token_generation": session.presented,
        "token_state": session.token_state(),
    })
}

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!("{}\n", kind(report).1);
    if let Some(parts) = &report.parts {
        text += &format!("\nheader\n{}", members(&parts.header, report.now));
        text += &format!("\nclaims\n{}", members(&parts.claims, report.now));
    }
    let mut table = Table::plain();
    for check in &report.checks {
        let outcome = match check.passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "not checked",
        };
        table.row([check.rule.to_owned(), outcome.to_owned(), check.detail.clone()]);
    }
    text += &format!("\nchecks\n{}\n", table.text(2));
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text + &match report.rejection() {
        None => "the token would be accepted".to_owned(),
        Some(check) => format!("the token would be rejected ({}): {}", check.rule, check.detail),
    }
}

/// The claims that are instants, which are printed in words too.
const INSTANTS: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

fn members(members: &Map<String, Json>, now: Timestamp) -> String {
    let mut table = Table::plain();
    for (name, value) in members {
        let instant = value.as_i64().filter(|_| INSTANTS.contains(&name.as_str()));
        let text =
            instant.filter(|seconds| (0..253_402_300_799).contains(seconds)).map(|seconds| {
                let at = Timestamp::from_seconds(seconds);
                format!("{value}  {}, {}", at.to_rfc3339(), relative(at, now))
            });
        table.row([name.clone(), text.unwrap_or_else(|| value.to_string())]);
    }
    table.text(2)
}
