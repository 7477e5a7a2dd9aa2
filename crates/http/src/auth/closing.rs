//! Ends every session of an account, the caller's included, after the response has been sent.

use std::time::Duration;

use actix_web::rt;
use actix_web::web::Data;
use aquaware_core::id::Subject;
use aquaware_core::service::RequestContext;
use aquaware_core::session::EndReason;

use crate::state::State;

/// How often a store that fails is tried again.
const MAX_FAILURES: u32 = 10;

/// Ends the sessions of `subject` that one request could not end.
pub(super) fn end_every(
    state: &Data<State>,
    context: RequestContext,
    subject: Subject,
    reason: EndReason,
) {
    let state = Data::clone(state);
    let task = async move {
        for failures in 0..MAX_FAILURES {
            match state.sessions.end_rest(&context, &subject, None, reason).await {
                Ok(()) => return tracing::info!(account = %subject, "ended every session"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(account = %subject, error, "failed to end sessions");
                }
            }
            rt::time::sleep(Duration::from_secs(1 << failures.min(5))).await;
        }
        tracing::error!(account = %subject, "some sessions could not be ended; end them again");
    };
    drop(rt::spawn(task));
}
