//! The output of the demo, as text for people or as one JSON object per step for programs.
//!
//! Everything printed here passes [`redact`], so no step can print a token or a password.

use std::io::{self, Write};
use std::time::Duration;

use aquaware_core::jwt::Unverified;
use aquaware_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::client::{Request, Response};
use super::redact;

/// The maximum length of a line of prose.
const WIDTH: usize = 96;
/// The response headers that matter to a reader.
const HEADERS: [&str; 4] = ["Cache-Control", "Location", "WWW-Authenticate", "Retry-After"];
/// What the members of a token mean.
const MEANINGS: [(&str, &str); 11] = [
    ("typ", "kind of token"),
    ("alg", "signature algorithm"),
    ("kid", "id of the key that signed it"),
    ("iss", "issuer"),
    ("aud", "services that may accept it"),
    ("sub", "id of the account"),
    ("sid", "id of the session"),
    ("gen", "generation: the number of refreshes, plus one"),
    ("iat", "issued at"),
    ("exp", "expires at"),
    ("scope", "permissions"),
];

/// How steps are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text { colours: bool },
    Json,
}

/// Prints the steps and counts the checks.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    format: Format,
    steps: usize,
    checks: usize,
    failed: usize,
    /// The current step, for programs.
    step: Value,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write, format: Format) -> Self {
        Self { out, format, steps: 0, checks: 0, failed: 0, step: Value::Null }
    }

    pub(super) const fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn open(&mut self, base: &str) -> io::Result<()> {
        self.line("1", "aquaware demo: a complete session over real HTTP\n")?;
        self.prose(
            "",
            &format!(
                "A server is running at {base}. Its database and keys are in a temporary directory, \
                 which is removed at the end. The requests (→) and responses (←) are real; tokens \
                 are abbreviated and passwords are masked. The demo takes about twelve seconds."
            ),
        )
    }

    pub(super) fn step(&mut self, title: &str, explanation: &str) -> io::Result<()> {
        self.end_step()?;
        self.steps += 1;
        self.step = json!({
            "step": self.steps, "title": title, "ok": true,
            "exchanges": [], "refreshes": [], "tokens": [], "checks": [],
        });
        let heading = format!("── {} · {title} ", self.steps);
        let rule = "─".repeat(WIDTH.saturating_sub(heading.chars().count()));
        self.line("1", &format!("\n{heading}{rule}\n"))?;
        self.prose("  ", explanation)
    }

    pub(super) fn exchange(&mut self, request: &Request, response: &Response) -> io::Result<()> {
        let headers: Map<String, Value> = HEADERS
            .iter()
            .filter(|name| !response.header(name).is_empty())
            .map(|name| ((*name).to_owned(), response.header(name).into()))
            .collect();
        let (method, path, status) = (&request.method, request.path, response.status);
        let exchange = json!({
            "sender": request.sender, "method": method.as_str(), "path": path,
            "request_headers": request.headers, "request_body": request.body,
            "status": status.as_u16(), "response_headers": headers,
            "response_body": response.body,
        });
        self.push("exchanges", exchange);
        let sender = request.sender;
        self.line("36", &format!("\n  {sender} → {method} {path}"))?;
        self.members(&request.headers)?;
        self.body(request.body.as_ref().unwrap_or(&Value::Null))?;
        self.line("36", &format!("  {sender} ← {status}"))?;
        self.members(&headers)?;
        self.body(&response.body)
    }

    /// A refresh by the client library, and what it has stored then.
    pub(super) fn refresh(
        &mut self,
        sender: &str,
        outcome: &str,
        session: &Value,
    ) -> io::Result<()> {
        let entry = json!({ "sender": sender, "outcome": outcome, "stored": session });
        self.push("refreshes", entry);
        self.line("36", &format!("\n  {sender} → refresh by aquaware-client"))?;
        let storage = if session.is_null() { "is empty" } else { "contains:" };
        self.line("36", &format!("  {sender} ← {outcome}, and its storage {storage}"))?;
        self.body(session)
    }

    pub(super) fn token(&mut self, name: &str, token: &Unverified) -> io::Result<()> {
        let entry = json!({ "token": name, "header": token.header, "claims": token.claims });
        self.push("tokens", entry);
        self.line("", &format!("\n  The {name} contains:"))?;
        for (member, meaning) in MEANINGS {
            let value = token.header.get(member).or_else(|| token.claims.get(member));
            let Some(value) = value else { continue };
            let time = value.as_i64().filter(|_| ["iat", "exp"].contains(&member));
            let time = time.map(|it| format!(", {}", Timestamp::from_seconds(it).to_rfc3339()));
            let value = plain(value);
            let time = time.unwrap_or_default();
            self.line("", &format!("    {member:<10} {value:<38}  {meaning}{time}"))?;
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, length: Duration, reason: &str) -> io::Result<()> {
        self.line("2", &format!("\n  … waiting {:.1} s {reason}", length.as_secs_f32()))?;
        self.out.flush()
    }

    /// Counts a check and prints it: `what` is true if `found` equals `expected`.
    pub(super) fn check(&mut self, what: &str, expected: Value, found: Value) -> io::Result<()> {
        let ok = expected == found;
        self.checks += 1;
        self.failed += usize::from(!ok);
        let check = if ok {
            json!({ "what": what, "ok": true })
        } else {
            self.step.as_object_mut().and_then(|step| step.insert("ok".to_owned(), false.into()));
            json!({ "what": what, "ok": false, "expected": expected, "found": found })
        };
        self.push("checks", check);
        if ok {
            return self.line("32", &format!("  ✓ {what}"));
        }
        let (expected, found) = (plain(&expected), plain(&found));
        self.line("1;31", &format!("  ✗ {what}\n    expected: {expected}\n    found:    {found}"))
    }

    pub(super) fn close(&mut self) -> io::Result<()> {
        self.end_step()?;
        let (steps, checks, failed) = (self.steps, self.checks, self.failed);
        match failed {
            0 => self.line("32", &format!("\n✓ {steps} steps, all {checks} checks passed")),
            _ => self.line("1;31", &format!("\n✗ {failed} of {checks} checks failed")),
        }
    }

    fn end_step(&mut self) -> io::Result<()> {
        if self.format == Format::Json && self.steps > 0 {
            writeln!(self.out, "{}", redact::value(&self.step))?;
        }
        self.out.flush()
    }

    fn push(&mut self, list: &str, entry: Value) {
        if let Some(Value::Array(entries)) = self.step.get_mut(list) {
            entries.push(entry);
        }
    }

    fn body(&mut self, body: &Value) -> io::Result<()> {
        body.as_object().map_or(Ok(()), |members| self.members(members))
    }

    fn members(&mut self, members: &Map<String, Value>) -> io::Result<()> {
        for (name, value) in &redact::object(members) {
            self.line("2", &format!("    {name}: {}", plain(value)))?;
        }
        Ok(())
    }

    /// Prints `text` in lines of at most [`WIDTH`] characters.
    fn prose(&mut self, indent: &str, text: &str) -> io::Result<()> {
        let mut line = indent.to_owned();
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line("", &line)?;
                indent.clone_into(&mut line);
            }
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line("", &line)
    }

    /// Prints a line of text in a style (an SGR code of ECMA-48).
    fn line(&mut self, style: &str, text: &str) -> io::Result<()> {
        match self.format {
            Format::Json => Ok(()),
            Format::Text { colours: true } if !style.is_empty() => {
                writeln!(self.out, "\u{1b}[{style}m{text}\u{1b}[0m")
            }
            Format::Text { .. } => writeln!(self.out, "{text}"),
        }
    }
}

/// A value as redacted text, without quotes.
fn plain(value: &Value) -> String {
    match redact::value(value) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
