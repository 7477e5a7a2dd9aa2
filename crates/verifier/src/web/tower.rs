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
use super::resource::{CACHE_CONTROL, ResourceMetadata};

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
        let (method, path) = (request.method().as_str(), request.uri().path());
        if let Some(metadata) = self.auth.requested_metadata(method, path)
            && let Some(response) = metadata_response(metadata)
        {
            return Box::pin(ready(Ok(response)));
        }
        let grpc = is_grpc(request.headers());
        match self.auth.check(authorizations(request.headers()), request.uri().query()) {
            Checked::Done(Ok(bearer)) => {
                insert(&mut request, bearer);
                Box::pin(self.inner.call(request))
            }
            Checked::Done(Err(rejection)) => Box::pin(ready(Ok(reject(&rejection, grpc)))),
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
            Err(rejection) => Ok(reject(&rejection, is_grpc(request.headers()))),
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

/// The document, if the body type is that of axum.
pub(crate) fn metadata_response<R: Default + 'static>(
    metadata: &ResourceMetadata,
) -> Option<Response<R>> {
    let mut response = Response::new(R::default());
    if !set_body(response.body_mut(), || metadata.json()) {
        return None;
    }
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    // Clients in browsers read it too.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Some(response)
}

/// Whether the caller expects a response as gRPC has it.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

fn reject<R: Default + 'static>(rejection: &Rejection, grpc: bool) -> Response<R> {
    if grpc { grpc_response(rejection) } else { response(rejection) }
}

/// A gRPC response without messages: the status is in the headers, and that of HTTP is 200.
fn grpc_response<R: Default>(rejection: &Rejection) -> Response<R> {
    let code = match rejection.status() {
        400 => 3,  // INVALID_ARGUMENT
        401 => 16, // UNAUTHENTICATED
        403 => 7,  // PERMISSION_DENIED
        503 => 14, // UNAVAILABLE
        _ => 13,   // INTERNAL
    };
    let mut response = Response::new(R::default());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", code.into());
    // Percent-encoding is not needed: the texts are printable ASCII without a percent sign.
    let printable = |c: &char| matches!(c, ' '..='~') && *c != '%';
    let message: String = rejection.to_string().chars().filter(printable).collect();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert("grpc-message", message);
    }
    response
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
    if set_body(response.body_mut(), || rejection.body()) {
        let content_type = HeaderValue::from_static(rejection.content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Sets the body if its type is that of axum. Other body types cannot be created
/// from a string in general. Returns whether the body was set.
fn set_body(body: &mut dyn Any, text: impl FnOnce() -> String) -> bool {
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut::<axum_core::body::Body>() {
        *body = text().into();
        return true;
    }
    let _ = (body, text);
    false
}
