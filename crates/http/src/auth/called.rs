//! What a request with an access token and a body consists of.

use actix_web::{HttpRequest, web};
use aquaware_core::service::{Caller, RequestContext};

use crate::bearer;
use crate::body::Fields;
use crate::problem::Problem;
use crate::state::State;

/// The snapshot for the request, its body, and the caller, named by the access token in the header or
/// in a form.
///
/// # Errors
/// The 4xx of a body that cannot be read, and the 401 without a valid token.
pub(super) async fn called(
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
) -> Result<(RequestContext, Fields, Caller), Problem> {
    let context = state.context();
    let fields = Fields::read(request, payload).await?;
    let caller = state.caller(request, fields.has(bearer::FIELD), &context).await?;
    Ok((context, fields, caller))
}
