//! The checks without a store: the rules of the core in order, up to the first that fails.

use aquaware_core::claims::{AccessClaims, RefreshClaims};
use aquaware_core::id::KeyId;
use aquaware_core::jwt::{TokenError, TokenType, Verified, inspect};
use aquaware_core::service::Snapshot;
use aquaware_core::time::{Leeway, Timestamp, expired};
use serde_json::{Map, Value};

use crate::cli::keys::phase_name;
use crate::cli::span::relative;

/// A rule and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) rule: &'static str,
    /// Whether it passed; `None` if it was not checked.
    pub(super) passed: Option<bool>,
    /// The reason, or the checked value.
    pub(super) detail: String,
}

impl Check {
    /// Whether the token failed the check.
    pub(super) fn has_failed(&self) -> bool {
        self.passed == Some(false)
    }
}

/// A token with a valid signature and valid claims.
#[derive(Debug)]
pub(super) enum VerifiedToken {
    /// An access token of a session or of a client.
    Access(Verified<AccessClaims>),
    /// A refresh token, possibly expired.
    Refresh(Verified<RefreshClaims>),
}

/// The outcome of the checks without a store.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) kind: Option<TokenType>,
    pub(super) checks: Vec<Check>,
    /// The claims, if all checks passed.
    pub(super) verified: Option<VerifiedToken>,
}

const RULES: [&str; 9] =
    ["form", "type", "key", "algorithm", "signature", "claims", "issuer", "audience", "expiry"];

/// The rule that an error belongs to.
const fn rule_of(error: TokenError) -> &'static str {
    match error {
        TokenError::TooLong | TokenError::Malformed | TokenError::CriticalHeader => "form",
        TokenError::WrongType => "type",
        TokenError::UnknownKey => "key",
        TokenError::WrongAlgorithm => "algorithm",
        TokenError::InvalidSignature => "signature",
        TokenError::WrongIssuer => "issuer",
        TokenError::WrongAudience => "audience",
        TokenError::Expired | TokenError::NotYetValid => "expiry",
        _ => "claims",
    }
}

/// Checks `token` as an access token or as a refresh token.
pub(super) fn check_offline(token: &str, snapshot: &Snapshot, now: Timestamp) -> Outcome {
    let access = snapshot.check_access(token, now).map(VerifiedToken::Access);
    let (kind, outcome) = if matches!(access, Err(TokenError::WrongType)) {
        let refresh = snapshot.check_refresh(token, now).map(VerifiedToken::Refresh);
        let kind = (!matches!(refresh, Err(TokenError::WrongType))).then_some(TokenType::Refresh);
        (kind, refresh)
    } else {
        let malformed = access.as_ref().is_err_and(|error| rule_of(*error) == "form");
        ((!malformed).then_some(TokenType::Access), access)
    };
    let outcome = outcome.map_err(Failure::Rule).and_then(|token| match token {
        VerifiedToken::Refresh(claims) if expired(claims.exp, Leeway::NONE, now) => {
            Err(Failure::Expired)
        }
        token => Ok(token),
    });
    let failure = outcome.as_ref().err().copied();
    let facts = Facts::of(token, snapshot, now);
    let checks = RULES.iter().map(|rule| facts.check(rule, failure)).collect();
    Outcome { kind, checks, verified: outcome.ok() }
}

/// The first check that a token fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Rule(TokenError),
    /// An expired refresh token, which the core detects only when it is used.
    Expired,
}

impl Failure {
    const fn rule(self) -> &'static str {
        match self {
            Self::Rule(error) => rule_of(error),
            Self::Expired => "expiry",
        }
    }
}

/// The contents of a token, verified or not, and what they are compared with.
struct Facts<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    snapshot: &'a Snapshot,
    now: Timestamp,
}

impl<'a> Facts<'a> {
    fn of(token: &str, snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let parts = inspect(token).ok();
        let (header, claims) = parts.map(|it| (it.header, it.claims)).unwrap_or_default();
        Self { header, claims, snapshot, now }
    }

    fn check(&self, rule: &'static str, failure: Option<Failure>) -> Check {
        let index = |rule| RULES.iter().position(|it| *it == rule);
        let passed = match failure.map(|it| index(it.rule()).cmp(&index(rule))) {
            None | Some(std::cmp::Ordering::Greater) => Some(true),
            Some(std::cmp::Ordering::Equal) => Some(false),
            Some(std::cmp::Ordering::Less) => None,
        };
        let fact = self.fact(rule, passed);
        let detail = match (passed, failure) {
            (Some(false), Some(Failure::Rule(error))) if fact.is_empty() => error.to_string(),
            (Some(false), Some(Failure::Rule(error))) => format!("{error}: {fact}"),
            _ => fact,
        };
        Check { rule, passed, detail }
    }

    fn fact(&self, rule: &str, passed: Option<bool>) -> String {
        let policy = self.snapshot.policy();
        match rule {
            // The token is malformed.
            _ if self.header.is_empty() => String::new(),
            "type" => text(self.header.get("typ")),
            "key" => self.key(),
            "algorithm" => text(self.header.get("alg")),
            "issuer" if passed == Some(false) => {
                let expected = policy.issuer();
                format!("found {}, expected {expected}", text(self.claims.get("iss")))
            }
            "issuer" => text(self.claims.get("iss")),
            "audience" if passed == Some(false) => {
                let expected: Vec<String> =
                    policy.audiences().iter().map(ToString::to_string).collect();
                let found = text(self.claims.get("aud"));
                format!("found {found}, expected {}", expected.join(", "))
            }
            "audience" => text(self.claims.get("aud")),
            "expiry" => self.expiry(),
            _ => String::new(),
        }
    }

    fn key(&self) -> String {
        let kid = self.header.get("kid");
        let Some(name) = kid.and_then(Value::as_str) else {
            return "the token has no kid".to_owned();
        };
        let phase = KeyId::new(name).ok().and_then(|it| self.snapshot.ring().phase(&it, self.now));
        let kid = text(kid);
        phase.map_or_else(
            || format!("{kid} is none of the keys of this configuration"),
            |phase| format!("{kid}, {}", phase_name(phase)),
        )
    }

    fn expiry(&self) -> String {
        let instant = |claim| {
            let seconds = self.claims.get(claim).and_then(Value::as_f64)?;
            // Instants beyond the year 9999 are printed as numbers only.
            let known = (0.0..253_402_300_799.0).contains(&seconds);
            #[allow(clippy::cast_possible_truncation, reason = "the range is checked above")]
            known.then(|| Timestamp::from_seconds(seconds as i64))
        };
        let Some(end) = instant("exp") else { return String::new() };
        let end = format!("{}, {}", end.to_rfc3339(), relative(end, self.now));
        match instant("nbf").filter(|start| *start > self.now) {
            Some(start) => format!("{end}; not before {}", start.to_rfc3339()),
            None => end,
        }
    }
}

/// A member as text, strings without quotes.
fn text(value: Option<&Value>) -> String {
    match value {
        None => "no value".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
