//! Replacing the extra claims of sessions.

#[cfg(feature = "accounts")]
use super::RequestContext;
use super::sessions::{FIRST_BATCH, Sessions};
use crate::id::{SessionId, Subject};
use crate::session::ExtraClaims;
use crate::store::StoreError;

/// How many sessions get new claims in one step. Larger than
/// [`END_BATCH`](super::sessions::END_BATCH): for each page of a list, Redis scans all sessions of
/// the account.
const CLAIMS_BATCH: u32 = 2000;

impl Sessions {
    /// Replaces the extra claims of the live sessions of `subject`, in batches. Access tokens carry
    /// them from the next refresh on.
    ///
    /// # Errors
    /// [`StoreError`]; some sessions may have the new claims, and repeating the call is safe.
    pub async fn set_claims(
        &self,
        subject: &Subject,
        claims: &ExtraClaims,
    ) -> Result<(), StoreError> {
        let (mut after, mut rows) = (None, FIRST_BATCH);
        loop {
            let page = self.store.list(subject, after, rows).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.created_at, last.id));
            let ids: Vec<SessionId> = page.iter().map(|session| session.id).collect();
            self.store.set_claims(&ids, claims).await?;
            rows = rows.saturating_mul(2).min(CLAIMS_BATCH);
        }
    }

    /// Replaces the extra claims of one session.
    ///
    /// # Errors
    /// [`StoreError`].
    #[cfg(feature = "accounts")]
    pub(super) async fn set_claims_of(
        &self,
        context: &RequestContext,
        id: &SessionId,
        claims: &ExtraClaims,
    ) -> Result<(), StoreError> {
        context.budget.wait(self.store.set_claims(std::slice::from_ref(id), claims)).await
    }
}
