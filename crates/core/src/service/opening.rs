//! The record with which a session begins, for logins and for tokens of other systems.

use super::RequestContext;
use super::sessions::{NewSession, Sessions};
use crate::id::{Generation, SessionId};
use crate::policy::ClientProfile;
use crate::session::Session;

impl Sessions {
    /// The record of a session that begins now, under a random id.
    pub(super) fn first_generation(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        new: NewSession,
    ) -> Session {
        let NewSession { subject, scope, claims, device } = new;
        let now = context.now;
        Session {
            id: SessionId::generate(&*self.random),
            subject,
            client: profile.id().clone(),
            scope,
            claims,
            device: self.settings.record.apply(device).tidied(),
            created_at: now,
            ends_at: profile.session_lifetime().from(now),
            generation: Generation::FIRST,
            issued_at: now,
            expires_at: profile.refresh_lifetime().from(now),
            last_used_at: now,
            shown_use: None,
            mark: None,
            used_from: None,
            ended: None,
            status: None,
        }
    }
}
