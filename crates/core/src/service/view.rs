//! Sessions as they are shown to the holder of an access token.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::RequestContext;
use crate::id::{ClientId, SessionId, Subject};
use crate::policy::ClientProfile;
use crate::session::{Device, Session};
use crate::time::Timestamp;

/// A session as its owner may see it.
///
/// A thief who holds an access token and a superseded refresh token could present the latter within
/// the retry window, if anything told him when the owner has refreshed. So a refresh becomes visible
/// only after twice the retry window of the client: until then, the view shows the use before it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionView {
    /// The session's id.
    pub id: SessionId,
    /// The client.
    pub client: ClientId,
    /// The origin of the login.
    pub device: Device,
    /// The time of the login.
    pub created_at: Timestamp,
    /// The last use that may be shown; for the caller's own session the time of the request.
    pub last_used_at: Timestamp,
    /// The expiry as of the last use that may be shown.
    pub expires_at: Timestamp,
    /// Whether this is the session of the caller.
    pub current: bool,
}

impl SessionView {
    /// How the owner of `session` sees it through the session `caller`.
    #[must_use]
    pub fn new(context: &RequestContext, session: Session, caller: &SessionId) -> Self {
        let window = context.client(&session.client).map(ClientProfile::retry_window);
        let delay = window.unwrap_or_default().saturating_mul(2);
        let visible = session.visible_use(context.now.minus(delay));
        let current = session.id == *caller;
        Self {
            last_used_at: if current { context.now } else { visible.at },
            expires_at: visible.expires_at.min(session.ends_at.floor()),
            current,
            id: session.id,
            client: session.client,
            device: session.device,
            created_at: session.created_at,
        }
    }
}

/// A page of sessions.
#[derive(Clone, Debug)]
pub struct SessionPage {
    /// The sessions, newest first.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<SessionCursor>,
}

/// A position in the list of the sessions of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    /// When the last session of the page before was created.
    pub created_at: Timestamp,
    /// The id of that session.
    pub id: SessionId,
}

/// The text is not a cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a cursor of this list")]
pub struct InvalidCursorError;

impl SessionCursor {
    pub(super) const fn after(session: &Session) -> Self {
        Self { created_at: session.created_at, id: session.id }
    }

    /// The text of the cursor in the list of `subject`.
    #[must_use]
    pub fn encode(&self, subject: &Subject) -> String {
        let position = self.position();
        URL_SAFE_NO_PAD.encode([&position[..], &checksum(&position, subject)].concat())
    }

    /// Parses the text of a cursor in the list of `subject`.
    ///
    /// # Errors
    /// [`InvalidCursorError`] for any other text, and for a cursor of another account.
    pub fn parse(text: &str, subject: &Subject) -> Result<Self, InvalidCursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursorError)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidCursorError)?;
        let (position, rest) = bytes.split_at(24);
        if checksum(position, subject) != rest {
            return Err(InvalidCursorError);
        }
        let (created_at, id) = position.split_at(8);
        let millis = created_at.try_into().map_err(|_| InvalidCursorError)?;
        let id = id.try_into().map_err(|_| InvalidCursorError)?;
        Ok(Self {
            created_at: Timestamp::from_millis(i64::from_be_bytes(millis)),
            id: SessionId::from_bytes(id),
        })
    }

    fn position(&self) -> [u8; 24] {
        let mut position = [0; 24];
        let (created_at, id) = position.split_at_mut(8);
        created_at.copy_from_slice(&self.created_at.millis().to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        position
    }
}

/// Not a secret: a forged cursor reveals nothing, but a damaged one is reported.
fn checksum(position: &[u8], subject: &Subject) -> [u8; 8] {
    let hash = digest::digest(&digest::SHA256, &[position, subject.as_str().as_bytes()].concat());
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_belong_to_one_account() {
        let cursor = SessionCursor {
            created_at: Timestamp::from_millis(-1_790_000_000_123),
            id: SessionId::from_bytes([7; 16]),
        };
        let (ann, bob) = (Subject::new("ann").unwrap(), Subject::new("bob").unwrap());
        let text = cursor.encode(&ann);
        assert_eq!(SessionCursor::parse(&text, &ann), Ok(cursor));
        assert_eq!(SessionCursor::parse(&text, &bob), Err(InvalidCursorError));
        for bad in ["", "x", &text[1..], &format!("{text}A"), &text.replace('B', "C")] {
            assert_eq!(SessionCursor::parse(bad, &ann), Err(InvalidCursorError), "{bad}");
        }
    }
}
