//! Lists of the live sessions of an account.

use super::RequestContext;
use super::sessions::{END_BATCH, Sessions};
use super::view::{SessionCursor, SessionPage, SessionView};
use crate::id::Subject;
use crate::session::Session;
use crate::store::StoreError;

impl Sessions {
    /// A page of the live sessions of `subject`, newest first, with at most `limit` sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        context: &RequestContext,
        subject: &Subject,
        after: Option<SessionCursor>,
        limit: u32,
    ) -> Result<SessionPage, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let at_most = limit.saturating_add(1);
        let mut cursor = after;
        let mut sessions = Vec::new();
        loop {
            let position = cursor.map(|it| (it.created_at, it.id));
            let list = self.store.list(subject, position, at_most);
            let batch = context.budget.wait(list).await?;
            let last = batch.last().map(SessionCursor::after);
            let is_last = batch.len() <= wanted;
            // Stores also return sessions that have expired without being ended.
            sessions.extend(batch.into_iter().filter(|session| session.is_live(context.now)));
            if sessions.len() > wanted {
                sessions.truncate(wanted);
                let next = sessions.last().map(SessionCursor::after).or(after);
                return Ok(SessionPage { sessions, next });
            }
            if is_last {
                return Ok(SessionPage { sessions, next: None });
            }
            cursor = last;
        }
    }

    /// All live sessions of `subject`, newest first. For operators: an account may have very many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        context: &RequestContext,
        subject: &Subject,
    ) -> Result<Vec<Session>, StoreError> {
        let (mut sessions, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(context, subject, after, END_BATCH).await?;
            sessions.extend(page.sessions);
            after = page.next;
            if after.is_none() {
                return Ok(sessions);
            }
        }
    }

    /// A page of the caller's sessions as the caller may see them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page_of(
        &self,
        context: &RequestContext,
        caller: &Session,
        after: Option<SessionCursor>,
        limit: u32,
    ) -> Result<(Vec<SessionView>, Option<SessionCursor>), StoreError> {
        let page = self.page(context, &caller.subject, after, limit).await?;
        let view = |session| SessionView::new(context, session, &caller.id);
        Ok((page.sessions.into_iter().map(view).collect(), page.next))
    }
}
