//! The middleware and the extractor for actix-web.
//!
//! Tokens are checked by the middleware, not by the extractor: actix-web turns every failure of
//! the extractor `Option<T>` into `None`, so that an invalid token would make an anonymous caller.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::{StatusCode, header};
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, web,
};

use super::auth::{Bearer, BearerAuth, Checked};
use super::rejection::{Rejection, RejectionKind};
use super::resource::{CACHE_CONTROL, ResourceMetadata};

impl<S, B> Transform<S, ServiceRequest> for BearerAuth
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = BearerAuthMiddleware<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(BearerAuthMiddleware { service: Rc::new(service), auth: self.clone() }))
    }
}

/// A service that requires a valid access token. Created by the middleware [`BearerAuth`].
#[derive(Debug)]
pub struct BearerAuthMiddleware<S> {
    service: Rc<S>,
    auth: BearerAuth,
}

impl<S, B> Service<ServiceRequest> for BearerAuthMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (method, path) = (request.method().as_str(), request.path());
        if let Some(metadata) = self.auth.requested_metadata(method, path) {
            let response = metadata.response();
            return Box::pin(ready(Ok(request.into_response(response).map_into_right_body())));
        }
        let values = request.headers().get_all(header::AUTHORIZATION);
        let values = values.map(header::HeaderValue::as_bytes);
        let checked = self.auth.check(values, request.uri().query());
        let (service, auth) = (Rc::clone(&self.service), self.auth.clone());
        Box::pin(async move {
            let result = match checked {
                Checked::Done(result) => result,
                Checked::MayWait(token) => auth.check_waiting(&token).await,
            };
            match result {
                Ok(bearer) => {
                    let found = Found(bearer.ok_or_else(|| auth.missing_token()));
                    request.extensions_mut().insert(found);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                Err(rejection) => {
                    let response = rejection.error_response();
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

/// The result of the innermost middleware, in the request's extensions. Without a token it replaces
/// the claims that an outer middleware may have found.
struct Found(Result<Bearer, Rejection>);

/// Fails with 401 without a token, and with 500 if no [`BearerAuth`] is set up for the route.
impl FromRequest for Bearer {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(Found(result)) = request.extensions().get() {
            return ready(result.clone());
        }
        tracing::error!(
            path = request.path(),
            "a handler requires a bearer token, but no BearerAuth wraps its route"
        );
        ready(Err(Rejection::new(RejectionKind::NotConfigured, &Arc::default())))
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(challenge) = self.challenge() {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.insert_header((header::CONTENT_TYPE, self.content_type())).body(self.body())
    }
}

impl ResourceMetadata {
    /// The route of the document, for `App::configure`.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let metadata = self.clone();
        move |config| {
            let respond = {
                let metadata = metadata.clone();
                move || ready(metadata.response())
            };
            let resource = web::resource(metadata.path()).route(web::get().to(respond.clone()));
            config.service(resource.route(web::head().to(respond)));
        }
    }

    fn response(&self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
            // Clients in browsers read it too.
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .body(self.json())
    }
}
