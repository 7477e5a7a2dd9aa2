//! What a token says by itself: the rules of the core in their order, and the first one it breaks.

use aquaware_core::claims::{AccessClaims, RefreshClaims};
use aquaware_core::id::KeyId;
use aquaware_core::jwt::{TokenError, TokenType, Verified, inspect};
use aquaware_core::service::Snapshot;
use aquaware_core::time::{Leeway, Timestamp, expired};
use serde_json::{Map, Value};

use crate::cli::keys::phase_name;
use crate::cli::span::relative;

/// One rule, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// The rule's name.
    pub(super) rule: &'static str,
    /// Whether it holds; `None` if it wasn't asked.
    pub(super) good: Option<bool>,
    /// Why, or what it is about.
    pub(super) detail: String,
}

impl Check {
    /// Whether the token breaks the rule.
    pub(super) fn is_bad(&self) -> bool {
        self.good == Some(false)
    }
}

/// What a token proved to be.
#[derive(Debug)]
pub(super) enum Proven {
    /// An access token, of a session or of a client by itself.
    Access(Verified<AccessClaims>),
    /// A refresh token, past its `exp` or not.
    Refresh(Verified<RefreshClaims>),
}

/// What can be said without a store.
#[derive(Debug)]
pub(super) struct Verdict {
    /// What it calls itself.
    pub(super) kind: Option<TokenType>,
    /// The rules, in the order in which they are asked.
    pub(super) checks: Vec<Check>,
    /// The claims, if none is broken.
    pub(super) proven: Option<Proven>,
}

const RULES: [&str; 9] =
    ["form", "type", "key", "algorithm", "signature", "claims", "issuer", "audience", "expiry"];

/// The rule behind an error.
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

/// Asks the core about `token`, as either kind.
pub(super) fn by_its_own(token: &str, snapshot: &Snapshot, now: Timestamp) -> Verdict {
    let access = snapshot.check_access(token, now).map(Proven::Access);
    let (kind, outcome) = if matches!(access, Err(TokenError::WrongType)) {
        let refresh = snapshot.check_refresh(token, now).map(Proven::Refresh);
        let kind = (!matches!(refresh, Err(TokenError::WrongType))).then_some(TokenType::Refresh);
        (kind, refresh)
    } else {
        let formless = access.as_ref().is_err_and(|error| rule_of(*error) == "form");
        ((!formless).then_some(TokenType::Access), access)
    };
    let outcome = outcome.map_err(Broken::Rule).and_then(|proven| match proven {
        Proven::Refresh(claims) if expired(claims.exp, Leeway::NONE, now) => Err(Broken::Late),
        proven => Ok(proven),
    });
    let broken = outcome.as_ref().err().copied();
    let facts = Facts::of(token, snapshot, now);
    let checks = RULES.iter().map(|rule| facts.check(rule, broken)).collect();
    Verdict { kind, checks, proven: outcome.ok() }
}

/// The first rule that a token breaks.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Rule(TokenError),
    /// A refresh token past its `exp`, which the core tells when it is used.
    Late,
}

impl Broken {
    const fn rule(self) -> &'static str {
        match self {
            Self::Rule(error) => rule_of(error),
            Self::Late => "expiry",
        }
    }
}

/// What a token says of itself, proven or not, beside what this configuration is.
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

    fn check(&self, rule: &'static str, broken: Option<Broken>) -> Check {
        let place = |rule| RULES.iter().position(|it| *it == rule);
        let good = match broken.map(|it| place(it.rule()).cmp(&place(rule))) {
            None | Some(std::cmp::Ordering::Greater) => Some(true),
            Some(std::cmp::Ordering::Equal) => Some(false),
            Some(std::cmp::Ordering::Less) => None,
        };
        let fact = self.fact(rule, good);
        let detail = match (good, broken) {
            (Some(false), Some(Broken::Rule(error))) if fact.is_empty() => error.to_string(),
            (Some(false), Some(Broken::Rule(error))) => format!("{error}: {fact}"),
            _ => fact,
        };
        Check { rule, good, detail }
    }

    fn fact(&self, rule: &str, good: Option<bool>) -> String {
        let policy = self.snapshot.policy();
        match rule {
            // It couldn't be taken apart.
            _ if self.header.is_empty() => String::new(),
            "type" => text(self.header.get("typ")),
            "key" => self.key(),
            "algorithm" => text(self.header.get("alg")),
            "issuer" if good == Some(false) => {
                let ours = policy.issuer();
                format!("it says {}, this configuration is {ours}", text(self.claims.get("iss")))
            }
            "issuer" => text(self.claims.get("iss")),
            "audience" if good == Some(false) => {
                let ours: Vec<String> =
                    policy.audiences().iter().map(ToString::to_string).collect();
                let theirs = text(self.claims.get("aud"));
                format!("it says {theirs}, this configuration knows {}", ours.join(", "))
            }
            "audience" => text(self.claims.get("aud")),
            "expiry" => self.expiry(),
            _ => String::new(),
        }
    }

    fn key(&self) -> String {
        let kid = self.header.get("kid");
        let Some(name) = kid.and_then(Value::as_str) else { return "it names none".to_owned() };
        let phase = KeyId::new(name).ok().and_then(|it| self.snapshot.ring().phase(&it, self.now));
        let told = text(kid);
        phase.map_or_else(
            || format!("{told} is none of the keys here"),
            |phase| format!("{told}, {}", phase_name(phase)),
        )
    }

    fn expiry(&self) -> String {
        let instant = |claim| {
            let seconds = self.claims.get(claim).and_then(Value::as_f64)?;
            // A claim that no calendar holds is told as it stands, above.
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

/// A member as it stands: texts without quotes.
fn text(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
