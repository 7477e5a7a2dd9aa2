//! The extractor for axum. It takes its rules from the router's state, so that a router without
//! [`BearerAuth`] does not compile.

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::auth::{Bearer, BearerAuth, Checked};
use super::rejection::Rejection;
use super::tower::{authorizations, response};

impl<S> FromRequestParts<S> for Bearer
where
    BearerAuth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = BearerAuth::from_ref(state);
        extract(&auth, parts).await?.ok_or_else(|| auth.missing_token())
    }
}

/// `None` for a request without a token. An invalid token is rejected.
impl<S> OptionalFromRequestParts<S> for Bearer
where
    BearerAuth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        extract(&BearerAuth::from_ref(state), parts).await
    }
}

async fn extract(auth: &BearerAuth, parts: &Parts) -> Result<Option<Bearer>, Rejection> {
    match auth.check_optional(authorizations(&parts.headers), parts.uri.query()) {
        Checked::Done(result) => result,
        Checked::MayWait(token) => auth.check_waiting(&token).await,
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        response::<Body>(&self)
    }
}
