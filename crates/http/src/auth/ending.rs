//! Sessions that are too many to end within one request.

use std::time::Duration;

use actix_web::rt;
use actix_web::web::Data;
use aquaware_core::id::{SessionId, Subject};
use aquaware_core::service::RequestContext;
use aquaware_core::session::EndReason;

use crate::state::State;

/// How often a store that fails is tried again.
const MAX_FAILURES: u32 = 10;

/// How long the caller's own session outlives the others, so that a repeat of the call gets its
/// response.
const OWN_SESSION_LAST: Duration = Duration::from_secs(30);

/// What happens to the session of the caller.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    /// It stays.
    Kept(SessionId),
    /// It ends after the others.
    Last(SessionId),
    /// It ends like the others.
    Included,
}

/// Ends the sessions of `subject` that one request could not end, after the response has been sent.
pub(super) fn end_rest(
    state: &Data<State>,
    context: RequestContext,
    subject: Subject,
    own: Own,
    reason: EndReason,
) {
    let state = Data::clone(state);
    let task = async move {
        let others_than = match &own {
            Own::Kept(id) | Own::Last(id) => Some(id),
            Own::Included => None,
        };
        end_patiently(&state, &context, &subject, others_than, reason).await;
        if matches!(own, Own::Last(_)) {
            rt::time::sleep(OWN_SESSION_LAST).await;
            end_patiently(&state, &context, &subject, None, reason).await;
        }
    };
    drop(rt::spawn(task));
}

async fn end_patiently(
    state: &State,
    context: &RequestContext,
    subject: &Subject,
    except: Option<&SessionId>,
    reason: EndReason,
) {
    for failures in 0..MAX_FAILURES {
        match state.sessions.end_rest(context, subject, except, reason).await {
            Ok(()) => return tracing::info!(account = %subject, "ended the sessions"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(account = %subject, error, "failed to end sessions");
            }
        }
        rt::time::sleep(Duration::from_secs(1 << failures.min(5))).await;
    }
    tracing::error!(account = %subject, "some sessions could not be ended; end them again");
}
