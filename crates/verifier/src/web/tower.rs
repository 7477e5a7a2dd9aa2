//! The layer for tower: axum, tonic, hyper and other services of `http` requests.
//!
//! Requests with a valid token continue with a [`Bearer`] in their extensions. Others are rejected
//! here. A layer that responds to CORS preflights must be outside this one.

use std::any::Any;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use super::auth::{Bearer, BearerAuth, Checked};
use super::rejection::Rejection;

impl<S> Layer<S> for BearerAuth {
    type Service = BearerAuthService<S>;

    fn layer(&self, inner: S) -> BearerAuthService<S> {
        BearerAuthService { inner, auth: self.clone() }
    }
}

/// A service that requires a valid access token. Created by the layer [`BearerAuth`].
///
/// Rejections have an empty body, unless the body type is that of axum.
#[derive(Clone, Debug)]
pub struct BearerAuthService<S> {
    inner: S,
    auth: BearerAuth,
}

impl<S, B, R> Service<Request<B>> for BearerAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.auth.check(authorizations(request.headers()), request.uri().query()) {
            Checked::Done(Ok(bearer)) => {
                insert(&mut request, bearer);
                Box::pin(self.inner.call(request))
            }
            Checked::Done(Err(rejection)) => Box::pin(ready(Ok(response(&rejection)))),
            Checked::MayWait(token) => {
                // The instance that was polled ready must be the one that is called.
                let clone = self.clone();
                let ready = std::mem::replace(self, clone);
                Box::pin(ready.call_waiting(request, token))
            }
        }
    }
}

impl<S> BearerAuthService<S> {
    async fn call_waiting<B, R>(
        mut self,
        mut request: Request<B>,
        token: String,
    ) -> Result<Response<R>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Default + 'static,
    {
        match self.auth.check_waiting(&token).await {
            Ok(bearer) => {
                insert(&mut request, bearer);
                self.inner.call(request).await
            }
            Err(rejection) => Ok(response(&rejection)),
        }
    }
}

/// Replaces what an outer layer may have inserted.
fn insert<B>(request: &mut Request<B>, bearer: Option<Bearer>) {
    if let Some(bearer) = bearer {
        request.extensions_mut().insert(bearer);
    }
}

/// The values of `Authorization`.
pub(crate) fn authorizations(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes)
}

/// The response to a rejected request.
pub(crate) fn response<R: Default + 'static>(rejection: &Rejection) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() =
        StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(Ok(value)) = rejection.challenge().map(HeaderValue::try_from) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    if let Some(seconds) = rejection.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if set_body(response.body_mut(), rejection) {
        let content_type = HeaderValue::from_static(rejection.content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Sets the body of a rejection if its type is that of axum. Other body types cannot be created
/// from a string in general. Returns whether the body was set.
fn set_body(body: &mut dyn Any, rejection: &Rejection) -> bool {
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut::<axum_core::body::Body>() {
        *body = rejection.body().into();
        return true;
    }
    let _ = (body, rejection);
    false
}
