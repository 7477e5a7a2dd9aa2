//! The extractor for axum. It takes its rules from the router's state, so that a router without
//! [`BearerAuth`] does not compile.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use tower_service::Service;

use super::auth::{Bearer, BearerAuth, Checked};
use super::rejection::Rejection;
use super::resource::ResourceMetadata;
use super::tower::{authorizations, metadata_response, response};

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

/// For `Router::route_service`: responds with the document to GET and HEAD.
impl<B> Service<Request<B>> for ResourceMetadata {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let readable = matches!(*request.method(), Method::GET | Method::HEAD);
        let document = metadata_response::<Body>(self).filter(|_| readable);
        ready(Ok(document.unwrap_or_else(|| StatusCode::METHOD_NOT_ALLOWED.into_response())))
    }
}
