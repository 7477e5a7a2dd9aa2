//! One exchange with the server, and what its answer means.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, Reason};
use crate::record::{Record, Secret};

/// A longer body is not an answer of the server.
const MAX_BODY: usize = 64 * 1024;
/// A server that asks for more patience than this is asked again anyway.
const MAX_RETRY_AFTER: u64 = 3_600;

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200 with an access token.
    Tokens(Tokens),
    /// 204.
    Done,
    /// One of the four codes that end a session.
    Ended(Reason),
    /// Nothing was decided, or the outcome is unknown.
    Unknown { after: Option<Duration> },
    /// Anything else; another attempt would get the same answer.
    Rejected { status: u16, code: String },
}

/// The tokens of a login or a refresh.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
    #[serde(default)]
    pub(crate) expires_in: u64,
    pub(crate) session_id: Option<String>,
}

impl Tokens {
    /// Whether they answer a refresh of this record. Those with the token that was sent answer an
    /// earlier request, and those of another session another client's.
    pub(crate) fn answer(&self, record: &Record) -> bool {
        let is_ours = record.session.is_none() || record.session == self.session_id;
        is_ours && self.refresh_token.as_ref() != Some(&record.refresh)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
}

impl Answer {
    /// Sends the request; a lost answer is [`Self::Unknown`].
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let Ok(mut response) = request.send().await else { return Self::Unknown { after: None } };
        let status = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let after = after.and_then(|it| it.trim().parse::<u64>().ok());
        let after = after.map(|it| Duration::from_secs(it.min(MAX_RETRY_AFTER)));
        let mut body = Zeroizing::new(Vec::new());
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => {
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return Self::of(status, after, &body),
                _ => return Self::Unknown { after: None },
            }
        }
    }

    fn of(status: u16, after: Option<Duration>, body: &[u8]) -> Self {
        let code = || serde_json::from_slice::<Problem>(body).unwrap_or_default().code;
        match status {
            200 => match serde_json::from_slice(body) {
                Ok(tokens) => Self::Tokens(tokens),
                Err(_) => Self::Unknown { after },
            },
            204 => Self::Done,
            401 => {
                let code = code();
                Reason::of(&code).map_or(Self::Rejected { status, code }, Self::Ended)
            }
            408 | 429 | 500.. => Self::Unknown { after },
            _ => Self::Rejected { status, code: code() },
        }
    }

    /// The error for an answer that is not retried.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Ended(reason) => Error::LoggedOut { reason: Some(reason) },
            Self::Rejected { status, code } => Error::Rejected { status, code },
            Self::Tokens(_) | Self::Done | Self::Unknown { .. } => Error::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer::of(status, None, body.as_bytes())
    }

    #[test]
    fn only_the_four_codes_end_a_session() {
        for code in [
            "refresh_token_expired",
            "refresh_token_reused",
            "session_revoked",
            "invalid_refresh_token",
        ] {
            let body = format!("{{\"code\":\"{code}\"}}");
            assert!(matches!(answer(401, &body), Answer::Ended(reason) if reason.as_str() == code));
            assert!(matches!(answer(403, &body), Answer::Rejected { status: 403, .. }));
            assert!(matches!(answer(500, &body), Answer::Unknown { .. }));
        }
        for body in ["", "<html>", "{\"code\":\"invalid_token\"}", "{\"code\":1}", "[]"] {
            assert!(matches!(answer(401, body), Answer::Rejected { status: 401, .. }), "{body}");
        }
    }

    #[test]
    fn unknown_outcomes_are_those_of_proxies_and_overloaded_servers() {
        for status in [408, 429, 500, 502, 503, 504, 522, 599] {
            assert!(matches!(answer(status, "<html>"), Answer::Unknown { .. }), "{status}");
        }
        for body in ["", "<html>Welcome to our hotel</html>", "null", "{}", "{\"access_token\":"] {
            assert!(matches!(answer(200, body), Answer::Unknown { .. }), "{body}");
        }
        for status in [301, 307, 400, 403, 404, 415] {
            assert!(matches!(answer(status, ""), Answer::Rejected { .. }), "{status}");
        }
    }
}
